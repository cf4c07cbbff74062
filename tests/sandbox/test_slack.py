"""The simulated Slack takes what Slack takes, from slack_sdk unchanged, and refuses what Slack refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from pql.sandbox import Server

KEY = {"event_type": "pql_delivery", "event_payload": {"key": "k-1"}}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def refusal(call: Any, **args: Any) -> dict[str, Any]:
    with pytest.raises(SlackApiError) as caught:
        call(**args)
    return dict(caught.value.response.data)


def test_a_message_is_found_again_by_its_metadata(slack: WebClient) -> None:
    """History gives metadata back only when asked for all of it."""
    posted = slack.chat_postMessage(channel="#pql-mid", text="hello", metadata=KEY)
    channel = posted["channel"]
    assert slack.conversations_history(channel=channel, include_all_metadata=True)["messages"][0]["metadata"] == KEY
    assert "metadata" not in slack.conversations_history(channel=channel)["messages"][0]


def test_history_is_newest_first_and_paged(slack: WebClient) -> None:
    """A cursor leads through all messages; oldest and latest bound them."""
    channel = slack.chat_postMessage(channel="#pql", text="0")["channel"]
    stamps = [slack.chat_postMessage(channel=channel, text=str(i))["ts"] for i in range(1, 5)]
    first = slack.conversations_history(channel=channel, limit=3)
    rest = slack.conversations_history(channel=channel, limit=3, cursor=first["response_metadata"]["next_cursor"])
    everything = first["messages"] + rest["messages"]
    assert [m["text"] for m in everything[:-1]] == ["4", "3", "2", "1", "0"]
    assert everything[-1]["subtype"] == "channel_join"
    assert [m["text"] for m in slack.conversations_history(channel=channel, oldest=stamps[2])["messages"]] == ["4"]


def test_an_answer_goes_into_the_thread(slack: WebClient) -> None:
    """A reply is in conversations.replies with its metadata, and not in the channel's history."""
    first = slack.chat_postMessage(channel="#pql", text="ping")
    slack.chat_postMessage(channel="#pql", text="again", thread_ts=first["ts"], metadata=KEY)
    history = slack.conversations_history(channel=first["channel"])["messages"]
    replies = slack.conversations_replies(channel=first["channel"], ts=first["ts"], include_all_metadata=True)
    assert [(m["text"], m["reply_count"]) for m in history[:-1]] == [("ping", 1)]
    assert [m.get("metadata") for m in replies["messages"]] == [None, KEY]


def test_an_owner_is_found_by_address_and_written_to(slack: WebClient) -> None:
    """users.lookupByEmail → conversations.open → chat.postMessage."""
    user = slack.users_lookupByEmail(email="Dana@relay.example")["user"]["id"]
    channel = slack.conversations_open(users=user)["channel"]["id"]
    assert slack.chat_postMessage(channel=channel, text="for you")["channel"] == channel
    assert refusal(slack.users_lookupByEmail, email="old.timer@relay.example")["error"] == "users_not_found"


def test_a_message_can_be_changed_and_linked_to(slack: WebClient) -> None:
    """chat.update replaces the text and marks the message edited; chat.getPermalink leads to it."""
    posted = slack.chat_postMessage(channel="#pql", text="one")
    slack.chat_update(channel=posted["channel"], ts=posted["ts"], text="two")
    message = slack.conversations_history(channel=posted["channel"])["messages"][0]
    link = slack.chat_getPermalink(channel=posted["channel"], message_ts=posted["ts"])["permalink"]
    assert message["text"] == "two"
    assert "edited" in message
    assert link.endswith(f"/archives/{posted['channel']}/p{posted['ts'].replace('.', '')}")


def test_a_deleted_message_is_nowhere_but_in_the_log(slack: WebClient, sandbox: Server) -> None:
    """chat.delete takes it out of the history and its permalink; the log keeps that it was there."""
    posted = slack.chat_postMessage(channel="#pql", text="one")
    slack.chat_delete(channel=posted["channel"], ts=posted["ts"])
    shown = slack.conversations_history(channel=posted["channel"])["messages"]
    assert posted["ts"] not in [message["ts"] for message in shown]
    for again, name in ((slack.chat_getPermalink, "message_ts"), (slack.chat_delete, "ts")):
        assert refusal(again, **{"channel": posted["channel"], name: posted["ts"]})["error"] == "message_not_found"
    assert [effect["kind"] for effect in sandbox.effects("slack")] == ["slack", "slack_deleted"]


