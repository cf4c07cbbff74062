"""Slack as a destination: whole requests, what each failure means, and finding a message that may have been posted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from pql.clients.slack import Slack
from pql.destinations.slack import SlackDestination
from pql.types import Alert, Connection, Listing, Order

TOKEN = "xoxb-very-secret"
PEOPLE = {"dana@relay.example": "U0DANA", "mo@relay.example": "U0MO"}


class Workspace:
    """A scripted Slack: people, channels and posted messages; `fail` maps a method to answers used up one by one."""

    def __init__(self, loopback) -> None:
        self.loopback = loopback
        self.posted: list[dict] = []
        self.fail: dict[str, list] = {}
        self.pages: list[dict] = []
        loopback.script = self

    def __call__(self, seen):
        method = urlsplit(seen.path).path.rsplit("/", 1)[-1]
        if self.fail.get(method):
            return self.fail[method].pop(0)
        return self.loopback.answer(getattr(self, method.replace(".", "_"))(seen.body))

    def users_lookupByEmail(self, body):  # noqa: N802  # Slack's own name
        person = PEOPLE.get(body["email"])
        return {"ok": True, "user": {"id": person}} if person else {"ok": False, "error": "users_not_found"}

    def conversations_open(self, body):
        return {"ok": True, "channel": {"id": f"D{body['users']}00"}}

    def conversations_list(self, body):
        return {
            "ok": True,
            "channels": [{"name": "general", "id": "C0GENERAL"}, {"name": "pql-mid", "id": "C0PQLMID0"}],
        }

    def chat_postMessage(self, body):  # noqa: N802  # Slack's own name
        self.posted.append(body)
        return {"ok": True, "channel": "C0PQLMID0", "ts": f"1772805600.00000{len(self.posted)}"}

    def conversations_history(self, body):
        return self.pages.pop(0)

    conversations_replies = conversations_history


@pytest.fixture
def workspace(loopback) -> Workspace:
    return Workspace(loopback)


@pytest.fixture
def destination(loopback) -> SlackDestination:
    slack = Slack(Connection("slack_default", loopback.url, password=TOKEN), timeout_s=5)
    return SlackDestination(slack, record_url=lambda alert: f"https://crm.example/{alert.crm_id}")


def history(*messages: dict, cursor: str = "") -> dict:
    return {"ok": True, "messages": list(messages), "response_metadata": {"next_cursor": cursor}}


def ours(key: str, ts: str) -> dict:
    return {"ts": ts, "metadata": {"event_type": "pql_delivery", "event_payload": {"key": key}}}


def test_whole_request(workspace, loopback, destination, make_order: Callable[..., Order]) -> None:
    """The request to chat.postMessage, whole."""
    result = destination.send(make_order())
    assert result.outcome == "delivered"
    assert result.receipt == {"channel": "C0PQLMID0", "ts": "1772805600.000001"}
    (sent,) = loopback.asked("/api/chat.postMessage")
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["content-type"] == "application/json;charset=utf-8"
    section = {"type": "section", "text": {"type": "mrkdwn", "verbatim": True}}

    def line(text: str) -> dict:
        return {**section, "text": {**section["text"], "text": text}}

    assert sent.body == {
        "channel": "#pql-mid",
        "text": "🎯 Acme Inc just qualified · New business · Score 82 ▲31 · 75 % activated · "
        "+25 turned on self-serve billing · +20 messages on 6 of the last 7 days",
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": "🎯 Acme Inc just qualified · New business", "emoji": True},
            },
            line(
                "Mid-size (240 employees) · trial day 9 · owner <@U0DANA>\n"
                "Activation ▰▰▰▰▰▰▱▱ 75 %    Score *82*  ▲31 since last night    Grade B1"
            ),
            line(
                "*Why*  *+25* turned on self-serve billing · *+20* messages on 6 of the last 7 days · "
                "*+15* 12 teammates invited · … and *+27* from 4 others · *−5* admin on free mail"
            ),
            line("*Champions*  Mia Chen (412 actions on 7 days) · Tom Ruiz (160 on 5)"),
            line("*Next*  they use 12 of 15 seats: offer the team plan"),
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "text": {"type": "plain_text", "text": "Open in HubSpot", "emoji": True},
                        "url": "https://crm.example/4711",
                        "action_id": "open_in_hubspot",
                    }
                ],
            },
        ],
        "metadata": {"event_type": "pql_delivery", "event_payload": {"key": "key-1"}},
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
        "link_names": False,
    }


def test_direct_message_to_the_owner(workspace, loopback, destination, make_order) -> None:
    """A direct message goes to the channel that Slack opens with the owner's user, found by e-mail."""
    assert destination.send(make_order(options={"dm": "owner"})).outcome == "delivered"
    assert workspace.posted[0]["channel"] == "DU0DANA00"
    assert loopback.asked("conversations.open")[0].body == {"users": "U0DANA"}


