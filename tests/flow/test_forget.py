"""A person is forgotten: what somebody types, what lies in lake and ledger afterwards, what a source brings again."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select, update
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before

from pql import store
from pql.store.tables import deliveries, discrepancies

ANN = "ann-of-acme-4711"
MAIL = "Ann.Lee@acme.test"
NAMES = ("ann-of-acme-4711", "ann.lee@acme.test", "ann.lee%40acme.test", "ann lee", "ann's phone")


def everything(story: Story) -> str:
    """All that lake and ledger hold: each value of each file, and the bytes themselves, in small letters."""
    said = []
    for path in Path(story.paths.lake).rglob("*"):
        if path.suffix == ".parquet":
            said.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
        if path.is_file():
            said.append(path.read_bytes().decode(errors="replace"))
    said += [path.read_bytes().decode(errors="replace") for path in story.folder.glob("ledger.db*")]
    with sqlite3.connect(story.folder / "ledger.db") as ledger:
        said.append("\n".join(ledger.iterdump()))
    return "\n".join(said).lower()


@pytest.fixture
def story(new_story: Any) -> Story:
    """Ann leads Acme's use of the product, Bob follows; she qualifies it, is announced, and is Acme's champion."""
    made: Story = new_story(settings=SETTINGS)
    made.happens("old", *days_before(T0, 20, 19, 18))
    made.run("nightly", T0)
    mail = {"mail": MAIL, "name": "Ann Lee"}
    made.happens(ANN, *days_before(T0 + DAY, 3, 2, 1), org="acme", device="ann's phone", **mail)
    made.happens("bob", *days_before(T0 + DAY, 1), org="acme", mail="bob@acme.test", n=f"invited {MAIL},{MAIL.upper()}")
    made.happens(ANN, T0 + HOUR, file="late", org="acme", **mail)
    made.run("nightly", T0 + DAY)
    made.deliver()
    return made


SETTINGS = """
sources:
  product:
    kind: files
    path: events/*.ndjson
    emits:
      - {event: what, time: at, user: who, anonymous: device, account: org, id: id,
         user_traits: {email: mail, name: name}, properties: [n]}
destinations:
  slack: {kind: slack}
  zapier_nudge: {kind: webhook, connection: zapier_nudge}
"""


def words(story: Story) -> list[Any]:
    return [
        *("--settings", story.paths.settings, "--definitions", story.definitions),
        *("--lake", story.paths.lake, "--ledger", story.paths.ledger, "forget"),
    ]


def test_forgetting_leaves_nothing_and_keeps_the_rest(story: Story, pql: Any) -> None:
    """Shown first and changed only with --yes; then nothing of Ann is anywhere, and Acme's stay and receipts are."""
    assert all(name in everything(story) for name in NAMES if "%40" not in name)
    before = story.ledger()
    shown = pql(*words(story), MAIL)
    assert shown.code == 0, shown.err
    assert f"users: {MAIL}, {ANN}\n  visitors: ann's phone\n  addresses: {MAIL.lower()}\n" in shown.out
    assert "Nothing was changed" in shown.out
    assert story.ledger() == before

    done = pql(*words(story), MAIL, "--yes")
    assert done.code == 0, done.out + done.err
    assert "nothing is left" in done.out
    assert "slack (slack): {" in done.out  # the message that named her
    left = everything(story)
    assert [name for name in NAMES if name in left] == []
    assert "bob@acme.test" in left
    after = story.ledger()
    assert set(story.episodes()) == {"org:acme"}
    receipts = [row["receipt"] for row in before["deliveries"]]
    assert [row["receipt"] for row in after["deliveries"]] == receipts
    assert pql(*words(story), ANN).out.count("Nothing of them is in the lake or the ledger") == 1


def test_the_same_export_read_again_does_not_bring_them_back(story: Story, pql: Any) -> None:
    """A lookback or a new export brings Bob's events and none of Ann's; allowed again, hers come with the next."""
    assert pql(*words(story), ANN, "--yes").code == 0
    for path in (story.folder / "events").iterdir():
        os.utime(path)  # every file is read again
    summary = story.run("nightly", T0 + DAY)
    assert summary["read"] == 8
    left = everything(story)
    assert [name for name in NAMES if name in left] == []
    story.run("nightly", T0 + DAY + HOUR)
    story.deliver()
    assert [name for name in NAMES if name in everything(story)] == []
    for name in (ANN, MAIL):
        assert pql(*words(story), name, "--allow-again").code == 0
    assert pql(*words(story), "anon:ann's phone", "--allow-again").code == 0
    for path in (story.folder / "events").iterdir():
        os.utime(path, (1_800_000_000, 1_800_000_000))
    story.run("nightly", T0 + DAY + 2 * HOUR)
    assert ANN in everything(story)


def test_an_account_of_one_is_erased_with_its_person(story: Story, pql: Any) -> None:
    """Who was announced under a key of their own: the stay ends, what waits is suppressed, the key leads nowhere."""
    story.happens("solo-user-1", *days_before(T0 + 2 * DAY, 3, 2, 1), mail="solo@gmail.com", name="So Lo")
    story.run("nightly", T0 + 2 * DAY)
    assert "user:solo-user-1" in story.episodes()
    done = pql(*words(story), "solo-user-1", "--yes")
    assert done.code == 0, done.out + done.err
    assert set(story.episodes()) == {"org:acme"}
    waiting = [row for row in story.ledger()["deliveries"] if row["account_key"].startswith("erased:")]
    assert {(row["state"], row["reason"]) for row in waiting} == {("suppressed", "forgotten")}
    assert story.deliver() == {}
    left = everything(story)
    assert [name for name in ("solo-user-1", "solo@gmail.com", "so lo") if name in left] == []


def test_the_table_that_listed_them_is_named_and_no_key_of_theirs_is_kept(story: Story, pql: Any) -> None:
    """A digest stands in Slack with their name in it; what a reconciliation noted leads to nobody any more."""
    story.happens("solo-user-1", *days_before(T0 + 2 * DAY, 3, 2, 1), mail="solo@gmail.com", name="So Lo")
    story.run("nightly", T0 + 2 * DAY)
    engine = store.connect(story.paths.ledger)
    with store.writing(engine) as conn:
        is_theirs = (deliveries.c.account_key == "user:solo-user-1") & (deliveries.c.kind == "slack")
        row = conn.execute(select(deliveries).where(is_theirs)).one()
        about = {"account_key": "table:slack:#x", "subject_key": "table:slack:#x", "key": "pql-table", "alert": {}}
        gone_out = {"state": "delivered", "receipt": {"channel": "C1", "ts": "7.7"}, "id": 900}
        conn.execute(insert(deliveries).values({**row._mapping, **about, **gone_out}))
        conn.execute(update(deliveries).where(is_theirs).values(thread_of=900))
        at = {name: row.created_at for name in ("happened_at", "found_at", "seen_at")}
        noted = {"what": "overdue", "about": row.key, "destination": "slack", "place": "", "detail": ""}
        conn.execute(insert(discrepancies).values(**noted, **at, delivery_id=row.id))
    engine.dispose()
    done = pql(*words(story), "solo-user-1", "--yes")
    assert 'slack (slack): {"channel": "C1", "ts": "7.7"}' in done.out
    (difference,) = story.ledger()["discrepancies"]
    assert difference["about"].startswith("erased:")
    assert row.key not in everything(story)
