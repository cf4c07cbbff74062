"""What the demo did, counted three times: by the runs, by the ledger, by the sandbox's own log. They must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from pql import outbox, store
from pql.destinations.words import count
from pql.orchestration.local_airflow import LocalAirflow
from pql.store.tables import deliveries, runs

OPEN = ("pending", "claimed", "sending", "ambiguous")
KINDS = {"slack": "Slack messages", "crm_task": "CRM tasks", "crm_update": "CRM write-backs", "webhook": "webhooks"}
DAG_OF = {"nightly": "nightly_scores", "hourly": "hourly_signals"}

Row = tuple[str, int, str]  # label, figure, where to look


@dataclass(frozen=True)
class Silent:
    """Who qualified without a word and still waits for a release: an account may stay by several definitions."""

    stays: int
    accounts: int


@dataclass(frozen=True)
class Summary:
    """Figures of one demo; `failures` is empty exactly when everything held."""

    runs: Sequence[Mapping[str, Any]]  # summaries of this demo's signal runs
    committed: Mapping[str, int]  # kind → effects, by the sandbox's log, of all demos so far
    states: Mapping[str, int]  # state → deliveries, by the ledger, of all demos so far
    silent: Silent
    differences: int  # found by reading receipts back
    failures: tuple[str, ...]

    def text(self, airflow_url: str, sandbox_url: str, environment_file: Path, seconds: float) -> str:
        """The summary as people read it: what this demo did, what stands since the first one, each with a link."""
        lines = ["", f"Summary after {seconds:.0f} s", "", "  This demo:"]
        lines += _table(self._this_demo(f"{airflow_url}/dags"))
        lines += ["", "  In all, since the first demo (`make clean` forgets it):"]
        lines += _table(self._in_all(sandbox_url))
        lines += ["", "  Per run of this demo:"]
        lines += [
            f"  {run['kind']:<8} as of {run['as_of'][:16]}  evaluated {run['evaluated']:>4}  "
            f"newly qualified {run['newly_qualified']:>3}  announced {run['announced']:>3}  silent {run['silent']:>3}"
            for run in self.runs
        ]
        verdict = "The ledger and the sandbox's own log agree." if not self.failures else "FAILED:"
        lines += ["", f"  {verdict}", *(f"  - {failure}" for failure in self.failures)]
        lines += ["", f"  Slack and CRM as people see them: {sandbox_url}", f"  Airflow (no login): {airflow_url}"]
        lines += [f"  To ask this demo with `pql`: source {environment_file}", ""]
        return "\n".join(lines)

    def _this_demo(self, dags: str) -> list[Row]:
        most = max((int(run["evaluated"]) for run in self.runs), default=0)
        return [
            ("Events and CRM records read", self._added("read"), f"{dags}/nightly_scores"),
            ("Accounts evaluated (a night)", most, f"{dags}/nightly_scores"),
            ("Newly qualified, announced", self._added("announced"), self._where("announced", dags)),
            ("… which is about so many accounts", self._added("accounts_told_of"), self._where("announced", dags)),
            ("Opened silently (baseline, old news)", self._added("silent"), self._where("silent", dags)),
        ]

    def _in_all(self, sandbox_url: str) -> list[Row]:
        suppressed = self.states.get("suppressed", 0)
        silent = f"Silent stays, of {count(self.silent.accounts, 'account')}"
        return [
            *((label, self.committed.get(kind, 0), sandbox_url) for kind, label in KINDS.items()),
            (silent, self.silent.stays, "pql release"),
            ("Suppressed at the last moment", suppressed, "pql deliveries --state suppressed"),
            ("Receipts that differ when read back", self.differences, "pql reconcile"),
        ]

    def _added(self, key: str) -> int:
        return sum(int(run[key]) for run in self.runs)

    def _where(self, key: str, dags: str) -> str:
        """The DAGs whose runs did it; where none did, the one that looks at everybody."""
        kinds = dict.fromkeys(str(run["kind"]) for run in self.runs if run[key])
        return "  ".join(f"{dags}/{DAG_OF[kind]}" for kind in kinds or ("nightly",))


def _table(rows: Sequence[Row]) -> list[str]:
    return [f"  {label:<38}{figure:>9,}   {link}" for label, figure, link in rows]


def open_deliveries(ledger: str) -> int:
    """How many deliveries are neither finished nor held."""
    engine = store.connect(ledger)
    try:
        with store.reading(engine) as connection:
            return int(
                connection.execute(
                    select(func.count()).select_from(deliveries).where(deliveries.c.state.in_(OPEN))
                ).scalar_one()
            )
    finally:
        engine.dispose()


def summarise(
    airflow: LocalAirflow,
    dag_runs: Mapping[str, Sequence[Mapping[str, Any]]],
    ledger: str,
    sandbox_url: str,
    *,
    differences: Sequence[str],
) -> Summary:
    """Compare what the runs, the ledger and the sandbox say; `differences`: what reading receipts back has found."""
    results = [
        airflow.xcom(dag_id, str(run["dag_run_id"]), "decide")
        for dag_id in ("nightly_scores", "hourly_signals")
        for run in dag_runs[dag_id]
        if run["state"] == "success"
    ]
    engine = store.connect(ledger)
    try:
        with store.reading(engine) as connection:
            rows = connection.execute(select(deliveries.c.kind, deliveries.c.state, deliveries.c.key)).all()
            waiting = outbox.list_silent(connection)
            decided = connection.execute(select(func.count()).select_from(runs)).scalar_one()
    finally:
        engine.dispose()
    effects = requests.get(f"{sandbox_url}/effects", timeout=60).json()
    failures = [
        f"{dag_id} {run['dag_run_id']} ended as {run['state']}"
        for dag_id, each in dag_runs.items()
        for run in each
        if run["state"] == "failed"
    ]
    failures += _disagreements([tuple(row) for row in rows], effects)
    failures += differences
    if not decided:
        failures.append("no run decided anything")
    committed = {kind: sum(each.values()) for kind, each in _committed(effects).items()}
    for kind in ("slack", "crm_task"):
        if not committed.get(kind):
            failures.append(f"no {KINDS[kind]} arrived")
    return Summary(
        runs=results,
        committed=committed,
        states=Counter(state for _, state, _ in rows),
        silent=Silent(len(waiting), len({each.account_key for each in waiting})),
        differences=len(differences),
        failures=tuple(failures),
    )


def _committed(effects: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Kind → delivery key → how often the sandbox committed it; a write-back has no key, its record stands for it.

    A Slack message without a key is no delivery: ops were told something.
    """
    found: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for effect in effects:
        kind = str(effect["kind"]).removesuffix("_again")
        if kind in found and (kind != "slack" or effect.get("key")):
            found[kind][str(effect.get("key") or f"{effect.get('object')} {effect.get('id')}")] += 1
    return found


def _disagreements(rows: Sequence[tuple[str, str, str]], effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every decision without exactly one effect, and every effect without a decision."""
    committed = _committed(effects)
    problems = []
    for kind, label in KINDS.items():
        same = (kind, "webhook_retract") if kind == "webhook" else (kind,)  # what takes a webhook back is one, too
        keys = {key for k, state, key in rows if k in same and state == "delivered"}
        if kind == "crm_update":
            if len(keys) != sum(committed[kind].values()):
                problems.append(
                    f"{label}: the ledger delivered {len(keys)}, the CRM saw {sum(committed[kind].values())}"
                )
            continue
        problems += [f"{label}: {key} was delivered but never arrived" for key in sorted(keys - committed[kind].keys())]
        problems += [f"{label}: {key} arrived without a decision" for key in sorted(committed[kind].keys() - keys)]
        problems += [f"{label}: {key} arrived {n} times" for key, n in sorted(committed[kind].items()) if n > 1]
    problems += [f"a {kind} delivery ended as {state}" for kind, state, _ in rows if state == "dead"]
    return problems