def test_lane_address_works_as_a_channel(workspace, destination, make_order) -> None:
    """`dm:mo@relay.example` as a channel is a direct message, too."""
    destination.send(make_order(options={"channel": "dm:mo@relay.example"}))
    assert workspace.posted[0]["channel"] == "DU0MO00"


def test_direct_message_falls_back_to_the_channel(workspace, destination, make_order, alert) -> None:
    """A person who is not in this Slack: the play's channel is told instead."""
    options = {"dm": "owner", "channel": "#pql-mid"}
    order = make_order(options=options, alert=replace(alert, owner_email="gone@relay.example"))
    assert destination.send(order).outcome == "delivered"
    assert workspace.posted[0]["channel"] == "#pql-mid"


def test_nobody_to_tell(workspace, destination, make_order, alert) -> None:
    """An account without an owner and a play without a channel: refused with the reason, nothing is posted."""
    result = destination.send(make_order(options={"dm": "owner"}, alert=replace(alert, owner_email="")))
    assert result.outcome == "rejected"
    assert "no owner" in result.reason
    assert workspace.posted == []


def test_owner_unknown_to_slack_is_named(workspace, destination, make_order, alert) -> None:
    """SEM-D5: a mention is a courtesy; without a Slack user the owner is named and the message still goes out."""
    destination.send(make_order(alert=replace(alert, owner_email="gone@relay.example")))
    assert "owner Dana Fox" in workspace.posted[0]["blocks"][1]["text"]["text"]


def test_thread_follow_up(workspace, destination, make_order) -> None:
    """SEM-D5: with a receipt to answer under, one short block goes into that thread."""
    result = destination.send(make_order(thread={"channel": "C0PQLMID0", "ts": "1772805600.000009"}))
    assert result.receipt == {
        "channel": "C0PQLMID0",
        "ts": "1772805600.000001",
        "thread_ts": "1772805600.000009",
    }
    assert workspace.posted[0]["thread_ts"] == "1772805600.000009"
    assert workspace.posted[0]["channel"] == "C0PQLMID0"
    assert len(workspace.posted[0]["blocks"]) == 1


def test_follow_up_of_a_follow_up_stays_in_the_thread(workspace, destination, make_order) -> None:
    """The parent's timestamp is used, never an answer's own."""
    thread = {"channel": "C0PQLMID0", "ts": "1772805600.000010", "thread_ts": "1772805600.000009"}
    destination.send(make_order(thread=thread))
    assert workspace.posted[0]["thread_ts"] == "1772805600.000009"


def test_deleted_thread_becomes_a_message(workspace, loopback, destination, make_order) -> None:
    """When the message to answer under is gone, the whole message is posted instead."""
    workspace.fail["chat.postMessage"] = [loopback.answer({"ok": False, "error": "cannot_reply_to_message"})]
    result = destination.send(make_order(thread={"channel": "C0PQLMID0", "ts": "1772805600.000009"}))
    assert result.outcome == "delivered"
    assert "thread_ts" not in workspace.posted[0]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("channel_not_found", "rejected"),
        ("is_archived", "rejected"),
        ("invalid_blocks", "rejected"),
        ("invalid_auth", "not_sent"),
        ("token_expired", "not_sent"),
        ("missing_scope", "not_sent"),
        ("ratelimited", "not_sent"),
        ("a_code_of_tomorrow", "ambiguous"),
        ("fatal_error", "ambiguous"),
        ("internal_error", "ambiguous"),
        ("request_timeout", "ambiguous"),
    ],
)
def test_what_an_error_means(workspace, loopback, destination, make_order, code, outcome) -> None:
    """Each of Slack's errors says whether a message exists; the reason names the connection, never the token."""
    workspace.fail["chat.postMessage"] = [loopback.answer({"ok": False, "error": code})]
    result = destination.send(make_order())
    assert result.outcome == outcome
    assert code in result.reason
    assert "slack_default" in result.reason
    assert TOKEN not in repr(result)


