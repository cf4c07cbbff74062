"""Keys that change: what the ledger holds follows, and a changed key announces nothing (SEM-W3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pql import store
from pql.qualification.model import Closed, Decided
from pql.store import blocks, identity
from pql.store.identity import Seen
from pql.store.tables import episodes

T0 = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def _carry(story: Any, accounts: Mapping[str, str], *, at: datetime, subject: Any = "account") -> identity.Carried:
    return _carry_rows(story, [Seen(user, user, key) for user, key in accounts.items()], at=at, subject=subject)


def _carry_rows(story: Any, rows: list[Seen], *, at: datetime, subject: Any = "account") -> identity.Carried:
    with store.deciding(story.engine) as conn:
        return identity.carry(conn, rows, as_of=at, definitions={"d": subject})


def test_the_first_look_changes_nothing(story: Any) -> None:
    """SEM-W3: users seen for the first time did not change their account."""
    assert _carry(story, {"a": "org:1"}, at=T0) == identity.Carried()


def test_everything_follows_an_account_whose_key_changed(story: Any) -> None:
    """SEM-W3: episode, cooldown, occurrence, block and `decided_as_of` move to the new key, which is silent."""
    _carry(story, {"a": "domain:acme.com", "b": "domain:acme.com"}, at=T0)
    applied = story.opens("domain:acme.com", plays=("up",))
    with store.writing(story.engine) as conn:
        blocks.block(conn, "domain:acme.com", "snooze", reason="", origin="cli", now=T0)
    carried = _carry(story, {"a": "org:1", "b": "org:1"}, at=T0 + DAY)
    assert carried == identity.Carried(accounts=frozenset({"org:1"}))
    known = story.facts()
    assert known.rekeyed == {"org:1"}
    moved = known.subject("org:1")
    assert moved.open.id == applied.episodes["d", "domain:acme.com"]
    assert (moved.open.account_key, moved.decided_as_of) == ("org:1", T0)
    assert [each.play for each in moved.occurrences] == ["up"]
    assert list(known.blocks) == ["org:1"]
    assert known.subject("domain:acme.com").open is None


def test_a_cooldown_follows_too(story: Any) -> None:
    """SEM-W3: an account that left under its old key is still cooling down under the new one."""
    _carry(story, {"a": "domain:acme.com"}, at=T0)
    story.opens("domain:acme.com")
    episode = story.facts().subject("domain:acme.com").open
    ends = T0 + 90 * DAY
    story.decide(closed=(Closed(episode.id, episode.subject_key, episode.account_key, T0, "left", ends),))
    _carry(story, {"a": "org:1"}, at=T0 + DAY)
    assert story.facts().subject("org:1").last_closed.returns_after == ends


def test_of_two_open_episodes_the_older_stays(story: Any) -> None:
    """SEM-W3: when two qualified accounts become one, the older episode goes on and the younger ends as merged."""
    _carry(story, {"a": "user:a", "b": "org:1", "c": "org:1"}, at=T0)
    older = story.opens("user:a", at=T0, plays=("up",)).episodes["d", "user:a"]
    story.opens("org:1", at=T0 + DAY, plays=("up", "down"))
    carried = _carry(story, {"a": "org:1", "b": "org:1", "c": "org:1"}, at=T0 + 2 * DAY)
    known = story.facts().subject("org:1")
    assert known.open.id == older
    assert known.last_closed is None  # a merged episode is no stay that ended: it leaves no cooldown
    assert sorted(each.play for each in known.occurrences) == ["down", "up"]
    assert carried.accounts == frozenset()  # org:1 is the account it was, one person joined it
    with store.reading(story.engine) as conn:
        reasons = conn.execute(select(episodes.c.close_reason).order_by(episodes.c.id)).scalars().all()
    assert reasons == [None, "merged"]


def test_what_was_announced_once_does_not_wait_for_release(story: Any) -> None:
    """SEM-W3, SEM-D3: if the younger of two episodes was announced, the older silent one is no longer listed."""
    _carry(story, {"a": "user:a", "b": "org:1"}, at=T0)
    story.opens("user:a", at=T0, silent="baseline")
    story.opens("org:1", at=T0 + DAY)
    _carry(story, {"a": "org:1", "b": "org:1"}, at=T0 + 2 * DAY)
    assert story.facts().subject("org:1").open.silent_reason is None


def test_an_account_that_lost_one_of_its_users_keeps_its_episode(story: Any) -> None:
    """SEM-W3: a key somebody still resolves to has not changed."""
    _carry(story, {"a": "org:1", "b": "org:1"}, at=T0)
    story.opens("org:1")
    carried = _carry(story, {"a": "org:2", "b": "org:1"}, at=T0 + DAY)
    assert story.facts().subject("org:1").open is not None
    assert carried == identity.Carried(accounts=frozenset({"org:2"}))


def test_an_account_still_named_by_events_is_not_gone(story: Any) -> None:
    """SEM-W3: a user whose latest hint is another organisation leaves what he did in the first where it was."""
    _carry_rows(story, [Seen("a", "a", "org:1", "1"), Seen("a", "a", "org:1")], at=T0)
    story.opens("org:1")
    rows = [Seen("a", "a", "org:1", "1"), Seen("a", "a", "org:2", "2"), Seen("a", "a", "org:2")]
    assert _carry_rows(story, rows, at=T0 + DAY).accounts == {"org:2"}
    assert story.facts().subject("org:1").open is not None


def test_an_account_that_split_goes_where_most_of_its_users_went(story: Any) -> None:
    """SEM-W3: the larger part keeps the episode, and both parts are silent."""
    _carry(story, dict.fromkeys("abc", "domain:acme.com"), at=T0)
    story.opens("domain:acme.com")
    carried = _carry(story, {"a": "org:1", "b": "org:2", "c": "org:2"}, at=T0 + DAY)
    assert carried.accounts == {"org:1", "org:2"}
    assert story.facts().rekeyed == {"org:1", "org:2"}
    assert story.facts().subject("org:2").open is not None
    assert story.facts().subject("org:1").open is None


def test_a_late_run_of_an_older_moment_carries_nothing_back(story: Any) -> None:
    """SEM-W3, SEM-D2: an older T neither undoes a carrying nor finds the old key undecided."""
    _carry(story, {"a": "domain:acme.com"}, at=T0)
    story.opens("domain:acme.com")
    _carry(story, {"a": "org:1"}, at=T0 + 2 * DAY)
    assert _carry(story, {"a": "domain:acme.com"}, at=T0 + DAY) == identity.Carried()
    assert story.facts().subject("org:1").open is not None
    assert story.facts().subject("domain:acme.com").decided_as_of == T0 + 2 * DAY


def test_a_rerun_carries_nothing_twice(story: Any) -> None:
    """SEM-W3: the same identity again changes nothing and silences nobody."""
    _carry(story, {"a": "domain:acme.com"}, at=T0)
    _carry(story, {"a": "org:1"}, at=T0 + DAY)
    assert _carry(story, {"a": "org:1"}, at=T0 + DAY) == identity.Carried()


def test_a_changed_key_stays_silent_until_it_is_decided(story: Any) -> None:
    """SEM-W3: neither an older moment nor waiting for complete sources is a decision; then it may announce again."""
    _carry(story, {"a": "domain:acme.com"}, at=T0)
    _carry(story, {"a": "org:1"}, at=T0 + DAY)

    def still_noted_after(at: datetime, *, qualified: bool) -> bool:
        story.decide(at=at, decided=(Decided("org:1", "org:1", at, qualified=qualified, eligible=True),))
        return "org:1" in story.facts().rekeyed

    assert still_noted_after(T0, qualified=False)
    assert still_noted_after(T0 + DAY, qualified=True)  # it would enter, and has not: it waits for its sources
    assert not still_noted_after(T0 + DAY, qualified=False)


def test_a_changed_key_that_opened_is_decided(story: Any) -> None:
    """SEM-W3: once its silent episode is open the key is as good as any other, in this definition only."""
    _carry(story, {"a": "domain:acme.com"}, at=T0)
    with store.deciding(story.engine) as conn:
        rows = [Seen("a", "a", "org:1")]
        identity.carry(conn, rows, as_of=T0 + DAY, definitions={"d": "account", "e": "account", "u": "user"})
    story.opens("org:1", at=T0 + DAY, silent="identity")
    assert [story.facts(d).rekeyed for d in "deu"] == [frozenset(), {"org:1"}, frozenset()]


def test_a_key_nobody_has_any_more_is_not_noted(story: Any) -> None:
    """SEM-W3: a key that changed twice leaves nothing behind under the name in between."""
    for number, key in enumerate(("user:a", "domain:acme.com", "org:1")):
        _carry(story, {"a": key}, at=T0 + number * DAY)
    assert story.facts().rekeyed == {"org:1"}


def test_a_user_keeps_his_key_when_his_account_changes(story: Any) -> None:
    """SEM-W3: a user's episode stays his and moves with him to the new account, without silencing him."""
    _carry(story, {"a": "user:a"}, at=T0, subject="user")
    story.opens("user:a")
    carried = _carry(story, {"a": "domain:acme.com"}, at=T0 + DAY, subject="user")
    episode = story.facts().subject("user:a").open
    assert (episode.subject_key, episode.account_key) == ("user:a", "domain:acme.com")
    assert carried.users == frozenset()
    assert story.facts().rekeyed == frozenset()


