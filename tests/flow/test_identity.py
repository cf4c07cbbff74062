"""Who somebody is may change: the ledger follows, and a changed key announces nothing."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

import pytest
from tests.flow.conftest import DAY, HABIT, HOUR, T0, Story, days_before

from pql import pipeline
from pql.store import blocks
from pql.types import CRM_COLUMNS

NIGHT = T0 + 10 * DAY


def crm_says(story: Story, at: datetime, contacts: dict[str, str]) -> None:
    """File a CRM snapshot in which these e-mail addresses are contacts of these companies."""
    project = story.open()
    columns = {
        "accounts": [f"SELECT '{name}' AS id, '{name} Ltd' AS name" for name in sorted(set(contacts.values()))],
        "contacts": [
            f"SELECT '{mail}' AS id, '{mail}' AS email, '{to}' AS account_id" for mail, to in contacts.items()
        ],
    }
    with closing(project.lake.connect()) as lake:
        for table, rows in columns.items():
            given = " UNION ALL ".join(rows)
            names = [n.split(" AS ")[1] for n in rows[0].removeprefix("SELECT ").split(", ")]
            all_columns = ", ".join(
                f"CAST({name if name in names else 'NULL'} AS {kind}) AS {name}"
                for name, kind in CRM_COLUMNS[table].items()
            )
            project.lake.file_crm(
                lake, f"SELECT {all_columns} FROM ({given})", source="crm", object=table, kind="snapshot", filed_at=at
            )
    project.close()


def test_a_free_mail_user_who_gets_a_company_is_not_told_again(story):
    """SEM-W1, W3: the account of one becomes the company's; its episode, and its block, go along."""
    story.happens("ada", *days_before(NIGHT, 3, 2, 1), mail="ada@gmail.com")
    story.happens("eve", *days_before(NIGHT, 2, 1), mail="eve@gmail.com")
    story.run("nightly", T0)
    assert story.run("nightly", NIGHT)["announced"] == 1
    story.do(lambda c: blocks.block(c, "user:eve", "not_a_fit", reason="a student", origin="cli", now=story.now))
    crm_says(story, NIGHT + HOUR, {"ada@gmail.com": "acme", "eve@gmail.com": "eden"})
    story.happens("ada", NIGHT + HOUR)
    story.happens("eve", NIGHT + HOUR)
    hourly = story.run("hourly", NIGHT + 2 * HOUR)
    nightly = story.run("nightly", NIGHT + DAY)
    assert (hourly["newly_qualified"], nightly["newly_qualified"]) == (0, 0)
    story.deliver()
    assert story.episodes() == {"crm:acme": None}
    assert [(b["account_key"], b["kind"]) for b in story.ledger()["blocks"]] == [("crm:eden", "not_a_fit")]
    assert story.told() == ["ada@gmail.com"]


def test_of_two_who_turn_out_to_be_one_account_the_older_stay_stays(story):
    """SEM-W3: both had been announced by themselves; together they are one open episode and no message."""
    story.happens("ada", *days_before(NIGHT, 4, 3, 2), mail="ada@gmail.com")
    story.happens("bob", *days_before(NIGHT, 3, 2, 1), mail="bob@gmail.com")
    story.run("nightly", T0)
    story.run("nightly", NIGHT - DAY)
    story.run("nightly", NIGHT)
    assert story.episodes() == {"user:ada": None, "user:bob": None}
    crm_says(story, NIGHT + HOUR, {"ada@gmail.com": "acme", "bob@gmail.com": "acme"})
    assert story.run("nightly", NIGHT + DAY)["newly_qualified"] == 0
    stays = {row["opened_as_of"].day: row["close_reason"] for row in story.ledger()["episodes"]}
    assert stays == {(NIGHT - DAY).day: None, NIGHT.day: "merged"}
    assert list(story.episodes()) == ["crm:acme"]


def test_an_account_that_qualifies_only_because_keys_changed_is_silent(story):
    """SEM-W3: together they have three days, but nobody did anything: it opens silently and can be released."""
    story.happens("ada", *days_before(NIGHT, 4, 3), mail="ada@gmail.com")
    story.happens("bob", *days_before(NIGHT, 2), mail="bob@gmail.com")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    crm_says(story, NIGHT + HOUR, {"ada@gmail.com": "acme", "bob@gmail.com": "acme"})
    summary = story.run("nightly", NIGHT + DAY)
    assert (summary["announced"], summary["silent"]) == (0, 1)
    assert story.episodes() == {"crm:acme": "identity"}


