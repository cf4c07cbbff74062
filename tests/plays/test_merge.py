"""One person, one message, whatever number of definitions and plays want it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pql.plays import Cause, Intent, merge
from pql.types import Alert


def alert(definition: str, subject: str = "org:a", headline: str = "just qualified", **more: object) -> Alert:
    return Alert(
        headline=headline,
        definitions=(definition,),
        titles=(definition.title(),),
        subject_key=subject,
        account_key="org:a",
        account_name=subject.split(":")[1].title(),
        as_of="2026-03-10T00:00:00+00:00",
        score=50,
        activation_pct=40,
        grade="B1",
        grade_10=5,
    )


def intent(definition: str = "sales", priority: int = 10, *, kind="slack", lane="slack:#pql", **more) -> Intent:
    subject = more.pop("subject", "org:a")
    said = more.pop("alert", None) or alert(definition, subject, more.pop("headline", "just qualified"))
    play = more.pop("play", "ping")
    return Intent(
        cause=Cause(definition, "episode", subject, play, "0:" + kind),
        account_key=more.pop("account", "org:a"),
        subject_key=subject,
        destination=more.pop("destination", "slack"),
        kind=kind,
        lane=lane,
        options=more.pop("options", {}),
        alert=said,
        priority=priority,
    )


def test_one_message_per_account_and_channel_names_all():
    """SEM-D5: the definition of the lowest priority number speaks, the message names all, every cause is kept."""
    intents = [intent("upsell", 20), intent("sales", 10, options={"channel": "#pql"})]
    for order in (intents, intents[::-1]):
        (merged,) = merge(order)
        assert (merged.alert.definitions, merged.alert.titles) == (("sales", "upsell"), ("Sales", "Upsell"))
        assert [c.definition for c in merged.causes] == ["sales", "upsell"]
        assert merged.options == {"channel": "#pql"}


def test_other_accounts_channels_and_destinations_stay_apart():
    """SEM-D5: only the same account and channel share a message."""
    intents = [
        intent(),
        intent(account="org:b"),
        intent(lane="slack:#other"),
        intent(destination="slack2"),
        intent(kind="crm_task", lane="crm_task", destination="hubspot"),
    ]
    assert len(merge(intents)) == 5


def test_two_things_at_once_are_one_headline():
    """SEM-D5: two plays of one run on one account are one message that says both; a repeated word is said once."""
    intents = [intent(headline="just qualified"), intent(headline="score up 24", play="up"), intent("upsell", 20)]
    (merged,) = merge(intents)
    assert merged.alert.headline == "just qualified · score up 24"
    assert len(merged.causes) == 3


def test_two_people_of_one_account_are_both_named():
    """SEM-D5, SEM-W1: of two users of an account one speaks and the other is mentioned; nobody is lost."""
    (merged,) = merge([intent(subject="user:mia"), intent(subject="user:tom")])
    assert (merged.subject_key, merged.alert.flags) == ("user:mia", ("also: Tom just qualified",))


def test_a_mention_is_not_a_second_message():
    """SEM-D5: a mention that only the second definition wants is added to the one message."""
    (merged,) = merge([intent(options={"channel": "#pql"}), intent("upsell", 20, options={"mention": "owner"})])
    assert merged.options == {"channel": "#pql", "mention": "owner"}


def test_one_task_has_one_text():
    """SEM-D2: those wanting one CRM task share it; the first says what it is about, the other lends its stand-in."""
    task = {"kind": "crm_task", "lane": "crm_task", "destination": "hubspot"}
    first = intent(**task, options={"subject": "Call"})
    second = intent("upsell", 20, **task, options={"subject": "Upsell", "body": "long", "fallback_owner": "s@x.com"})
    (merged,) = merge([second, first])
    assert merged.options == {"subject": "Call", "fallback_owner": "s@x.com"}


def test_for_one_written_property_the_highest_priority_wins():
    """SEM-D2: each property gets the value of whoever speaks first; properties only one wants are all written."""
    update = {"kind": "crm_update", "lane": "crm_update:company:1", "destination": "hubspot"}
    first = intent("sales", 10, **update, options={"pql_score": 50, "pql_grade": "B1"})
    second = intent("upsell", 20, **update, options={"pql_score": 9, "upsell_score": 9})
    for order in ([first, second], [second, first]):
        (merged,) = merge(order)
        assert merged.options == {"pql_score": 50, "pql_grade": "B1", "upsell_score": 9}


@pytest.mark.parametrize("priorities", [(10, 10), (10, 20)])
def test_the_next_step_is_the_first_there_is(priorities):
    """PRODUCT-A1: a speaker without a suggestion lends the next one's."""
    first, second = intent("a", priorities[0]), intent("b", priorities[1])
    second = replace(second, alert=replace(second.alert, next_step="offer the team plan"))
    assert merge([second, first])[0].alert.next_step == "offer the team plan"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sales", "upsell", "hands"]),
            st.integers(1, 3),
            st.sampled_from(["org:a", "org:b"]),
            st.sampled_from(["slack:#pql", "slack:dm:dana@x.com", "crm_task"]),
        ),
        max_size=12,
    )
)
def test_nothing_is_lost_and_nothing_said_twice(wanted):
    """SEM-D5: every intent is a cause of exactly one delivery, and no account and lane has two."""
    intents = [
        intent(d, p, account=a, subject=a, lane=lane, play=f"play-{i}") for i, (d, p, a, lane) in enumerate(wanted)
    ]
    merged = merge(intents)
    lanes = [(m.account_key, m.destination, m.lane) for m in merged]
    assert len(lanes) == len(set(lanes))
    assert sorted(c.play for m in merged for c in m.causes) == sorted(i.cause.play for i in intents)
    for each in merged:
        assert set(each.alert.definitions) == {c.definition for c in each.causes}


@pytest.mark.parametrize(
    ("options", "timing"),
    [
        ([{}, {}], {}),
        ([{"how": "digest"}, {"how": "digest"}], {"how": "digest"}),
        ([{"how": "digest"}, {}], {"how": "instant"}),
        ([{"hours": "working"}, {"hours": "any"}], {"hours": "any"}),
        ([{"hours": "working"}, {}], {"hours": "working"}),
    ],
)
def test_the_most_urgent_says_when_a_shared_message_comes(options, timing):
    """SEM-D5, PRODUCT-A1: it waits for a digest, or for working hours, only if all who want it can wait."""
    intents = [
        intent(name, number, options=each) for number, (name, each) in enumerate(zip("ab", options, strict=True))
    ]
    (merged,) = merge(intents)
    assert dict(merged.options) == timing
