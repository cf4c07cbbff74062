"""Bad input through the command line: every kind ends with a clear word and the right exit code, and breaks no more."""

from __future__ import annotations

import csv
import gzip
import io
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.flow.conftest import HABIT, SETTINGS, Story, another, days_before
from tests.flow.test_sending import SALES, WITH_CRM, Crm

from pql.sandbox import connections

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251  # the CLI reads the clock


class Typed:
    """A story whose hero types `pql`."""

    def __init__(self, story: Story, pql: Callable[..., Any]) -> None:
        self.story = story
        self._pql = pql

    def __call__(self, *words: object) -> Any:
        paths = self.story.paths
        return self._pql(
            *("--settings", paths.settings, "--definitions", paths.definitions),
            *("--lake", paths.lake, "--ledger", paths.ledger),
            *words,
        )

    def lake(self) -> set[str]:
        """Every file that is in the lake."""
        return {str(path) for path in (self.story.folder / "lake").rglob("*") if path.is_file()}


@pytest.fixture
def typed(story, pql, monkeypatch) -> Typed:
    """Today: the old hand of the story, and ada, who has a habit since yesterday."""
    for name, value in connections(story.sandbox.url).items():
        monkeypatch.setenv(name, value)
    story.now = datetime.now(UTC)  # noqa: TID251  # the sandbox's clock is the command line's
    story.happens("ada", *days_before(TODAY, 3, 2, 1), file="new")
    return Typed(story, pql)


def test_a_wrong_definition(typed):
    """Every mistake with file, line and what was probably meant; the other definitions go on without it."""
    wrong = HABIT.replace("active_days: acted", "active_days: actd").replace("{min: 3}", "{mn: 3}")
    typed.story.define(wrong)
    typed.story.define(another("sound", "Sound", 3), "sound")
    said = typed("check")
    assert said.code == 2
    assert "habit.yaml:8: " in said.out
    assert "`actd`, did you mean `acted`?" in said.out.replace(" —", ",")
    assert "habit.yaml:10: " in said.out
    assert "`mn`" in said.out
    assert "ok: sound" in said.out
    ran = typed("run", "-f", "json")
    (summary,) = json.loads(ran.out)
    assert summary["evaluated"] == 2
    assert "habit.yaml:8: " in typed.story.ledger()["runs"][-1]["summary"]["unusable_files"]["habit.yaml"]
    assert "habit.yaml:8" in ran.err
    assert ran.code == 1


def test_nothing_but_a_wrong_definition(typed):
    """A run in which no definition can be used is no success."""
    typed.story.define(HABIT.replace("active_days: acted", "active_days: actd"))
    ran = typed("run")
    assert ran.code == 1
    assert "habit.yaml:8" in ran.err


def test_an_unreachable_source(typed, monkeypatch):
    """The connection is named, and nothing is half done: neither lake nor ledger has heard of the run."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AIRFLOW_CONN_HUBSPOT_DEFAULT", json.dumps({"host": url, "password": "pat-secret"}))
        monkeypatch.setattr("pql.clients.http._wait_s", lambda state: 0.0)  # how long it waits is tested there
        typed.story.settings(WITH_CRM)
        before = typed.story.ledger("sources", "dirty_marks", "counters")
        said = typed("run")
    assert said.code == 2
    assert "hubspot_default" in said.err
    assert "pat-secret" not in said.err + said.out
    assert typed.story.ledger("sources", "dirty_marks", "counters") == before
    assert not (typed.story.folder / "lake" / "crm").exists()


def test_an_expired_token(typed, monkeypatch):
    """401 says which connection to renew, never the token."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_HUBSPOT_DEFAULT",
        json.dumps({"host": f"{typed.story.sandbox.url}/hubspot", "password": "pat-expired"}),
    )
    typed.story.settings(WITH_CRM)
    said = typed("ingest", "crm")
    assert said.code == 2
    assert "hubspot_default" in said.err
    assert "401" in said.err
    assert "pat-expired" not in said.err + said.out


def test_a_connection_nobody_configured(typed, monkeypatch):
    """It says where to put it."""
    monkeypatch.delenv("AIRFLOW_CONN_HUBSPOT_DEFAULT")
    typed.story.settings(WITH_CRM)
    said = typed("ingest", "crm")
    assert said.code == 2
    assert "AIRFLOW_CONN_HUBSPOT_DEFAULT" in said.err


