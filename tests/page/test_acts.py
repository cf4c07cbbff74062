"""What a person does on the page ends in the ledger, once, with who did it, and leads back with what it came to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import update
from tests.page.conftest import Site

from pql import store
from pql.store.tables import deliveries


def states(site: Site) -> dict[int, str]:
    """Delivery id → state."""
    return {row["id"]: row["state"] for row in site.ledger()["deliveries"]}


def put(site: Site, **values: Any) -> None:
    """Every delivery as if this had happened to it."""
    with site.open() as project, store.writing(project.engine) as connection:
        connection.execute(update(deliveries).values(**values))


def test_dead_deliveries_show_their_error_and_are_retried(site: Site) -> None:
    """The reason stands beside it; chosen and retried, it is due again with all attempts before it."""
    put(site, state="dead", reason="HubSpot said <no>", attempt=6, receipt=None)
    html = site.html("/deliveries", state="attention")
    assert "HubSpot said &lt;no&gt;" in html
    assert "6 attempts" in html
    ids = re.findall(r'name="id" value="(\d+)"', html)
    answer = site.post("/deliveries/retry", site.token(), id=ids[:1], back_to="deliveries?state=attention")
    assert answer.headers["location"] == "/airflow/pql/deliveries?state=attention&done=retry&count=1"
    assert "1 delivery made due again" in site.client.get(answer.headers["location"]).text
    assert sorted(states(site).values()) == ["dead", "pending"]
    assert site.noted == [("dana", "retry", {"deliveries": [int(ids[0])], "count": 1})]


def test_suppressing_keeps_the_reason_and_the_name(site: Site) -> None:
    """Without a reason nothing happens; with one it is kept with the delivery, and who gave it."""
    put(site, state="pending")
    ids = list(states(site))
    answer = site.post("/deliveries/suppress", site.token(), id=ids, reason="  ")
    assert "say why" in site.client.get(answer.headers["location"].replace("/pql/?", "/pql/deliveries?")).text
    assert set(states(site).values()) == {"pending"}
    site.post("/deliveries/suppress", site.token(), id=ids, reason="a partner of ours")
    rows = site.ledger()["deliveries"]
    assert {(row["state"], row["reason"]) for row in rows} == {("suppressed", "a partner of ours (by dana)")}


def test_of_what_is_held_some_can_be_released(site: Site) -> None:
    """Only those chosen; the others wait for an answer about the whole run."""
    put(site, state="held")
    first, second = states(site)
    answer = site.post("/deliveries/release", site.token(), id=first, back_to="deliveries")
    assert answer.headers["location"].endswith("done=release_held&count=1")
    assert states(site) == {first: "pending", second: "held"}
    assert "Run 2 is held: 1 delivery about 1 account" in site.html("/deliveries")


def test_what_is_delivered_offers_no_act(site: Site) -> None:
    """Nothing can be chosen, and a form sent all the same changes nothing and says so."""
    assert "checkbox" not in site.html("/deliveries")
    before, token = states(site), site.token()
    answer = site.post("/deliveries/suppress", token, id=list(before), reason="x", back_to="deliveries")
    assert "Nothing was changed" in site.client.get(answer.headers["location"]).text
    assert states(site) == before


def test_the_hottest_silent_openings_are_released(site: Site) -> None:
    """The top two of a definition count as announced and their deliveries are due; the third still waits."""
    assert re.findall(r'<td class="right score">(\d+)', site.html("/openings")) == ["50", "40", "30"]
    answer = site.post("/openings/release-top", site.token("/openings"), top=2, definition="habit", back_to="openings")
    assert "2 openings released" in site.client.get(answer.headers["location"]).text
    ledger = site.ledger()
    assert [row["subject_key"] for row in ledger["episodes"] if row["released_at"]] == ["org:old1", "org:old2"]
    assert (
        sorted(row["account_key"] for row in ledger["deliveries"] if row["state"] == "pending")
        == ["org:old1"] * 2 + ["org:old2"] * 2
    )
    assert re.findall(r'<td class="right score">(\d+)', site.html("/openings")) == ["30"]


def test_what_is_released_waits_for_working_hours(site: Site) -> None:
    """PRODUCT-A5: a click at night pings nobody at night; the task needs nobody awake."""
    settings = next(site.folder.rglob("settings.yaml"))
    settings.write_text(settings.read_text() + 'working_hours: {opens: "08:00", closes: "18:00"}\n')
    site.post("/openings/release-top", site.token("/openings"), top=1)
    released = [row for row in site.ledger()["deliveries"] if row["state"] == "pending"]
    assert {row["kind"]: row["reason"] is not None for row in released} == {"slack": True, "crm_task": False}


def test_the_same_opening_released_twice_is_released_once(site: Site) -> None:
    """A second click, or a second person, finds nothing to do."""
    ids, token = re.findall(r'name="id" value="(\d+)"', site.html("/openings")), site.token("/openings")
    first, second = (site.post("/openings/release", token, id=ids[:1]) for _ in range(2))
    assert first.headers["location"].endswith("count=1")
    assert second.headers["location"].endswith("count=0")
    assert len([row for row in site.ledger()["deliveries"] if row["state"] == "pending"]) == 2


@pytest.mark.parametrize(
    "back_to", ["//evil.example", "https://evil.example", "deliveries\r\nx: y", "../..", "definitions"]
)
def test_an_act_leads_back_to_pages_of_ours_only(site: Site, back_to: str) -> None:
    """Whatever the form says."""
    answer = site.post("/openings/release-top", site.token("/openings"), top=1, back_to=back_to)
    assert answer.headers["location"] == "/airflow/pql/?done=release_silent&count=1"


def test_a_made_up_notice_says_nothing(site: Site) -> None:
    """A link cannot put words on the page."""
    for query in (
        {"done": "<b>x</b>", "count": "1"},
        {"done": "retry", "count": "<b>"},
        {"done": "retry", "count": "²"},
    ):
        assert 'role="status"' not in site.html("/", **query)
    assert site.post("/openings/release-top", site.token("/openings"), top=0).status_code == 400
