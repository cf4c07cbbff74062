"""Links and traits: what events say about who is who, dated, and never baked into usage (SEM-W3)."""

from __future__ import annotations

from typing import Any


def test_a_visitor_is_linked_when_an_event_names_both(room: Any) -> None:
    """The link from visitor to user has the time of the first event that named both (PRODUCT-S3, SEM-W3)."""
    room.publish(
        room.event("2024-05-01 09:00", None, anonymous_id="dev"),
        room.event("2024-05-02 10:00", anonymous_id="dev"),
        room.event("2024-05-01 23:00", anonymous_id="dev"),
    )
    room.prepare()
    assert room.rows('SELECT from_id, to_id, "at"::VARCHAR FROM links') == [("anon:dev", "ann", "2024-05-01 23:00:00")]


def test_a_replaced_user_id_is_linked_too(room: Any) -> None:
    """A merge: the id an event replaces has itself acted as a user, and points to the new one (SEM-W3)."""
    room.publish(
        room.event("2024-05-01 09:00", "old"),
        room.event("2024-05-02 10:00", "new", anonymous_id="old"),
        room.event("2024-05-02 11:00", "new", anonymous_id="new"),
    )
    room.prepare()
    assert room.rows('SELECT from_id, to_id, hour("at") FROM links ORDER BY ALL') == [
        ("anon:old", "new", 10),
        ("old", "new", 10),
    ]


def test_usage_keeps_the_id_the_event_named(room: Any) -> None:
    """Usage stays with the raw id, linked or not: identity is applied when features are computed (SEM-W3)."""
    room.publish(
        room.event("2024-05-01 09:00", None, anonymous_id="dev"), room.event("2024-05-01 10:00", anonymous_id="dev")
    )
    room.prepare()
    assert room.rows("SELECT raw_id, count FROM usage ORDER BY ALL") == [("ann", 1), ("anon:dev", 1)]


def test_traits_are_dated_changes(room: Any) -> None:
    """A trait has a row when it is first said and when it changes, over days and within one; a null says nothing."""
    plans = [("1 09:00", "free"), ("1 10:00", "free"), ("1 11:00", "pro"), ("1 12:00", "free"), ("2 09:00", "free")]
    room.publish(
        *(room.event(f"2024-05-0{when}", user_traits={"plan": plan, "n": 3}) for when, plan in plans),
        room.event("2024-05-03 09:00", user_traits={"plan": None, "list": [1]}),
        room.event("2024-05-04 09:00", user_traits={"plan": "team"}),
    )
    room.prepare()
    assert room.rows(
        """SELECT name, value, strftime("at", '%d %H') FROM traits WHERE kind = 'user' ORDER BY 1, 3"""
    ) == [
        ("n", "3", "01 09"),
        ("plan", '"free"', "01 09"),
        ("plan", '"pro"', "01 11"),
        ("plan", '"free"', "01 12"),
        ("plan", '"team"', "04 09"),
    ]


def test_traits_of_accounts_and_visitors(room: Any) -> None:
    """Account traits belong to the event's account hint; a visitor's to its raw id; without a hint to nobody."""
    room.publish(
        room.event("2024-05-01 09:00", account_hint="org1", account_traits={"seats": 5}),
        room.event("2024-05-01 10:00", account_traits={"seats": 9}),
        room.event("2024-05-01 11:00", None, anonymous_id="dev", user_traits={"email": "a@b.c"}),
    )
    room.prepare()
    assert room.rows("SELECT kind, id, name, value FROM traits ORDER BY ALL") == [
        ("account", "org1", "seats", "5"),
        ("user", "anon:dev", "email", '"a@b.c"'),
    ]


def test_an_unfinished_day_says_who_is_who_as_well(room: Any) -> None:
    """Links and traits of the day an intraday moment falls into are there, with their own times."""
    room.publish(room.event("2024-05-01 09:00", anonymous_id="dev", user_traits={"plan": "free"}))
    room.prepare(cuts=["2024-05-01 12:00"])
    assert room.rows('SELECT from_id, hour("at") FROM links') == [("anon:dev", 9)]
    assert room.rows('SELECT value, hour("at") FROM traits') == [('"free"', 9)]
