"""The page shows what a person would see, and nothing that comes from outside can do harm on it."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from slack_sdk import WebClient

from pql.sandbox import Server
from pql.sandbox.mrkdwn import rich
from pql.sandbox.names import HOSTILE_NAME

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def page(server: Server, **query: str) -> str:
    return requests.get(server.url, params=query, timeout=20).text


def test_a_message_looks_as_in_slack(sandbox: Server, slack: WebClient) -> None:
    """Header, section with bold text and a mention, context, link button, and the thread below."""
    user = slack.users_lookupByEmail(email="dana@relay.example")["user"]["id"]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Acme just qualified"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*Why* +25 · owner <@{user}>"}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "New business"}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x.example/"}
            ],
        },
    ]
    first = slack.chat_postMessage(channel="#pql-mid", text="Acme", blocks=blocks)
    slack.chat_postMessage(channel="#pql-mid", text="still true", thread_ts=first["ts"])
    html = page(sandbox)
    assert "<h1>#pql-mid</h1>" in html
    assert "<h3>Acme just qualified</h3>" in html
    assert '<strong>Why</strong> +25 · owner <span class="mention">@Dana Ito</span>' in html
    assert '<a class="button" href="https://x.example/" rel="noreferrer">Open</a>' in html
    assert "1 reply" in html
    assert f'id="p{first["ts"].replace(".", "")}"' in html


def test_a_permalink_leads_to_the_message(sandbox: Server, slack: WebClient) -> None:
    """The link Slack gives is redirected to the page, at the message."""
    posted = slack.chat_postMessage(channel="#pql", text="x")
    link = slack.chat_getPermalink(channel=posted["channel"], message_ts=posted["ts"])["permalink"]
    answer = requests.get(link, timeout=10, allow_redirects=False)
    assert answer.headers["location"] == f"/?channel={posted['channel']}#p{posted['ts'].replace('.', '')}"


def test_what_comes_from_outside_is_escaped_everywhere(sandbox: Server, slack: WebClient, hubspot: Any) -> None:
    """Markup in messages, tasks, properties, webhooks' names and refused requests shows as text."""
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": EVIL}},
        {"type": "section", "text": {"type": "mrkdwn", "text": EVIL}, "fields": [{"type": "plain_text", "text": EVIL}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": EVIL}, "url": "javascript:alert(3)"}
            ],
        },
    ]
    slack.chat_postMessage(channel="#pql", text=EVIL, blocks=blocks)
    slack.chat_postMessage(channel="#pql", text=EVIL)
    task = {"hs_timestamp": "2026-11-19T17:00:00Z", "hs_task_subject": EVIL, "hs_task_body": f"<p>{EVIL}</p>"}
    hubspot("POST", "/crm/v3/objects/tasks", {"properties": task})
    hubspot("PATCH", "/crm/v3/objects/companies/9000000002", {"properties": {"pql_reasons": EVIL, "name": EVIL}})
    hubspot("PATCH", f"/crm/v3/objects/companies/{EVIL}", {"properties": {}})
    views = [
        page(sandbox),
        *(page(sandbox, view=view) for view in ("tasks", "updates", "webhooks", "refusals")),
        page(sandbox, view="record", type="companies", id="9000000002"),
        page(sandbox, view=EVIL),
        page(sandbox, channel=EVIL),
        page(sandbox, view="record", type=EVIL, id=EVIL),
    ]
    for html in views:
        assert "<script>alert" not in html
        assert "<img" not in html
        assert 'href="javascript:' not in html
    assert "&lt;script&gt;alert(1)" in views[0]


def test_a_mention_nobody_meant_is_shown_as_one(sandbox: Server, slack: WebClient) -> None:
    """`<!channel>` that the sender forgot to escape would ping everybody, and stands out; escaped it is a name."""
    careless, careful = HOSTILE_NAME, HOSTILE_NAME.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert 'class="mention loud">@channel' in rich(careless)
    assert "mention" not in rich(careful)
    assert "&lt;!channel&gt; &amp; &quot;Söhne&quot; 😀" in rich(careful)


def test_the_page_loads_nothing_from_elsewhere(sandbox: Server) -> None:
    """The content security policy allows the page's own style and script only."""
    answer = requests.get(sandbox.url, timeout=20)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert requests.get(f"{sandbox.url}/page.css", timeout=10).headers["content-type"].startswith("text/css")
    assert requests.get(f"{sandbox.url}/page.js", timeout=10).status_code == 200
    assert requests.get(f"{sandbox.url}/page.py", timeout=10).status_code == 404


def test_tasks_and_updates_stand_beside_the_messages(sandbox: Server, hubspot: Any) -> None:
    """A task with owner, due time and company; an update with its values; a link to the record."""
    link = {"to": {"id": "9000000002"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]}
    properties = {
        "hs_timestamp": "2026-11-19T17:00:00Z",
        "hs_task_subject": "Call them",
        "hubspot_owner_id": "71000001",
    }
    hubspot("POST", "/crm/v3/objects/tasks", {"properties": properties, "associations": [link]})
    hubspot("POST", "/crm/v3/objects/tasks", {"properties": {**properties, "hs_task_subject": "Alone"}})
    hubspot("PATCH", "/crm/v3/objects/companies/9000000002", {"properties": {"pql_score": "82"}})
    html = page(sandbox)
    assert "due Thu 19 Nov 17:00 · Dana Ito" in html
    assert "not associated with any record" in html
    assert "<dt>pql_score</dt><dd>82</dd>" in html
    record = requests.get(f"{sandbox.url}/hubspot/contacts/24680135/record/0-2/9000000002", timeout=20).text
    assert "&lt;!channel&gt; &amp; &quot;Söhne&quot; 😀" in record
    assert "Call them" in record


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("2 * 3 * 4 and snake_case_word", "2 * 3 * 4 and snake_case_word"),
        ("*bold* _soft_ ~gone~ `code`", "<strong>bold</strong> <em>soft</em> <s>gone</s> <code>code</code>"),
        ("a\n&gt; said", 'a<br><span class="quote">said</span>'),
        ("<https://x.example/?a=1&amp;b=2>", '<a href="https://x.example/?a=1&amp;b=2" rel="noreferrer">'),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
    ],
)
def test_mrkdwn(text: str, html: str) -> None:
    """Slack's formats, and what only looks like one."""
    assert html in rich(text)
