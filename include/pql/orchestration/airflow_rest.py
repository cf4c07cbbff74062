"""Airflow's REST API, as demo and tests ask it: DAGs, their runs, what a task returned, backfills."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

TERMINAL = ("success", "failed")
BACKFILL_ATTEMPTS = 20


class AirflowRest:
    """An Airflow at `url`. Everybody who calls is an admin, unless `login` (name and password) says who calls."""

    login: tuple[str, str] | None = None
    _token: str = ""

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def logs(self) -> str:
        """Where one looks when something does not end."""
        return f"on {self.url}"

    def check_alive(self) -> None:
        """Raise RuntimeError if waiting is in vain."""

    def wait_until(self, true: Callable[[], bool], seconds: float, otherwise: str) -> None:
        """Ask again and again; TimeoutError, with what is so `otherwise`, if it does not become true."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise} within {seconds:.0f} s; logs are {self.logs}")
            time.sleep(0.4)

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One call of Airflow's REST API; raises requests.HTTPError with the body in its message."""
        self._token = self._token or self._log_in()
        answer = requests.request(
            method,
            f"{self.url}/api/v2{path}",
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=60,
            **arguments,
        )
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:500]}", response=answer)
        return answer.json() if answer.content else None

    def wait_for_dags(self, *dag_ids: str, seconds: float = 120) -> None:
        """Wait until the DAG processor has read these DAGs."""
        wanted = set(dag_ids)

        def known() -> bool:
            self.check_alive()
            return wanted <= {d["dag_id"] for d in self.call("GET", "/dags")["dags"]}

        self.wait_until(known, seconds, f"DAGs {sorted(wanted)} did not appear")

    def unpause(self, dag_id: str) -> None:
        self._set_paused(dag_id, False)

    def pause(self, dag_id: str) -> None:
        """Pause a DAG between two of its runs: of a paused one Airflow leaves a run that is under way where it is."""
        self.wait_for_runs(dag_id, 0)
        self._set_paused(dag_id, True)
        while not self._all_ended(dag_id):  # one began meanwhile
            self.unpause(dag_id)
            self.wait_for_runs(dag_id, 0)
            self._set_paused(dag_id, True)

    def _set_paused(self, dag_id: str, paused: bool) -> None:
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """All runs of a DAG, oldest interval first."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 1000, "order_by": "run_after"})
        return list(answer["dag_runs"])

    def wait_for_runs(self, dag_id: str, number: int, seconds: float = 300) -> list[dict[str, Any]]:
        """Wait until at least `number` runs of the DAG have ended and none is under way; return all of them."""

        def ended() -> bool:
            self.check_alive()
            return self._all_ended(dag_id, number)

        self.wait_until(ended, seconds, f"{number} runs of {dag_id} did not end")
        return self.runs(dag_id)

    def _all_ended(self, dag_id: str, number: int = 0) -> bool:
        runs = self.runs(dag_id)
        return len(runs) >= number and all(run["state"] in TERMINAL for run in runs)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run by hand; its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task of a run returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.call("GET", path, params={"deserialize": "false", "stringify": "false"})["value"]

    def backfill(self, dag_id: str, first: str, last: str, *, reprocess: str = "completed", active: int = 4) -> int:
        """Start a backfill as the UI does; the id. On SQLite Airflow answers 503 while its scheduler writes."""
        body = {
            "dag_id": dag_id,
            "from_date": first,
            "to_date": last,
            "reprocess_behavior": reprocess,
            "max_active_runs": active,
            "run_backwards": False,
            "dag_run_conf": {},
        }
        for attempt in range(1, BACKFILL_ATTEMPTS + 1):
            try:
                return int(self.call("POST", "/backfills", json=body)["id"])
            except requests.HTTPError as error:
                locked = error.response is not None and error.response.status_code == requests.codes.unavailable
                if not locked or attempt == BACKFILL_ATTEMPTS:
                    raise
                time.sleep(1)
        raise AssertionError("unreachable")

    def _log_in(self) -> str:
        address = f"{self.url}/auth/token"
        if self.login is None:
            answer = requests.get(address, timeout=30)
        else:
            name, password = self.login
            answer = requests.post(address, json={"username": name, "password": password}, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])