@pytest.mark.parametrize("hour", [NIGHT + 2 * HOUR, NIGHT + DAY], ids=["an hour between", "the hour of the night"])
def test_the_run_that_notices_a_changed_key_need_not_be_the_one_that_decides_it(story, hour):
    """SEM-W3: an hour follows the new identity and has no news to look at; the night that evaluates it is silent."""
    story.happens("ada", *days_before(NIGHT, 4, 3), mail="ada@gmail.com")
    story.happens("bob", *days_before(NIGHT, 2), mail="bob@gmail.com")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    crm_says(story, NIGHT + HOUR, {"ada@gmail.com": "acme", "bob@gmail.com": "acme"})
    assert story.run("hourly", hour)["evaluated"] == 0
    assert [row["subject_key"] for row in story.ledger()["rekeyed"]] == ["crm:acme"]
    summary = story.run("nightly", NIGHT + DAY)
    assert (summary["announced"], summary["silent"]) == (0, 1)
    assert story.episodes() == {"crm:acme": "identity"}
    assert story.ledger()["rekeyed"] == []


def test_a_run_whose_identity_changed_under_way_leaves_the_old_keys_alone(story):
    """SEM-W3: evaluated under the old key, overtaken by a run of the same moment that carries it: no second stay."""
    story.happens("ada", *days_before(NIGHT, 3, 2), mail="ada@gmail.com")
    story.run("nightly", T0)
    story.happens("ada", NIGHT - 2 * HOUR, mail="ada@gmail.com", file="new")
    story.now = NIGHT
    moment = {"as_of": NIGHT, "now": NIGHT}
    with closing(story.open()) as project:
        pipeline.ingest(project, "product", kind="hourly", **moment)
        late = pipeline.evaluate(project, "habit", kind="hourly", **moment)
        crm_says(story, NIGHT - HOUR, {"ada@gmail.com": "acme"})
        assert story.run("nightly", NIGHT)["announced"] == 1
        assert pipeline.decide(project, [late], kind="hourly", **moment)["newly_qualified"] == 0
    assert story.episodes() == {"crm:acme": None}


def test_a_rerun_of_the_run_that_changed_a_key_stays_silent(story):
    """SEM-W3, D2: the key changed once; done again, the run opens nothing and tells nobody."""
    story.happens("ada", *days_before(NIGHT, 4, 3), mail="ada@gmail.com")
    story.happens("bob", *days_before(NIGHT, 2), mail="bob@gmail.com")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    crm_says(story, NIGHT + HOUR, {"ada@gmail.com": "acme", "bob@gmail.com": "acme"})
    for _ in range(3):
        story.run("nightly", NIGHT + DAY)
    assert story.episodes() == {"crm:acme": "identity"}
    assert story.deliver() == {}


def test_a_user_who_joins_an_account_brings_news_with_what_he_does(story):
    """SEM-W3, D3: one user more in a big account is no changed key; what she does there still counts."""
    for number in range(4):
        story.happens(f"staff{number}", *days_before(NIGHT, 3, 2), org="acme")
    story.happens("ada", *days_before(NIGHT, 4))
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    story.happens("ada", NIGHT + HOUR, org="acme")
    assert story.run("hourly", NIGHT + 2 * HOUR)["announced"] == 1
    assert story.episodes() == {"org:acme": None}


def test_what_a_visitor_did_before_signing_up_counts(story):
    """SEM-W3: the days as a visitor become the user's as soon as somebody is both; before, a visitor is nobody's."""
    story.settings(story.paths.settings.read_text().replace("user: who,", "user: who, anonymous: device,"))
    story.happens("", *days_before(NIGHT, 3, 2), device="d1")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    assert list(story.snapshot("nightly", NIGHT)["subject_key"]) == ["user:old"]
    story.happens("ada", NIGHT + HOUR, device="d1", file="new")
    assert story.run("hourly", NIGHT + 2 * HOUR)["announced"] == 1
    frame = story.snapshot("hourly", NIGHT + 2 * HOUR)
    assert frame["subject_key"].tolist() == ["user:ada"]
    assert frame["signal.days"].tolist() == [3]


def test_all_users_of_a_marked_account_are_looked_at(story):
    """SEM-D1, W1: a definition about users evaluates everybody of an account in which somebody did something."""
    people = HABIT.replace("title: A habit", "title: A habit\nsubject: user")
    story.define(people)
    story.happens("ada", *days_before(NIGHT, 3, 2), org="acme")
    story.happens("bob", *days_before(NIGHT, 2), org="acme")
    story.happens("cyd", *days_before(NIGHT, 2), org="other")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    story.happens("bob", NIGHT + HOUR, org="acme", file="new")
    story.run("hourly", NIGHT + 2 * HOUR)
    assert story.snapshot("hourly", NIGHT + 2 * HOUR)["subject_key"].tolist() == ["user:ada", "user:bob"]
