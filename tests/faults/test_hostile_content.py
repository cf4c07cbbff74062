"""Names that try to be markup, commands, headers or formulas, through the whole line to all three destinations."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import select, update

from pql import store
from pql.plays.model import load_alert
from pql.store.tables import deliveries
from pql.types import Champion, Reason

CORPUS = {
    "mention of a channel": "<!channel> <!here> <!everyone> @channel",
    "mention of a person": "<@U012AB3CD> <!subteam^S012>",
    "link": "<https://evil.example|Acme> [Acme](https://evil.example) https://evil.example",
    "script": '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "entities": "&lt;!channel&gt; &amp;lt;",
    "formula": '=HYPERLINK("https://evil.example","Acme")',
    "formula by sign": "@SUM(1+1)*cmd|' /C calc'!A0",
    "new lines": "Acme\r\nwebhook-id: another\r\n\r\n{}",
    "ten thousand characters": "Ä" * 10_000,
    "ten thousand brackets": "<" * 10_000,
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 Acme 🚀" * 20,
    "right to left": "شركة \u202eevil\u202c אבג",
    "only marks": "\u202e\u2066\u200f",
    "control characters": "Ac\x00me\x1b[31m\x07",
    "half a character": "\ud800Acme",
    "templates": "{{ conn.slack_default.password }} {0.__class__} %(name)s ${HOME}",
    "markup of Slack": "*bold* _it_ ~gone~ `code` > quote",
    "nothing": "",
}
UNESCAPED = re.compile(r"&(?!amp;|lt;|gt;)")
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066\u2067]")  # control characters, turned writing
A_LINK_OF_OURS = re.compile(r"<https?://127\.0\.0\.1:\d+/[^<>|\s]*(\|[^<>]*)?>")


def _poison(line: Any, text: str) -> None:
    """Put the text wherever data can stand, into everything that is queued."""
    with store.writing(line.engine) as conn:
        for row in conn.execute(select(deliveries.c.id, deliveries.c.alert)).all():
            hostile = replace(
                load_alert(row.alert),
                account_name=text,
                titles=(text,),
                owner_name=text,
                size=text,
                reasons=(Reason(25, text), Reason(-5, text)),
                champions=(Champion(text, 5, 2),) * 4,
                next_step=text,
                flags=(text,) * 20,
            )
            conn.execute(update(deliveries).where(deliveries.c.id == row.id).values(alert=asdict(hostile)))


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _strings(each)]


@pytest.mark.parametrize("name", CORPUS)
def test_whatever_an_account_is_called(line: Any, name: str) -> None:
    """One effect in each system, which took it for valid; nothing in it pings, links, runs or breaks a line."""
    text = CORPUS[name]
    for kind in ("slack", "crm_task", "webhook"):
        line.queue(2, kind)
    _poison(line, text)
    line.until_settled()
    assert line.states() == {"delivered": 6}, [each.reason for each in line.all()]
    line.holds(6)

    effects = line.sandbox.effects()
    _inert_in_slack([e["message"] for e in effects if e["kind"] == "slack"])
    _inert_in_the_crm([e["properties"] for e in effects if e["kind"] == "crm_task"])
    hooks = [e for e in effects if e["kind"] == "webhook"]
    assert {e["key"] for e in hooks} == {each.key for each in line.all() if each.kind == "webhook"}
    readable = "".join(re.findall(r"[A-Za-zÄ]{4}", text)[:1])
    assert all(readable in " ".join(_strings(e["payload"])) for e in hooks)
    assert all(readable in " ".join(_strings(e["message"])) for e in effects if e["kind"] == "slack")
    json.dumps(effects, ensure_ascii=False).encode()


def _inert_in_slack(messages: list[Any]) -> None:
    for said in [text for message in messages for text in (message["text"], *_texts(message["blocks"]))]:
        assert "<" not in A_LINK_OF_OURS.sub("", said)
        assert not UNESCAPED.search(said)
        assert not STEERING.search(said)


def _inert_in_the_crm(tasks: list[Any]) -> None:
    for task in tasks:
        assert "\n" not in task["hs_task_subject"]
        assert {part.split(">")[0] for part in task["hs_task_body"].split("<")[1:]} <= {"br", "strong", "/strong"}
        assert not STEERING.search(task["hs_task_subject"] + task["hs_task_body"])


def _texts(value: Any) -> list[str]:
    """Every string under a `text` key, however deep: what Slack would interpret."""
    if isinstance(value, dict):
        found = [value["text"]] if isinstance(value.get("text"), str) else []
        return found + [text for inner in value.values() for text in _texts(inner)]
    return [text for inner in value for text in _texts(inner)] if isinstance(value, list) else []
