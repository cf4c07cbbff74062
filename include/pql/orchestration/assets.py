"""Every dataset of the project in the order in which data flows; DAGs are connected by these."""

from __future__ import annotations

from airflow.sdk import Asset

EVENTS = Asset(name="lake_events", uri="pql://lake/events", group="lake")
CRM = Asset(name="lake_crm", uri="pql://lake/crm", group="lake")
SCORES = Asset(name="lake_scores", uri="pql://lake/scores", group="lake")
OUTBOX = Asset(name="ledger_outbox", uri="pql://ledger/outbox", group="ledger")
