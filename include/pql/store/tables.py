"""The ledger's tables (SQLAlchemy Core); Alembic's migrations create them, unique keys do the guarding.

Instants are stored as naive UTC `DateTime`. JSON columns hold plain objects.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")

sources = Table(
    "sources",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("complete_to", DateTime),
    Column("cursor", JSON),  # the source's own note of where it stands
    Column("read_at", DateTime),
    Column("read", Integer, nullable=False, default=0),
    Column("quarantined", Integer, nullable=False, default=0),
    Column("error", Text),
    Column("added", Integer, nullable=False, default=0, server_default="0"),  # records the lake did not have
    Column("duplicates", Integer, nullable=False, default=0, server_default="0"),  # within the read
    Column("newest_at", DateTime),  # when the newest event it ever brought happened
)

# One row per (definition, fact key) that has something new to look at (SEM-D1). A fact key is what ingest knows:
# "user:<id>", "anon:<id>", "org:<hint>", "company:<crm id>", "contact:<crm id>"; evaluation resolves it to a subject.
dirty_marks = Table(
    "dirty_marks",
    metadata,
    Column("definition", String(100), primary_key=True),
    Column("fact_key", String(400), primary_key=True),
    Column("seq", _Id, nullable=False, index=True),  # grows with every marking; a re-mark gets a new one
    Column("newest_fact_at", DateTime, nullable=False),
)

counters = Table(
    "counters", metadata, Column("name", String(50), primary_key=True), Column("value", _Id, nullable=False)
)

definitions = Table(
    "definitions",
    metadata,
    Column("definition", String(100), primary_key=True),
    Column("rules_hash", String(64), primary_key=True),
    Column("first_seen_at", DateTime, nullable=False),
    Column("title", String(300), nullable=False, default=""),
    Column("source", Text, nullable=False, default=""),
)

baselines = Table(
    "baselines",
    metadata,
    Column("definition", String(100), primary_key=True),
    Column("as_of", DateTime, nullable=False),
    Column("run_id", _Id),
)

runs = Table(
    "runs",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),  # hourly | nightly | replay
    Column("as_of", DateTime, nullable=False),
    Column("decided_at", DateTime, nullable=False),  # the run's `now`
    Column("live", Boolean, nullable=False),
    Column("announced", Integer, nullable=False, default=0),
    Column("held", Integer, nullable=False, default=0),
    Column("summary", JSON, nullable=False),
)

decided = Table(
    "decided",
    metadata,
    Column("definition", String(100), primary_key=True),
    Column("subject_key", String(400), primary_key=True),
    Column("account_key", String(400), nullable=False),
    Column("decided_as_of", DateTime, nullable=False),
    Column("qualified", Boolean, nullable=False),
    # eligible: not blocked, excluded or cooling; the end of that is fresh news (SEM-D3)
    Column("eligible", Boolean, nullable=False, default=True),
)

# Which account each user was last seen under: lets a run notice that a key changed (SEM-W3).
members = Table(
    "members",
    metadata,
    Column("user_id", String(400), primary_key=True),
    Column("account_key", String(400), nullable=False, index=True),
)

# Subjects whose key changed and which the definition has not decided since: until then they open silently (SEM-W3).
rekeyed = Table(
    "rekeyed",
    metadata,
    Column("definition", String(100), primary_key=True),
    Column("subject_key", String(400), primary_key=True),
    Column("carried_as_of", DateTime, nullable=False),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("definition", String(100), nullable=False),
    Column("subject_key", String(400), nullable=False),
    Column("account_key", String(400), nullable=False),
    Column("opened_as_of", DateTime, nullable=False),
    Column("opened_run", _Id, ForeignKey("runs.id")),
    Column("rules_hash", String(64), nullable=False),
    Column("score", Integer, nullable=False),
    Column("silent_reason", String(50)),  # baseline | stale | identity | NULL = announced
    Column("released_at", DateTime),  # a silent opening that a human released
    Column("alert", JSON),  # what would be, or was, said
    Column("unqualified_since", DateTime),  # as-of since which every evaluation said no (SEM-Q4)
    Column("closed_as_of", DateTime),
    Column("close_reason", String(50)),  # left | excluded | blocked | won | only | merged | retracted
    Column("returns_after", DateTime),  # cooldown end
    Index(
        "uq_episodes_open",
        "definition",
        "subject_key",
        unique=True,
        sqlite_where=text("closed_as_of IS NULL"),
        postgresql_where=text("closed_as_of IS NULL"),
    ),
    Index("ix_episodes_subject", "subject_key"),
    Index("ix_episodes_account", "account_key"),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("definition", String(100), nullable=False),
    Column("play", String(100), nullable=False),
    Column("subject_key", String(400), nullable=False),
    Column("account_key", String(400), nullable=False),
    Column("opened_as_of", DateTime, nullable=False),
    Column("opened_run", _Id, ForeignKey("runs.id")),
    Column("silent_reason", String(50)),
    Column("false_since", DateTime),
    Column("closed_as_of", DateTime),
    Index(
        "uq_occurrences_open",
        "definition",
        "play",
        "subject_key",
        unique=True,
        sqlite_where=text("closed_as_of IS NULL"),
        postgresql_where=text("closed_as_of IS NULL"),
    ),
    Index("ix_occurrences_account", "account_key"),
)

blocks = Table(
    "blocks",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("account_key", String(400), nullable=False, index=True),
    Column("kind", String(20), nullable=False),  # snooze | not_a_fit | block
    Column("reason", Text, nullable=False, default=""),
    Column("origin", String(50), nullable=False),  # cli | crm | slack
    Column("created_at", DateTime, nullable=False),
    Column("until", DateTime),  # NULL: until lifted
    Column("lifted_at", DateTime),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),  # idempotency key, sent along
    Column("run_id", _Id, ForeignKey("runs.id")),
    Column("destination", String(100), nullable=False),
    # slack | crm_task | crm_update | webhook, and slack_retract | crm_task_close | webhook_retract, which take one back
    Column("kind", String(20), nullable=False),
    Column("account_key", String(400), nullable=False),
    Column("subject_key", String(400), nullable=False),
    Column("lane", String(400), nullable=False),  # what it shares a message with: channel, task queue, property, url
    Column("options", JSON, nullable=False),
    Column("alert", JSON, nullable=False),
    Column("thread_of", _Id, ForeignKey("deliveries.id")),
    # pending | held | claimed | sending | ambiguous | delivered | dead | suppressed
    Column("state", String(20), nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("not_before", DateTime, nullable=False),
    Column("gather_at", DateTime),  # when messages of its lane are gathered; until then nobody claims it
    Column("attempt", Integer, nullable=False, default=0),
    Column("lease_owner", String(100)),
    Column("lease_until", DateTime),
    Column("fence", Integer, nullable=False, default=0),  # grows with every claim; a stale worker's write is refused
    Column("sent_at", DateTime),  # marked before the request leaves
    Column("finished_at", DateTime),
    Column("receipt", JSON),
    Column("reason", Text),
    Column("retracts", _Id),  # the delivery it takes back; it waits for its end
    Index("ix_deliveries_due", "state", "not_before"),
    Index("ix_deliveries_gather", "gather_at"),
    Index("ix_deliveries_account", "account_key", "lane", "created_at"),
    Index("ix_deliveries_retracts", "retracts"),
)

# Why a delivery exists: the guard of "one delivery per (episode or occurrence, play, action, destination)".
delivery_causes = Table(
    "delivery_causes",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("delivery_id", _Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("episode_id", _Id, ForeignKey("episodes.id")),
    Column("occurrence_id", _Id, ForeignKey("occurrences.id")),
    Column("cause", String(60), nullable=False),  # "episode:12" or "occurrence:7" (a key without NULLs)
    Column("definition", String(100), nullable=False),
    Column("play", String(100), nullable=False),
    Column("action", String(60), nullable=False),  # index and kind of the action in its play
    Column("destination", String(100), nullable=False),
    UniqueConstraint("cause", "play", "action", "destination", name="uq_delivery_causes_effect"),
)

# When the next send to a channel or portal may leave: one pace for all workers.
paces = Table(
    "paces",
    metadata,
    Column("name", String(500), primary_key=True),
    Column("free_at", DateTime, nullable=False),
    Column("held_until", DateTime),  # its destination asked to be left alone
)

# What a person answered when a run was held. One row a run: the first answer is the one that was carried out.
storm_answers = Table(
    "storm_answers",
    metadata,
    Column("run_id", _Id, ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    Column("answer", String(20), nullable=False),  # approved | rejected | digest
    Column("who", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("origin", String(20), nullable=False),  # airflow | page | cli
    Column("answered_at", DateTime, nullable=False),
    Column("deliveries", Integer, nullable=False),  # how many it was about
)

# Where ledger and destinations differ: every decision without exactly one effect, every effect without a decision.
discrepancies = Table(
    "discrepancies",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    # missing | doubled | unknown | undue | undelivered | overdue
    Column("what", String(20), nullable=False),
    Column("about", String(200), nullable=False),  # the delivery's key, or "episode:12"
    Column("destination", String(100), nullable=False),
    Column("place", String(200), nullable=False),  # where it stands, or should: a channel, a thread, the tasks
    Column("delivery_id", _Id, ForeignKey("deliveries.id")),
    Column("detail", Text, nullable=False),
    Column("happened_at", DateTime, nullable=False),  # when the effect was, or should have been
    Column("found_at", DateTime, nullable=False),
    Column("seen_at", DateTime, nullable=False),
    Column("told_at", DateTime),
    Column("cleared_at", DateTime),
    Column("cleared_why", String(20)),  # gone | aged
    Column("clearing_told_at", DateTime),
    Column("telling_until", DateTime),
    Index(
        "uq_discrepancies_open",
        "what",
        "about",
        "destination",
        unique=True,
        sqlite_where=text("cleared_at IS NULL"),
        postgresql_where=text("cleared_at IS NULL"),
    ),
)

ops_states = Table(
    "ops_states",
    metadata,
    Column("name", String(200), primary_key=True),  # "dag:hourly_signals", "source:product late"
    Column("state", String(20), nullable=False),  # ok | failed | late | low | high | held | unclear
    Column("since", DateTime, nullable=False),
    Column("told_at", DateTime),
    Column("telling_until", DateTime),  # somebody is telling ops; if nothing is heard of him by then, another does
)

__all__ = [
    "baselines",
    "blocks",
    "counters",
    "decided",
    "definitions",
    "deliveries",
    "delivery_causes",
    "dirty_marks",
    "discrepancies",
    "episodes",
    "members",
    "metadata",
    "occurrences",
    "ops_states",
    "paces",
    "rekeyed",
    "runs",
    "sources",
    "storm_answers",
]