def test_lost_answer_is_ambiguous_and_asked_once(workspace, loopback, destination, make_order) -> None:
    """When Slack hangs up after reading the post, it is not posted a second time (retry_handlers=[])."""
    workspace.fail["chat.postMessage"] = [loopback.answer(hang_up=True)]
    result = destination.send(make_order())
    assert result.outcome == "ambiguous"
    assert len(loopback.asked("chat.postMessage")) == 1


def test_page_instead_of_an_answer_is_ambiguous(workspace, loopback, destination, make_order) -> None:
    """A 200 that is not Slack's JSON, or a 502 from something between, may hide a posted message."""
    for answer in (loopback.answer(b"<html>hello"), loopback.answer(b"<html>bad gateway", status=502)):
        workspace.fail["chat.postMessage"] = [answer]
        assert destination.send(make_order()).outcome == "ambiguous"


def test_unreachable_slack_is_not_sent(make_order) -> None:
    """A refused connection surely posted nothing."""
    slack = Slack(Connection("slack_default", "http://127.0.0.1:9", password=TOKEN), timeout_s=2)
    result = SlackDestination(slack).send(make_order(options={"channel": "#pql-mid"}))
    assert result.outcome == "not_sent"
    assert TOKEN not in repr(result)


def test_trouble_before_the_post_is_never_ambiguous(workspace, loopback, destination, make_order) -> None:
    """A lookup that got no answer posted nothing."""
    workspace.fail["users.lookupByEmail"] = [loopback.answer(hang_up=True)]
    assert destination.send(make_order()).outcome == "not_sent"
    assert workspace.posted == []


@pytest.mark.parametrize(
    ("told", "waits_s"), [("3", 3.0), ("30", 30.0), ("-5", 0.0), ("soon", 30.0), ("nan", 30.0), (None, 30.0)]
)
def test_rate_limit_goes_back_with_a_time(workspace, loopback, destination, make_order, told, waits_s) -> None:
    """A 429 posts nothing and names a time, whatever its Retry-After looks like: waiting is the outbox's business."""
    headers = {} if told is None else {"Retry-After": told}
    workspace.fail["chat.postMessage"] = [loopback.answer({"ok": False, "error": "ratelimited"}, 429, headers)]
    result = destination.send(make_order())
    assert (result.outcome, result.retry_after_s) == ("not_sent", waits_s)
    assert workspace.posted == []


def test_rate_limit_until_a_date(workspace, loopback, destination, make_order) -> None:
    """A date is held against the answer's own date."""
    headers = {"Retry-After": "Sat, 01 Jan 2028 00:01:30 GMT", "Date": "Sat, 01 Jan 2028 00:00:00 GMT"}
    workspace.fail["chat.postMessage"] = [loopback.answer({"ok": False, "error": "ratelimited"}, 429, headers)]
    assert destination.send(make_order()).retry_after_s > 0


def test_find_through_pages_of_history(workspace, loopback, destination, make_order) -> None:
    """Reconciliation reads the channel's history with all metadata, page by page, until it sees the key."""
    late = "1772805600"  # the alert's moment
    first_page = history(ours("other", f"{late}.1"), {"ts": f"{late}.0"}, cursor="n1")
    workspace.pages = [first_page, history(ours("key-1", "2.5"))]
    result = destination.find(make_order())
    assert (result.outcome, result.receipt) == ("delivered", {"channel": "C0PQLMID0", "ts": "2.5"})
    first, second = loopback.asked("conversations.history")
    assert first.body == {
        "channel": "C0PQLMID0",
        "include_all_metadata": "1",
        "limit": "200",
    }
    assert second.body["cursor"] == "n1"


def test_find_nothing_is_surely_not_sent(workspace, destination, make_order) -> None:
    """A history without the key: the message was not posted and may be sent."""
    workspace.pages = [history(ours("other", "3.1"))]
    assert destination.find(make_order()).outcome == "not_sent"


def test_find_in_a_thread(workspace, loopback, destination, make_order) -> None:
    """Answers stand in no channel's history: the thread itself is read."""
    workspace.pages = [history({"ts": "9.0"}, ours("key-1", "9.5"))]
    result = destination.find(make_order(thread={"channel": "C0PQLMID0", "ts": "9.0"}))
    assert result.receipt == {"channel": "C0PQLMID0", "ts": "9.5", "thread_ts": "9.0"}
    assert loopback.asked("conversations.replies")[0].body["ts"] == "9.0"


