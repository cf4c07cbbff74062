"""Slack's client: ops notices, addresses and the table of errors."""

from __future__ import annotations

import pytest

from pql.clients.meanings import TABLE
from pql.clients.slack import SlackError, ops_notice
from pql.types import Connection


def at(url: str) -> Connection:
    return Connection("slack_ops", url, password="xoxb-very-secret")


def test_ops_notice_whole(loopback) -> None:
    """A notice is one plain message; nothing in an error text can mention anybody or become a link."""
    loopback.script = lambda seen: loopback.answer({"ok": True, "channel": "C1", "ts": "1.1"})
    posted = ops_notice(at(loopback.url), "#ops", ":rotating_light: `nightly` failed: <!channel> & more")
    assert (posted.channel, posted.ts) == ("C1", "1.1")
    text = ":rotating_light: `nightly` failed: &lt;!channel&gt; &amp; more"
    assert loopback.seen[0].body == {
        "channel": "#ops",
        "text": text,
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}],
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
        "link_names": False,
    }


@pytest.mark.parametrize("text", ["x" * 9000, "word & " * 2000, "&" * 5000, "a " + "&" * 5000])
def test_long_notice_is_cut(loopback, text: str) -> None:
    """A long error text fits Slack's 3,000 characters and no entity is torn."""
    loopback.script = lambda seen: loopback.answer({"ok": True, "channel": "C1", "ts": "1.1"})
    ops_notice(at(loopback.url), "#ops", text)
    said = loopback.seen[0].body["text"]
    assert 1 < len(said) <= 3000
    assert said.endswith("…")
    assert "&" not in said.replace("&amp;", "")


def test_failed_notice_says_what_to_do(loopback) -> None:
    """A missing scope is named with the connection; the token is not."""
    loopback.script = lambda seen: loopback.answer({"ok": False, "error": "missing_scope", "needed": "chat:write"})
    with pytest.raises(SlackError) as caught:
        ops_notice(at(loopback.url), "#ops", "hello")
    assert "slack_ops" in str(caught.value)
    assert "needed: chat:write" in str(caught.value)
    assert "xoxb" not in repr(caught.value) + str(caught.value)


def test_timeouts_and_crashes_are_never_called_unsent() -> None:
    """What Slack calls a crash or a time-out may have been posted (its own wording of fatal_error)."""
    broke = {row.code for row in TABLE if row.system == "slack" and row.outcome == "ambiguous"}
    assert broke == {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "2xx", "5xx", "*"}


def test_whatever_is_refused_comes_with_advice() -> None:
    """Every final refusal tells somebody what to do."""
    assert all(row.advice for row in TABLE if row.system == "slack" and row.outcome == "rejected")
