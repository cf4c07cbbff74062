"""A way to write a definition with only the part a test is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pql.definition import parse
from pql.definition.model import Definition

EVENTS = """
  signed_up: {event: Signed Up, passive: true}
  message_sent: Message Sent
  call_ended: {event: Call Ended, value: minutes}
  tool_connected: {event: Tool Connected, where: {state: on}}"""
BODY = {
    "definition": "small",
    "events": EVENTS,
    "signals": "{messages: {count: message_sent}, plan_name: {attribute: plan}}",
    "activation": "[{stage: A habit, when: {messages: {min: 3}}}]",
    "size": "{by: employees, from: {small: 0, mid: 50, large: 500}, unknown: small}",
    "qualify": "{messages: {min: 1}}",
}


@pytest.fixture
def small() -> Callable[..., Definition]:
    """Builds a small definition; sections given as YAML replace the usual ones."""

    def build(**sections: str) -> Definition:
        text = "".join(f"{key}: {value}\n" for key, value in (BODY | sections).items())
        definition, problems = parse(text, "small.yaml")
        assert definition is not None, "\n".join(map(str, problems))
        assert problems == ()
        return definition

    return build