def test_find_what_its_thread_did_not_take(workspace, loopback, destination, make_order) -> None:
    """A locked or deleted thread sends an answer into the channel; if that answer is lost it is looked for there."""
    thread = {"channel": "C0PQLMID0", "ts": "9.0"}
    refused = loopback.answer({"ok": False, "error": "restricted_action_thread_locked"})
    workspace.fail["chat.postMessage"] = [refused, loopback.answer(hang_up=True)]
    assert destination.send(make_order(thread=thread)).outcome == "ambiguous"
    workspace.pages = [history({"ts": "9.0"}), history(ours("key-1", "9.5"), {"ts": "9.0"})]
    assert destination.find(make_order(thread=thread)).receipt == {"channel": "C0PQLMID0", "ts": "9.5"}
    workspace.fail["conversations.replies"] = [loopback.answer({"ok": False, "error": "thread_not_found"})]
    workspace.pages = [history(ours("key-1", "9.5"), {"ts": "9.0"})]
    assert destination.find(make_order(thread=thread)).outcome == "delivered"
    workspace.pages = [history({"ts": "9.0"}), history({"ts": "9.0"})]
    assert destination.find(make_order(thread=thread)).outcome == "not_sent"


def test_find_that_cannot_tell_stays_ambiguous(workspace, loopback, destination, make_order) -> None:
    """A history that may not be read, or is too long, never turns into a second message."""
    workspace.fail["conversations.history"] = [loopback.answer({"ok": False, "error": "not_in_channel"})]
    result = destination.find(make_order())
    assert result.outcome == "ambiguous"
    assert "invite the app" in result.reason
    workspace.pages = [history({"ts": "1772805600.1"}, cursor="more") for _ in range(30)]
    assert destination.find(make_order()).outcome == "ambiguous"


@pytest.mark.parametrize(
    "page",
    [
        {"ok": True, "messages": []},
        {"ok": True, "messages": [{"ts": "1772805600.1"}], "has_more": True},
        {"ok": True, "messages": [{"ts": "1772805600.1"}, {"ts": "1.0"}]},
        {"ok": False, "error": "ratelimited"},
    ],
    ids=["empty", "cut short", "without a message that surely stands there", "rate limited"],
)
def test_history_that_proves_nothing_stays_ambiguous(workspace, destination, make_order, page) -> None:
    """Where the history cannot be trusted, "not there" would be a guess."""
    workspace.pages = [page]
    order = make_order(witnesses=({"channel": "C0PQLMID0", "ts": "1772805600.2"},))
    assert destination.find(order).outcome == "ambiguous"


def test_history_with_its_witnesses_is_believed(workspace, destination, make_order) -> None:
    """A history that shows what surely stands there, and reaches back far enough, can say that a message is not."""
    workspace.pages = [history({"ts": "1772805600.2"}, {"ts": "1.0"}, cursor="older")]
    order = make_order(witnesses=({"channel": "C0PQLMID0", "ts": "1772805600.2"},))
    assert destination.find(order).outcome == "not_sent"


def test_unknown_channel_cannot_be_searched(workspace, destination, make_order) -> None:
    """A channel name nobody has is looked for in the list of channels and stays ambiguous."""
    result = destination.find(make_order(options={"channel": "#nowhere"}))
    assert result.outcome == "ambiguous"
    assert "channel_not_found" in result.reason


def test_token_never_shows(destination) -> None:
    """Neither the destination nor its client shows the token."""
    assert TOKEN not in repr(destination) + str(vars(destination))


def test_the_thread_of_a_table_has_the_messages_whole(destination, workspace, make_order) -> None:
    """Under a table the first message about an account is the whole one, under any other message a short one."""
    for receipt in ({"channel": "C1", "ts": "1.0"}, {"channel": "C1", "ts": "1.0", "table": True}):
        destination.send(make_order(thread=receipt))
    short, whole = workspace.posted
    assert (len(short["blocks"]), whole["blocks"][0]["type"]) == (1, "header")
    assert [message["thread_ts"] for message in (short, whole)] == ["1.0", "1.0"]


def test_a_table_tells_in_its_receipt_that_it_is_one(destination, workspace, make_order, alert: Alert) -> None:
    """What answers under it has to know; posted or found again."""
    order = make_order(options={"channel": "#pql-mid", "table": True}, listing=Listing((alert, alert)))
    assert destination.send(order).receipt["table"] is True
    (table,) = workspace.posted
    assert "https://crm.example/4711" in table["blocks"][2]["text"]["text"]
    workspace.pages = [history({"ts": "1772805600.000001", "metadata": table["metadata"]})]
    assert destination.find(order).receipt["table"] is True
