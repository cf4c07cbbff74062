"""`pql deliveries`: listed, looked for, shown whole, retried and suppressed, by number or by what they share."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.cli.conftest import Said

from pql import store
from pql.store.instants import to_naive
from pql.store.tables import deliveries, delivery_causes, episodes, runs
from pql.types import Alert, Champion, Reason

AT = to_naive(datetime(2026, 3, 2, 9, tzinfo=UTC))
ROWS = (  # account, destination, kind, lane, state, more
    ("Acme Inc", "slack", "slack", "slack:#pql-mid", "delivered", {"receipt": {"channel": "C1", "ts": "17.5"}}),
    ("Söhne & Co", "slack", "slack", "slack:#pql-mid", "dead", {"reason": "channel_not_found"}),
    ("Oak", "crm", "crm_task", "crm_task", "dead", {"reason": "HubSpot answered 400"}),
    ("Elm", "slack", "slack", "slack:#pql-large", "ambiguous", {"sent_at": AT, "attempt": 8}),
    ("Fir", "slack", "slack", "slack:#pql-large", "pending", {}),
)


@pytest.fixture
def home(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A project whose ledger holds five deliveries, the first with its episode."""
    (tmp_path / "settings.yaml").write_text("destinations:\n  slack: {kind: slack}\n  crm: {kind: hubspot}\n")
    (tmp_path / ".pql").mkdir()
    shutil.copyfile(migrated_sqlite, tmp_path / ".pql" / "ledger.db")
    engine = store.connect(f"sqlite:///{tmp_path / '.pql' / 'ledger.db'}")
    with store.writing(engine) as conn:
        conn.execute(insert(runs).values(id=3, kind="hourly", as_of=AT, decided_at=AT, live=True, summary={}))
        for number, (name, destination, kind, lane, state, more) in enumerate(ROWS, 1):
            conn.execute(insert(deliveries).values(_row(number, name, destination, kind, lane, state) | more))
        stay = {"definition": "new-business", "subject_key": "org:1", "account_key": "org:1", "opened_as_of": AT}
        conn.execute(insert(episodes).values(**stay, id=12, opened_run=3, rules_hash="h", score=82))
        why = {"cause": "episode:12", "definition": "new-business", "play": "Tell sales", "action": "0:slack"}
        conn.execute(insert(delivery_causes).values(delivery_id=1, episode_id=12, destination="slack", **why))
    engine.dispose()
    return tmp_path


def _row(number: int, name: str, destination: str, kind: str, lane: str, state: str) -> dict[str, Any]:
    key = f"org:{number}"
    alert = Alert(
        "just qualified", ("new-business",), ("New business",), key, key, name, "2026-03-02T09:00:00+00:00", 82, 75,
        "B1", 9, reasons=(Reason(25, "turned on <billing>"),), champions=(Champion("Mia Chen", 412, 7),),
    )  # fmt: skip
    values = {"id": number, "key": f"pql-{number:040x}", "destination": destination, "kind": kind, "lane": lane}
    values |= {"account_key": key, "subject_key": key, "options": {}, "alert": asdict(alert), "state": state}
    return values | {"run_id": 3, "created_at": AT, "not_before": AT, "attempt": 1}


def states(home: Path) -> dict[int, str]:
    engine = store.connect(f"sqlite:///{home / '.pql' / 'ledger.db'}")
    with store.reading(engine) as conn:
        found = {row.id: row.state for row in conn.execute(select(deliveries.c.id, deliveries.c.state))}
    engine.dispose()
    return found


@pytest.fixture
def said(pql: Callable[..., Said], home: Path) -> Callable[..., Said]:
    """`pql deliveries …` in that project."""
    return lambda *words: pql("--home", home, "deliveries", *words)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), {1, 2, 3, 4, 5}),
        (("--state", "dead"), {2, 3}),
        (("--state", "dead", "--state", "ambiguous"), {2, 3, 4}),
        (("--destination", "crm"), {3}),
        (("--since", "2026-03-02"), {1, 2, 3, 4, 5}),
        (("--since", "2026-03-03"), set()),
        (("--search", "Söhne & CO"), {2}),
        (("--search", "CHANNEL_NOT"), {2}),
        (("--search", "pql-large"), {4, 5}),
        (("--search", "100%"), set()),
        (("--limit", "2"), {4, 5}),
    ],
)
def test_lists_can_be_narrowed(said: Any, options: tuple[str, ...], found: set[int]) -> None:
    """By state, destination, time and any part of a name, a channel or a reason."""
    assert {row["id"] for row in json.loads(said(*options, "-f", "json").out)} == found


