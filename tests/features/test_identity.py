"""Who an event belongs to."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
from tests.features.conftest import FREE, Event, World, read

from pql.features import build, identity, resolve_marks

DEFINITION = read("events: {msg: Message}\nsignals: {anything: {count: msg}, week: {count: msg, last: 7d}}\n")


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


def mail(user: str, address: str, day: int = 1) -> tuple[str, str, str, str, datetime]:
    return ("user", user, "email", f'"{address}"', at(day))


def accounts(world: World, moment: datetime) -> dict[tuple[str, str | None], str]:
    found = identity(world.tables(DEFINITION, [moment]), moment, free_mail_domains=FREE)
    hints = [hint if isinstance(hint, str) else None for hint in found["account_hint"]]
    return dict(zip(zip(found["raw_id"], hints, strict=True), found["account_key"], strict=True))


def test_the_order_of_resolution(world: World) -> None:
    """SEM-W3: explicit id, else CRM contact, else the domain's company, else the domain; SEM-W1: else one alone."""
    world.events = [Event(at(1), "Message", user, hint="X" if user == "a" else None) for user in "abcdef"]
    world.traits = [
        mail("a", "a@acme.test"),
        mail("b", "boss@gmail.com"),
        mail("c", "C@Acme.test"),
        mail("d", "d@eu.other.com"),
        mail("e", "e@gmail.com"),
    ]
    world.add_crm("accounts", at(1), id="7", domain="www.acme.test")
    world.add_crm("contacts", at(1), id="k", email="Boss@gmail.com", account_id="7")
    assert accounts(world, at(2)) == {
        ("a", "X"): "org:X",
        ("b", None): "crm:7",
        ("c", None): "crm:7",
        ("d", None): "domain:other.com",
        ("e", None): "user:e",
        ("f", None): "user:f",
    }


def test_a_company_that_names_the_product_account_is_that_account(world: World) -> None:
    """SEM-W3: a user known by domain and one known by explicit id are one account, never two."""
    world.events = [Event(at(1), "Message", "a", hint="X"), Event(at(1, 13), "Message", "b")]
    world.traits = [mail("b", "b@acme.test")]
    world.add_crm("accounts", at(1), id="7", domain="acme.test", external_account_id="X")
    assert set(accounts(world, at(2)).values()) == {"org:X"}


def test_a_row_without_an_id_follows_the_latest_one_of_its_user(world: World) -> None:
    """SEM-W3: a user's events that name no account belong to the one it named last, as of T."""
    world.events = [
        Event(at(1), "Message", "a"),
        Event(at(2), "Message", "a", hint="X"),
        Event(at(4), "Message", "a", hint="Y"),
    ]
    assert accounts(world, at(3))["a", None] == "org:X"
    assert accounts(world, at(5))["a", None] == "org:Y"
    assert accounts(world, at(5))["a", "X"] == "org:X"


def test_a_visitor_becomes_the_user_who_signs_in(world: World) -> None:
    """SEM-W3: what a visitor did before is nobody's until the link, then the user's; merges are followed."""
    world.events = [Event(at(1), "Message", anon="d"), Event(at(3), "Message", "a", anon="d")]
    world.links = [("a", "b", at(5))]
    assert accounts(world, at(2)) == {}
    assert accounts(world, at(4)) == {("anon:d", None): "user:a", ("a", None): "user:a"}
    assert accounts(world, at(6)) == {("anon:d", None): "user:b", ("a", None): "user:b"}


def test_a_shared_device_stays_with_the_first_person(world: World) -> None:
    """SEM-W3: a second person who signs in on a device does not take over what was done there before."""
    world.events = [
        Event(at(1), "Message", anon="d"),
        *(Event(at(d), "Message", u, anon="d") for d, u in ((2, "a"), (3, "b"))),
    ]
    assert accounts(world, at(4))["anon:d", None] == "user:a"


def test_links_in_a_circle_end_somewhere(world: World) -> None:
    """SEM-W3: two aliases that point at each other are one user, the one linked to first."""
    world.events = [Event(at(1), "Message", "a"), Event(at(1, 13), "Message", "b")]
    world.links = [("a", "b", at(2)), ("b", "a", at(3))]
    assert set(accounts(world, at(4)).values()) == {"user:b"}


def test_an_identity_that_changes_needs_no_rebuild(world: World) -> None:
    """SEM-W3: in one pass, each moment sees the account that was true then, with the user's whole history."""
    world.events = [Event(at(day), "Message", "a") for day in (1, 2, 3)]
    world.traits = [mail("a", "a@acme.test")]
    world.add_crm("accounts", at(3), id="7", domain="acme.test")
    moments = [at(2, 18), at(3, 18)]
    frame = build(world.tables(DEFINITION, moments), DEFINITION, moments, timezone="UTC", free_mail_domains=FREE)
    assert frame[["account_key", "signal.anything"]].to_numpy().tolist() == [["crm:7", 3.0], ["domain:acme.test", 2.0]]


def test_marks_name_the_accounts_they_are_about(world: World) -> None:
    """SEM-D1: users, visitors, companies and contacts lead to account keys; an unknown visitor to none."""
    world.events = [
        Event(at(1, 11), "Message", anon="d"),
        Event(at(1), "Message", "a", anon="d"),
        Event(at(1, 13), "Message", "b", hint="X"),
        Event(at(1, 14), "Message", anon="stranger"),
    ]
    world.traits = [mail("a", "a@acme.test"), mail("b", "b@acme.test")]
    world.add_crm("accounts", at(1), id="7", domain="acme.test")
    world.add_crm("contacts", at(1), id="k", email="b@acme.test", account_id="7")
    con: duckdb.DuckDBPyConnection = world.tables(DEFINITION, [at(2)])
    keys = ["user:a", "anon:d", "user:b", "anon:stranger", "company:7", "contact:k", "user:nobody"]
    assert resolve_marks(con, at(2), keys, free_mail_domains=FREE) == {
        "user:a": {"crm:7"},
        "anon:d": {"crm:7"},
        "user:b": {"org:X"},
        "anon:stranger": set(),
        "company:7": {"crm:7", "org:X"},
        "contact:k": {"org:X"},
        "user:nobody": set(),
    }


def test_some_accounts_give_the_same_rows_as_all(world: World) -> None:
    """Evaluating only dirty accounts (SEM-D1) gives exactly their rows of a full evaluation, for users too."""
    world.events = [
        Event(at(1, h), "Message", u, hint=hint) for h, (u, hint) in enumerate([("a", "X"), ("b", "X"), ("c", "Y")])
    ]
    for subject, expected in (("account", ["org:X"]), ("user", ["user:a", "user:b"])):
        definition = read(
            f"definition: d\ntitle: D\nstatus: live\nsubject: {subject}\nevents: {{msg: Message}}\n"
            "signals: {anything: {count: msg}}\n"
        )
        con = world.tables(definition, [at(2)])
        everybody = build(con, definition, [at(2)], timezone="UTC", free_mail_domains=FREE)
        some = build(con, definition, [at(2)], timezone="UTC", free_mail_domains=FREE, accounts=["org:X"])
        assert some["subject_key"].tolist() == expected
        assert some.equals(everybody[everybody["account_key"] == "org:X"].reset_index(drop=True))
        assert some["users"].tolist() == [2] * len(expected)
