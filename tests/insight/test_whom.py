"""Whom a person means: found by key, name or domain; else told who may be meant, and how those differ."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import insert
from tests.flow.conftest import DAY, HOUR, T0, Story
from tests.insight.conftest import SETTINGS, TRIAL, ask
from tests.insight.test_explain import ORG, load

from pql import insight, store
from pql.store.instants import to_naive
from pql.store.tables import episodes
from pql.types import UserError


def test_a_user_leads_to_its_account(trial: Story) -> None:
    """A user's key, as previews and scores print it, or its id: its account, and of a definition of users it alone."""
    trial.define(TRIAL.replace("title: Trial", "title: Trial\nsubject: user"), "trial")
    for who in ("ada", "bob"):
        trial.happens(who, T0 - HOUR, what="Message Sent", **ORG)
    load(trial)
    with closing(trial.open()) as project:
        for wanted in ("user:bob", "bob", "BOB"):
            found = insight.explain(project, wanted, as_of=T0, now=T0)
            assert [(one["subject_key"], one["account_key"]) for one in found] == [("user:bob", "org:acme")]
        assert len(insight.explain(project, "org:acme", as_of=T0, now=T0)) == 2


def test_nobody_is_told_apart_from_not_yet(trial: Story) -> None:
    """An empty lake, a moment before history, and a name that nobody has are three things."""
    with pytest.raises(UserError, match="is empty: run `pql ingest` first"):
        ask(trial, "acme", T0)
    trial.happens("ada", T0 - HOUR, what="Message Sent", **ORG)
    load(trial)
    with pytest.raises(UserError, match="known as `org:acme` as of 2026-02-20 00:00: history begins on 2026-03-01"):
        ask(trial, "org:acme", T0 - 10 * DAY)
    with pytest.raises(UserError, match=r"No account is known as `emca` as of 2026-03-02 00:00\. Give its key"):
        ask(trial, "emca", T0)
    assert ask(trial, "org:acme", T0)["data_to"] == "2026-03-01T23:00:00"


def test_a_name_that_is_nearly_right_is_offered(trial: Story) -> None:
    """Half a name, or one with a slip, is answered with the accounts that may be meant."""
    trial.settings(SETTINGS.replace("{plan: plan,", "{name: name, plan: plan,"))
    for who, name in (("ada", "Kestrel Coffee Ltd"), ("bob", "Kestrel Media"), ("cy", "Acme Inc")):
        trial.happens(who, T0 - HOUR, what="Message Sent", org=name[-3:], name=name)
    load(trial)
    with pytest.raises(UserError, match=r"Did you mean `Kestrel Coffee Ltd`\?"):
        ask(trial, "kestrel coffee", T0)
    with pytest.raises(UserError, match="Did you mean `Kestrel Coffee Ltd` or `Kestrel Media`"):
        ask(trial, "Kestrel", T0)
    with pytest.raises(UserError, match="Did you mean `Acme Inc`"):
        ask(trial, "Acne Inc", T0)


def test_accounts_of_one_name_are_told_apart(trial: Story) -> None:
    """Two of one name: each with its domain, size, and whether somebody was told of it, by which definition."""
    trial.settings(SETTINGS.replace("{plan: plan,", "{name: name, plan: plan,"))
    for who, org, size in (("ada@cedar.example", "c1", 60), ("bob@cedarlabs.example", "c2", 9)):
        trial.happens(who, T0 - HOUR, what="Message Sent", org=org, name="Cedar Labs", employees=size, mail=who)
    load(trial)
    with closing(trial.open()) as project, store.writing(project.engine) as connection:
        silent = {"silent_reason": "baseline"}
        for key, definition, score, more in (
            ("org:c1", "trial", 27, silent),
            ("org:c1", "other", 75, {}),
            ("org:c2", "other", 80, silent),
        ):
            keys = {"account_key": key, "subject_key": key, "definition": definition, "opened_as_of": to_naive(T0)}
            connection.execute(insert(episodes).values(**keys, rules_hash="x", score=score, **more))
    with pytest.raises(UserError) as told:
        ask(trial, "cedar labs", T0)
    first, *each = str(told.value).splitlines()
    assert first == "`cedar labs` may be any of 2 accounts: name one by its key."
    assert sorted(each) == [
        "  org:c1  Cedar Labs · cedar.example · 60 employees · announced on 2026-03-02 with score 75 by other",
        "  org:c2  Cedar Labs · cedarlabs.example · 9 employees · score 7 by trial · not announced",
    ]


def test_what_companies_end_with_makes_no_two_alike(trial: Story) -> None:
    """`Acme Inc` is not taken for `Sable Media Inc`; of names alike but for their end the nearest is offered."""
    trial.settings(SETTINGS.replace("{plan: plan,", "{name: name, plan: plan,"))
    for number, name in enumerate(("Sable Media Inc", "Kestrel Co", "Kestrel Labs")):
        trial.happens(f"u{number}", T0 - HOUR, what="Message Sent", org=f"o{number}", name=name)
    load(trial)
    for nobody in ("Acme Inc", "Acme, Inc.", "Zebra Labs"):
        with pytest.raises(UserError, match=r"its name or its domain\.$"):
            ask(trial, nobody, T0)
    with pytest.raises(UserError, match=r"Did you mean `Kestrel Labs`\?"):
        ask(trial, "Kestral Labs", T0)


def test_half_a_name_of_many_lists_several(trial: Story) -> None:
    """`Firma`, of Firma 1 to Firma 7: the first of them and how many more; a word inside a name is enough."""
    trial.settings(SETTINGS.replace("{plan: plan,", "{name: name, plan: plan,"))
    for number in range(1, 8):
        trial.happens(f"u{number}", T0 - HOUR, what="Message Sent", org=f"o{number}", name=f"Firma {number} GmbH")
    load(trial)
    with pytest.raises(UserError, match=r"Did you mean `Firma 1 GmbH` or `Firma 2 GmbH` or .* … \(2 more\)\?"):
        ask(trial, "Firma", T0)
    with pytest.raises(UserError, match=r"Did you mean `Firma 7 GmbH`\?"):
        ask(trial, "7 GmbH", T0)