def test_one_is_shown_whole(said: Any) -> None:
    """State, causes with episode and play, what it said, receipt with a link, and when what happened."""
    told = said("show", 1).out
    for part in (
        "Delivery 1 · delivered", "org:1", "episode:12  new-business, play Tell sales, action 0:slack",
        "channel C1, ts 17.5", "https://slack.com/app_redirect?channel=C1&message_ts=17.5",
        "Acme Inc just qualified", "turned on <billing>", "Mia Chen", "queued by run 3 (hourly)",
    ):  # fmt: skip
        assert part in told, part
    assert "Would say" in said("show", 3).out
    assert "a request left that may have arrived" in said("show", 4).out


def test_one_can_be_read_by_a_program(said: Any) -> None:
    """JSON and CSV hold the same."""
    (row,) = json.loads(said("show", 1, "--format", "json").out)
    (cells,) = csv.DictReader(io.StringIO(said("show", 1, "--format", "csv").out))
    assert list(cells) == list(row)
    assert (row["causes"][0]["play"], row["history"][0]["what"][:10]) == ("Tell sales", "episode:12")


def test_what_is_not_there_is_said(said: Any) -> None:
    """A number nobody has is the caller's mistake."""
    missing = said("show", 99)
    assert (missing.code, "There is no delivery 99" in missing.err) == (2, True)


def test_all_dead_ones_of_a_destination_are_retried(said: Any, home: Path) -> None:
    """By what they have in common, after a look; the others stay as they are, and again it is none."""
    wanted = ("retry", "--state", "dead", "--destination", "slack")
    assert "Söhne" in said(*wanted, "--dry-run").out
    assert states(home)[2] == "dead"
    assert said(*wanted).out == "1 made due again\n"
    assert said(*wanted).out == "0 made due again\n"
    assert states(home) == {1: "delivered", 2: "pending", 3: "dead", 4: "ambiguous", 5: "pending"}


def test_what_may_have_arrived_is_still_looked_for_first(said: Any, home: Path) -> None:
    """A retry keeps the note that a request has left."""
    assert said("retry", 4).out == "1 made due again\n"
    engine = store.connect(f"sqlite:///{home / '.pql' / 'ledger.db'}")
    with store.reading(engine) as conn:
        row = conn.execute(select(deliveries).where(deliveries.c.id == 4)).one()
    engine.dispose()
    assert (row.state, row.sent_at, row.attempt) == ("pending", AT, 0)


def test_some_are_suppressed_with_a_reason(said: Any, home: Path) -> None:
    """Several numbers at once; what is delivered already is left alone."""
    assert said("suppress", 1, 4, 5, "--reason", "told by phone").out == "2 suppressed\n"
    assert states(home) == {1: "delivered", 2: "dead", 3: "dead", 4: "suppressed", 5: "suppressed"}
    assert "told by phone" in said("--state", "suppressed").out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("suppress", "4"), "say why"),
        (("retry",), "say which deliveries"),
        (("retry", "--destination", "slack"), "say which deliveries"),
        (("retry", "--state", "delivered"), "retry is for those that are"),
    ],
)
def test_an_act_must_say_what_it_means(said: Any, home: Path, words: tuple[str, ...], error: str) -> None:
    """Nothing is done to everything by leaving words out."""
    before = states(home)
    refused = said(*words)
    assert (refused.code, error in refused.err, states(home)) == (2, True, before)


def test_the_old_spelling_still_works(said: Any, home: Path) -> None:
    """`--retry` and `--suppress` of earlier versions do the same."""
    assert said("--retry", 2, "--retry", 3).out.startswith("2 made due again\n")
    assert said("--suppress", 5, "--reason", "x").out.startswith("1 suppressed\n")
    assert said("--suppress", 4).code == 2
    assert states(home)[5] == "suppressed"