def test_users_who_move_together_each_keep_their_stay(story: Any) -> None:
    """SEM-W1: a company is recognised, and the stays of all of its users follow to it in one run."""
    _carry(story, {"a": "user:a", "b": "user:b"}, at=T0, subject="user")
    for user in ("a", "b"):
        story.opens(f"user:{user}", account=f"user:{user}")
    _carry(story, {"a": "domain:acme.com", "b": "domain:acme.com"}, at=T0 + DAY, subject="user")
    assert {story.facts().subject(f"user:{user}").open.account_key for user in ("a", "b")} == {"domain:acme.com"}


def test_a_merged_user_takes_his_episode_along(story: Any) -> None:
    """SEM-W3: when a user id is merged into another, the episode follows; a rerun finds nothing left to do."""
    _carry(story, {"old": "org:1"}, at=T0, subject="user")
    story.opens("user:old", account="org:1")
    rows = [Seen("old", "new", "org:1"), Seen("new", "new", "org:1"), Seen("anon:x", "new", "org:1")]
    assert _carry_rows(story, rows, at=T0 + DAY, subject="user").users == {"user:new"}
    assert story.facts().subject("user:new").open.opened_as_of == T0
    assert _carry_rows(story, rows, at=T0 + 2 * DAY, subject="user").users == frozenset()


@pytest.mark.parametrize("subject", ["account", "user"])
def test_a_key_that_comes_back_is_decided_again(story: Any, subject: str) -> None:
    """SEM-W3: an account that gets its old key back finds its episode there again."""
    keys = ("domain:acme.com", "org:1", "domain:acme.com")
    for number, key in enumerate(keys):
        _carry(story, {"a": key}, at=T0 + number * DAY, subject=subject)
        if number == 0:
            story.opens("user:a" if subject == "user" else key, account=key)
    known = story.facts().subject("user:a" if subject == "user" else "domain:acme.com")
    assert known.open.account_key == "domain:acme.com"
