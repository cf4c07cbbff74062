"""The effects log survives whatever the process does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import requests

from pql.sandbox import Server
from pql.sandbox.effects import EffectsLog

AT = datetime(2026, 11, 18, 14, tzinfo=UTC)


def test_an_effect_is_on_the_disk_when_it_is_returned(tmp_path: Path) -> None:
    """Another reader of the folder sees it at once, numbered in order."""
    log = EffectsLog(tmp_path)
    log.append("slack", "chat.postMessage", AT, {"text": "Söhne 😀\n"})
    log.append("webhook", "received", AT, {"key": "k"})
    again = EffectsLog(tmp_path).all()
    assert again == log.all()
    assert [(e["seq"], e["kind"], e["key"]) for e in again] == [(1, "slack", None), (2, "webhook", "k")]


def test_the_effects_of_one_request_reach_the_disk_before_its_answer(tmp_path: Path) -> None:
    """A batch of a hundred is written through once, not a hundred times; nothing of it is missing then."""
    log = EffectsLog(tmp_path)
    with log.answering():
        for number in range(100):
            log.append("hubspot", "task.created", AT, {"key": f"k{number}"})
    assert [e["key"] for e in EffectsLog(tmp_path).all()] == [f"k{number}" for number in range(100)]


def test_a_line_cut_short_by_a_crash_is_dropped(tmp_path: Path) -> None:
    """The effect was never answered; the next one takes its place."""
    EffectsLog(tmp_path).append("slack", "chat.postMessage", AT, {})
    with (tmp_path / "effects.ndjson").open("ab") as file:
        file.write(b'{"seq": 2, "sys')
    log = EffectsLog(tmp_path)
    log.append("webhook", "received", AT, {"key": "k"})
    assert [e["system"] for e in EffectsLog(tmp_path).all()] == ["slack", "webhook"]


def test_the_log_can_be_read_over_http(sandbox: Server) -> None:
    """Whole, by system, and from a number on."""
    headers = {"Authorization": "Bearer xoxb-sandbox"}
    for text in "ab":
        body = {"channel": "#pql", "text": text}
        requests.post(f"{sandbox.url}/slack/api/chat.postMessage", json=body, headers=headers, timeout=10)
    assert requests.get(f"{sandbox.url}/effects", timeout=10).json() == sandbox.effects()
    assert requests.get(f"{sandbox.url}/effects?after=1&system=slack", timeout=10).json() == sandbox.effects()[1:]
    assert requests.get(f"{sandbox.url}/effects?system=webhook", timeout=10).json() == []
