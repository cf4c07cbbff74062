"""Odd keys and names, numbers too large, pages that are old when somebody acts on them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import insert, select, update
from tests.page.conftest import Site

from pql import store
from pql.outbox.by_hand import acts as by_hand
from pql.store.tables import deliveries, episodes

ODD = ("org:A/B?c=%41&d#e", "org:Ünï~ €{{x}}", "org:..", "org:'\"; DROP TABLE x --", "org:" + "x" * 390)


def called(site: Site, key: str) -> None:
    """Let the account with the evil name, and a silent opening, go by this key."""
    with site.open() as project:
        for definition in project.definitions:
            for kind in ("nightly", "hourly"):
                for at in project.lake.list_scores(definition.id, kind):
                    frame = project.lake.read_scores(definition.id, kind, at)
                    assert frame is not None
                    keys = {"subject_key": frame["subject_key"].replace("org:evil", key)}
                    keys["account_key"] = frame["account_key"].replace("org:evil", key)
                    project.lake.write_scores(definition.id, kind, at, frame.assign(**keys))
        with store.writing(project.engine) as connection:
            first = connection.execute(select(episodes.c.id).where(episodes.c.silent_reason.is_not(None))).scalars()
            values = {"account_key": key, "subject_key": key}
            connection.execute(update(episodes).where(episodes.c.id == min(first)).values(values))


@pytest.mark.parametrize("key", ODD)
def test_an_account_with_an_odd_key_is_found_and_acted_on(site: Site, key: str) -> None:
    """The list links to it, the search finds it, its page and its reasons answer, and an act leads back to it."""
    called(site, key)
    links = {unescape(link) for link in re.findall(r'href="(/airflow/pql/account\?[^"]+)"', site.html("/", q=key))}
    assert len(links) == 1
    page = site.client.get(links.pop())
    assert page.status_code == 200
    assert site.get("/account/why", key=key).status_code == 200
    back_to = re.search(r'name="back_to" value="([^"]+)"', page.text)
    number = re.search(r'name="id" value="(\d+)"', page.text)
    assert back_to
    assert number
    done = site.post("/openings/release", site.token(), id=number[1], back_to=unescape(back_to[1]))
    assert done.headers["location"].startswith("/airflow/pql/account?key=")
    assert "1 opening released" in site.client.get(done.headers["location"]).text


def test_a_number_too_large_is_refused(site: Site) -> None:
    """As something that cannot be read, on every page and in every form."""
    huge, token = str(10**30), site.token()
    for path in ("/deliveries/retry", "/deliveries/suppress", "/deliveries/release", "/openings/release"):
        assert site.post(path, token, id=huge, reason="x").status_code == 400, path
    assert site.get("/", page=huge).status_code == 200
    assert site.get("/deliveries", page=huge).status_code == 200


def test_a_page_of_deliveries_reads_no_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of many pages is as cheap as the first."""
    with site.open() as project, store.writing(project.engine) as connection:
        row = dict(connection.execute(select(deliveries).limit(1)).one()._mapping)
        more = [row | {"id": row["id"] + 100 + n, "key": f"copy-{n}"} for n in range(120)]
        connection.execute(insert(deliveries), more)
    read = []
    real = by_hand.as_delivery
    monkeypatch.setattr(by_hand, "as_delivery", lambda each: read.append(each.id) or real(each))
    assert "page 3 of 3" in site.html("/deliveries", page=3)
    assert len(read) == 22
    assert read == sorted(read, reverse=True)