def test_channels_are_listed(slack: WebClient) -> None:
    """conversations.list gives public channels, without archived ones when asked, page by page."""
    names, cursor = [], ""
    while True:
        page = slack.conversations_list(exclude_archived=True, limit=5, cursor=cursor)
        names += [channel["name"] for channel in page["channels"]]
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert {"pql-small", "pql-mid", "pql-large", "pql-ops"} <= set(names)
    assert "sales-2019" not in names


@pytest.mark.filterwarnings("ignore:The top-level `text` argument is missing")  # leaving it out is the test
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ({"channel": "#general", "text": "x"}, "not_in_channel"),
        ({"channel": "#sales-2019", "text": "x"}, "is_archived"),
        ({"channel": "#pql"}, "no_text"),
        ({"channel": "#pql", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "#pql", "text": "x", "thread_ts": "1.000001"}, "invalid_thread_ts"),
        ({"channel": "#pql", "text": "x", "metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        ({"channel": "#pql", "text": "x", "blocks": [section("y" * 2_900)] * 5}, "msg_blocks_too_long"),
    ],
)
def test_a_refused_message_has_slacks_error_and_no_effect(
    slack: WebClient, sandbox: Server, args: dict[str, Any], error: str
) -> None:
    """The answer is 200 with `ok: false`, the effects log stays empty."""
    assert refusal(slack.chat_postMessage, **args)["error"] == error
    assert sandbox.effects() == []


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3_001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "section"}], "must define either `text` or `fields` [json-pointer:/blocks/0/type]"),
        ([{"type": "banner"}], "unsupported type: banner [json-pointer:/blocks/0/type]"),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
            "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
        ),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
        ),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]}],
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
    ],
)
def test_blocks_beyond_the_limits_are_refused_with_their_place(
    slack: WebClient, blocks: list[Any], message: str
) -> None:
    """`invalid_blocks` names the place as a JSON pointer, in `errors` and in `response_metadata`."""
    data = refusal(slack.chat_postMessage, channel="#pql", text="x", blocks=blocks)
    assert data["error"] == "invalid_blocks"
    assert message in data["errors"]
    assert f"[ERROR] {message}" in data["response_metadata"]["messages"]


def test_a_stranger_is_turned_away(sandbox: Server) -> None:
    """A wrong token is `invalid_auth`."""
    stranger = WebClient("xoxb-other", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])
    assert refusal(stranger.auth_test)["error"] == "invalid_auth"


def test_a_channel_takes_about_one_message_a_second(strict: Server) -> None:
    """A burst beyond five in five seconds gets 429 with Retry-After; another channel does not."""
    slack = WebClient("xoxb-sandbox", base_url=f"{strict.url}/slack/api/", retry_handlers=[])
    errors = []
    for i in range(12):
        try:
            slack.chat_postMessage(channel="#pql", text=str(i))
        except SlackApiError as error:
            errors.append((error.response.status_code, error.response["error"], error.response.headers["Retry-After"]))
    assert errors
    assert {(status, name) for status, name, _ in errors} == {(429, "ratelimited")}
    assert slack.chat_postMessage(channel="#pql-mid", text="free")["ok"]
    assert len(strict.effects("slack")) == 12 - len(errors) + 1


def test_a_restart_forgets_nothing(tmp_path: Path, clock: Any) -> None:
    """Messages, threads and metadata are back after the process is gone, and new ones come after them."""
    with Server(tmp_path, clock=clock) as server:
        slack = WebClient("xoxb-sandbox", base_url=f"{server.url}/slack/api/", retry_handlers=[])
        first = slack.chat_postMessage(channel="#pql", text="before", metadata=KEY)
    with Server(tmp_path, clock=clock) as server:
        slack = WebClient("xoxb-sandbox", base_url=f"{server.url}/slack/api/", retry_handlers=[])
        slack.chat_postMessage(channel="#pql", text="after")
        messages = slack.conversations_history(channel=first["channel"], include_all_metadata=True)["messages"]
    assert [(m["text"], m.get("metadata")) for m in messages[:-1]] == [("after", None), ("before", KEY)]
    assert [e["key"] for e in server.effects("slack")] == ["k-1", None]