def test_a_truncated_gzip(typed):
    """A file that ends in the middle is named and none of it is read; written again, it is."""
    assert typed("ingest").code == 0
    before = typed.lake()
    whole = gzip.compress(
        "".join(
            json.dumps({"at": f"{TODAY:%Y-%m-%d}T00:00:{n % 60:02d}", "who": f"z{n}", "what": "Act"}) + "\n"
            for n in range(5000)
        ).encode()
    )
    damaged = typed.story.folder / "events" / "more.ndjson.gz"
    typed.story.settings(SETTINGS.replace("*.ndjson", "*.ndjson*"))
    damaged.write_bytes(whole[: len(whole) // 2])
    said = typed("ingest")
    assert said.code == 2
    assert "more.ndjson.gz is damaged or ends in the middle" in said.err
    assert not any("more" in path for path in typed.lake() - before)
    damaged.write_bytes(whole)
    (report,) = json.loads(typed("ingest", "-f", "json").out)
    assert (report["published"], report["quarantined"]) == (5006, 0)  # a changed mapping reads the others again, too


def test_a_csv_with_a_missing_column(typed):
    """The column, the place in the settings that asks for it, and the nearest name there is."""
    (typed.story.folder / "events" / "export.csv").write_text("when,whom,what\n2026-11-01,ada,Act\n")
    typed.story.settings(
        "sources:\n  export: {kind: files, path: events/export.csv, "
        "emits: [{event: what, time: when, user: who, properties: []}]}\n"
    )
    said = typed("ingest")
    assert said.code == 2
    assert "export.csv has no column `who` (sources.export.emits[0].user). Did you mean `whom`?" in said.err
    assert "when, whom, what" in said.err


def test_a_line_that_is_no_json(typed):
    """It is counted and kept aside with file and line; the others are read."""
    path = typed.story.folder / "events" / "new.ndjson"
    path.write_text(
        path.read_text() + '{"at": "2026-11-01", "who": "eve", \n{"at": "soon", "who": "eve", "what": "Act"}\n'
    )
    (report,) = json.loads(typed("ingest", "-f", "json").out)
    assert (report["read"], report["published"], report["quarantined"]) == (8, 6, 2)
    kept = [p.read_text() for p in (typed.story.folder / "lake" / "quarantine").rglob("*.ndjson")]
    assert "new.ndjson:4" in kept[0]
    assert "new.ndjson:5" in kept[0]


def test_an_account_without_an_owner_and_a_company_with_a_wicked_name(typed):
    """Nobody is woken by a company called <!channel>; it reads everywhere as it is written, and the unowned account's
    task goes to the stand-in."""
    wicked = '<!channel> & "Söhne" 😀'
    story = typed.story
    story.define(SALES)
    story.settings(WITH_CRM)
    crm = Crm(story)
    crm.call(
        "POST", "companies", {"properties": {"name": wicked, "domain": "soehne-story.com", "hubspot_owner_id": ""}}
    )
    assert typed("run", "--as-of", (TODAY.replace(hour=0)).isoformat()).code == 0  # the silent baseline
    story.happens("mia", *days_before(TODAY, 3, 2), story.now, mail="mia@soehne-story.com", file="later")
    ran = typed("run", "--kind", "nightly", "--as-of", datetime.now(UTC).isoformat(), "-f", "json")  # noqa: TID251
    assert json.loads(ran.out)[0]["announced"] == 1
    sent = typed("deliver", "-f", "json")
    assert sent.code == 0
    assert {row["state"] for row in json.loads(sent.out)} == {"delivered"}
    (message,) = (e["message"] for e in story.sandbox.effects("slack"))
    (task,) = (e["properties"] for e in story.sandbox.effects("hubspot") if e["kind"] == "crm_task")
    assert "<!channel>" not in message["text"]
    assert "&lt;!channel&gt; &amp; " in message["text"]
    assert "<!" not in json.dumps([block for block in message["blocks"] if block["type"] != "header"])
    assert "owner nobody yet" in json.dumps(message["blocks"])
    assert task["hs_task_subject"] == f"Call {wicked}"
    assert "<!channel>" not in task["hs_task_body"]
    assert task["hubspot_owner_id"] == "71000005"
    assert {row["account"] for row in json.loads(typed("deliveries", "-f", "json").out)} == {wicked}
    assert {row["account"] for row in csv.DictReader(io.StringIO(typed("deliveries", "-f", "csv").out))} == {wicked}
    assert wicked in typed("deliveries").out
    assert wicked in typed("explain", wicked).out
