"""Whatever goes wrong, and however much a vendor repeats of what it was told: no secret is left anywhere we write."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from tests.faults.conftest import DESTINATION, KINDS, SETTINGS

from pql import outbox, store
from pql.connections import from_environment
from pql.destinations import build
from pql.sandbox import connections
from pql.sandbox.credentials import HUBSPOT_TOKEN, SLACK_TOKEN, WEBHOOK_SECRET
from pql.store.tables import deliveries, metadata

SECRET_PATH = "T0000SECRETPATH"  # many receivers' URL is the secret itself
SECRETS = (SLACK_TOKEN, HUBSPOT_TOKEN, WEBHOOK_SECRET, WEBHOOK_SECRET.removeprefix("whsec_"), SECRET_PATH)


def _left(engine: Engine, folder: Path, logs: str) -> list[str]:
    """Where a secret can be read: the ledger's tables, its files (SQLite), and what was logged or printed."""
    found = [path.name for path in folder.rglob("ledger*") if _holds(path.read_bytes())]
    with store.reading(engine) as conn:
        for name, table in metadata.tables.items():
            rows = [tuple(row) for row in conn.execute(select(table))]
            found += [name] * _holds(repr(rows).encode())
    return found + ["the logs"] * _holds(logs.encode())


def _holds(content: bytes) -> bool:
    return any(secret.encode() in content for secret in SECRETS)


def _echo(seen: Any, loopback: Any, status: int) -> Any:
    """An answer that repeats everything the request said, headers included, as careless gateways do."""
    told = {**seen.headers, "body": seen.raw.decode(errors="replace"), "path": seen.path}
    text = json.dumps(told)
    body = {"message": text, "error": text, "ok": False, "category": text, "errors": [{"message": text}]}
    return loopback.answer(body, status=status)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 410, 429, 500, 503])
def test_a_vendor_repeats_what_it_was_told(
    line: Any, loopback: Any, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    """Every destination answers with the request's own headers and path: dead letters and logs do not hold them."""
    caplog.set_level(logging.DEBUG)
    loopback.script = lambda seen: _echo(seen, loopback, status)
    found = connections(loopback.url)
    hook = json.loads(found["AIRFLOW_CONN_ZAPIER_NUDGE"])
    hook["extra"]["url"] = f"{loopback.url}/hooks/{SECRET_PATH}"
    found["AIRFLOW_CONN_ZAPIER_NUDGE"] = json.dumps(hook)
    destinations = {name: build(name, SETTINGS, from_environment(found)) for name in SETTINGS.destinations}
    for kind in KINDS:
        line.queue(1, kind)
    for _ in range(8):
        outbox.deliver(line.engine, destinations, recheck=lambda claim: None, clock=line.clock, sleep=line.clock.sleep)
        line.clock.turn(hours=11)
    assert len(loopback.seen) >= len(KINDS)
    ended = {each.destination: str(each.reason) for each in line.all()}
    assert set(ended) == set(DESTINATION.values())
    out, err = capfd.readouterr()
    assert _left(line.engine, tmp_path, caplog.text + out + err + repr(destinations) + repr(line.all())) == []


def test_a_secret_would_be_found(line: Any, tmp_path: Path) -> None:
    """The search above finds a token that stands in a dead letter."""
    line.queue(1)
    broken = {"slack": _Telling(line.destinations()["slack"])}
    outbox.deliver(line.engine, broken, recheck=lambda claim: None, clock=line.clock, sleep=line.clock.sleep)
    assert "deliveries" in _left(line.engine, tmp_path, "")
    with store.writing(line.engine) as conn:
        conn.execute(deliveries.delete())
    assert _left(line.engine, tmp_path / "elsewhere", f"posting with {SLACK_TOKEN}") == ["the logs"]


class _Telling:
    """A destination that puts its token into the reason."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(self, order: Any) -> Any:
        return replace(self._inner.send(order), outcome="rejected", reason=f"refused {SLACK_TOKEN}")
