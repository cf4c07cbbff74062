"""Who may do what: every route refuses strangers, every act refuses readers and other sites (PRODUCT-O)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from tests.page.conftest import NOW, ORIGIN, SECRET, Site

from pql.page.guard import VALID, Guard, Refused

FORMS = {  # what each act's form holds
    "/deliveries/retry": {"id": 1},
    "/deliveries/suppress": {"id": 1, "reason": "a test"},
    "/deliveries/release": {"id": 1},
    "/storms/answer": {"run": 2, "verb": "approve", "reason": "a test"},
    "/openings/release": {"id": 1},
    "/openings/release-top": {"top": 3},
}


def routes(site: Site) -> list[tuple[str, str]]:
    """Every (method, path) the page answers; anything that is not a plain route would be a hole."""
    assert all(isinstance(route, APIRoute) for route in site.app.routes), site.app.routes
    return [
        (method, route.path.replace("{name}", "page.css"))
        for route in site.app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


def call(site: Site, method: str, path: str, **headers: str) -> int:
    """The status of one call, its form complete but for the token."""
    data = {name: str(value) for name, value in FORMS.get(path, {}).items()}
    return site.client.request(
        method, f"/airflow/pql{path}", data=data or None, params={"key": "org:new"}, headers=headers
    ).status_code


def test_every_route_refuses_anonymous_calls(site: Site) -> None:
    """Without credentials each route says 401 and changes nothing, even with a valid Origin; there is no docs page."""
    before, site.user = site.ledger(), ""
    found = routes(site)
    assert {call(site, method, path, origin=ORIGIN) for method, path in found} == {401}
    assert {path for method, path in found if method == "POST"} == FORMS.keys()
    assert [call(site, "GET", path) for path in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 404]
    assert site.ledger() == before


def test_a_reader_may_read_everything_and_change_nothing(site: Site) -> None:
    """Each page answers, each act is refused with the reader's own token, and no button is offered."""
    site.user = "rita"
    own = Guard(SECRET).token("rita", NOW)
    before = site.ledger()
    assert {call(site, method, path) for method, path in routes(site) if method == "GET"} == {200}
    assert {site.post(path, own, **form).status_code for path, form in FORMS.items()} == {403}
    assert site.ledger() == before
    assert all(
        "<button" not in site.html(path).replace("<button>Show</button>", "") for path in ("/deliveries", "/openings")
    )


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ({"origin": ORIGIN}, True),
        ({"origin": ORIGIN, "sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://testserver.evil.example"}, False),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, False),
        ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, False),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False),
        ({}, False),
    ],
)
def test_acts_come_from_a_page_of_this_site(site: Site, headers: dict[str, str], fits: bool) -> None:
    """With an editor's valid token, every act is done from here and refused from anywhere else."""
    token, before = site.token("/openings"), site.ledger()
    for path, form in FORMS.items():
        data = {name: str(value) for name, value in form.items()} | {"token": token}
        answer = site.client.post(f"/airflow/pql{path}", data=data, headers=headers)
        assert answer.status_code == (303 if fits else 403), path
    assert (site.ledger() != before) is fits
    assert bool(site.noted) is fits


def test_acts_need_the_persons_own_fresh_token(site: Site) -> None:
    """None, a made-up one, somebody else's, one of another secret, one from yesterday or tomorrow: refused."""
    wrong = {
        "none": None,
        "made up": "1772503200.abc",
        "no number": "²³.abc",
        "somebody else's": Guard(SECRET).token("rita", NOW),
        "of another secret": Guard("another").token("dana", NOW),
        "too old": Guard(SECRET).token("dana", NOW - VALID - timedelta(seconds=1)),
        "of tomorrow": Guard(SECRET).token("dana", NOW + timedelta(days=1)),
    }
    before = site.ledger()
    for name, token in wrong.items():
        assert {site.post(path, token, **form).status_code for path, form in FORMS.items()} == {403}, name
    assert site.ledger() == before
    assert site.post("/openings/release-top", Guard(SECRET).token("dana", NOW), top=1).status_code == 303


def test_behind_a_proxy_the_configured_address_counts() -> None:
    """A post from the outer address is ours though the proxy calls us by another name."""
    headers = {"origin": "https://airflow.example", "host": "10.0.0.7:8080"}
    guard = Guard(SECRET, ("https://airflow.example/base",))
    guard.check(headers, "dana", guard.token("dana", NOW), NOW)
    with pytest.raises(Refused, match="another site"):
        Guard(SECRET).check(headers, "dana", guard.token("dana", NOW), NOW)


def test_who_is_not_signed_in_reads_where_to(site: Site) -> None:
    """The refusal is a page with a way to Airflow, not a line of JSON."""
    site.user = ""
    answer = site.get("/")
    assert answer.status_code == 401
    assert '<a href="/airflow/">Airflow</a>' in answer.text
