"""What a rep reads: PRODUCT-A2's example word for word, and hostile names made harmless."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pql.definition.model import Play, Trigger, TriggerKind
from pql.destinations.slack import message
from pql.destinations.slack.message import bar, fallback, follow_up, full, headline, why
from pql.destinations.slack.text import bold, cut, safe
from pql.plays.alert import headline as plays_headline
from pql.types import LIMIT, Alert, Champion, Reason

HOSTILE = [
    '<!channel> & "Söhne" 😀',
    "<@U123456> <#C123|general> <https://evil.example|click>",
    "@channel @here #general https://evil.example",
    "Line one\r\nLine two\x00\x07\u2028three",
    "A" * 10_000,
    "&" * 10_000,
    "<" * 10_000,
    "😀" * 10_000,
    "شركة \u202eevil\u202c & אבג",
    "\u202e\u2066only marks",
    "*bold* _it_ ~gone~ `code`",
    "\ud800 lone surrogate",
    "",
]
ENTITY_FREE = re.compile(r"&(?!amp;|lt;|gt;)")


def texts(blocks: list[dict]) -> str:
    """All that is said, top to bottom, as a person would read it."""
    lines = []
    for block in blocks:
        for part in [block.get("text"), *block.get("elements", [])]:
            if part:
                text = part["text"]
                lines.append(text["text"] if isinstance(text, dict) else text)
    return "\n".join(lines)


def every_text(value: object) -> list[str]:
    """Every string under a `text` key, however deep."""
    if isinstance(value, dict):
        found = [value["text"]] if isinstance(value.get("text"), str) else []
        return found + [text for inner in value.values() for text in every_text(inner)]
    return [text for inner in value for text in every_text(inner)] if isinstance(value, list) else []


def poisoned(alert: Alert, text: str) -> Alert:
    """The alert with that text in every place where data can stand."""
    return replace(
        alert,
        headline=f"just qualified {text}",
        titles=(text, text),
        account_name=text,
        account_key=text,
        size=text,
        grade=text,
        owner_name=text,
        reasons=(Reason(25, text), Reason(3, text), Reason(-5, text), Reason(0, f"unknown {text}")),
        champions=(Champion(text, 5, 2),) * 5,
        next_step=text,
        flags=(text,) * 40,
    )


def test_example_of_the_product(alert: Alert) -> None:
    """The message reads exactly as PRODUCT-A2 shows it."""
    blocks = full(alert, "<@U0DANA>", record_url="https://app.hubspot.com/contacts/1/record/0-2/4711")
    assert texts(blocks) == (
        "🎯 Acme Inc just qualified · New business\n"
        "Mid-size (240 employees) · trial day 9 · owner <@U0DANA>\n"
        "Activation ▰▰▰▰▰▰▱▱ 75 %    Score *82*  ▲31 since last night    Grade B1\n"
        "*Why*  *+25* turned on self-serve billing · *+20* messages on 6 of the last 7 days"
        " · *+15* 12 teammates invited · … and *+27* from 4 others · *−5* admin on free mail\n"
        "*Champions*  Mia Chen (412 actions on 7 days) · Tom Ruiz (160 on 5)\n"
        "*Next*  they use 12 of 15 seats: offer the team plan\n"
        "Open in HubSpot"
    )


def test_why_adds_up(alert: Alert) -> None:
    """SEM-S1: what is shown and what is summed up under "others" add up to the score."""
    line = why(alert.reasons)
    shown = [int(number.replace("−", "-")) for number in re.findall(r"(?:^|· |and )([+−]\d+)", line)]
    assert sum(shown) == alert.score


@given(st.lists(st.integers(-50, 50), max_size=15))
def test_why_always_adds_up(points: list[int]) -> None:
    """SEM-S1: whatever the lines are, the Why line never loses a point."""
    line = why([Reason(p, "x") for p in points])
    shown = [int(n.replace("−", "-")) for n in re.findall(r"(?:^|· |and )([+−]?\d+)(?= )", line)]
    assert sum(shown) == sum(points)


def test_limits_are_no_reasons_but_count(alert: Alert) -> None:
    """A rep does not want to know of caps; the line still adds up (SEM-S1)."""
    limits = [Reason(-7, "value counts 50 at most", LIMIT), Reason(-5, "limit of the scale (0–100)", LIMIT)]
    up = [Reason(30, "habit", "value"), Reason(20, "calls", "value"), Reason(9, "seats", "fit")]
    assert why([*up, *limits]) == "+30 habit · +20 calls · +9 seats · … and −12 from 2 limits"
    lines = [*up, Reason(4, "files", "value"), *limits, Reason(-3, "free mail", "fit")]
    assert why(lines).endswith("+9 seats · … and −8 from 1 other and 2 limits · −3 free mail")


def test_a_definition_without_stages_says_nothing_of_activation(alert: Alert) -> None:
    """0 % would read as if they had never used the product."""
    unstaged = replace(alert, activation_pct=None)
    assert "Activation" not in texts(full(unstaged, "Dana"))
    assert "activated" not in fallback(unstaged) + texts(follow_up(unstaged))
    assert "Score" in fallback(unstaged)


def test_only_a_trial_has_trial_days(alert: Alert) -> None:
    """An account on a free plan is told of by its days since signup."""
    assert "trial day 9" in texts(full(replace(alert, plan="Trial 14 days"), "Dana"))
    assert "· day 9 since signup ·" in texts(full(replace(alert, plan="free"), "Dana"))


def test_unknown_is_shown() -> None:
    """SEM-M4: a line that is worth nothing because its value is unknown is shown; other zero lines are not."""
    assert why([Reason(10, "habit"), Reason(0, "employees unknown"), Reason(0, "0 calls")]) == (
        "+10 habit · 0 employees unknown"
    )


def test_unknown_size_says_so(alert: Alert) -> None:
    """SEM-Q2: a size that is a guess is called one, once."""
    guessed = replace(
        alert,
        size="small",
        size_unknown=True,
        employees=None,
        flags=("size unknown, treated as small", "CRM backdated"),
    )
    text = texts(full(guessed, "Dana"))
    assert text.count("treated as small") == 1
    assert "Size unknown, treated as small · trial day 9 · owner Dana" in text
    assert "⚠️ CRM backdated" in text


@pytest.mark.parametrize(
    ("said", "sign"),
    [
        ("just qualified", "🎯"),
        ("score up 24", "📈"),
        ("score down 30", "📉"),
        ("reached “Sales qualified”", "🏁"),
        ("is near a limit: seats used 92 %", "⏳"),
        ("has gone quiet", "🌙"),
        ("is stuck in onboarding", "🧭"),
        ("no longer qualifies", "👋"),
        ("something else", "🔔"),
    ],
)
def test_headline_of_each_trigger(alert: Alert, said: str, sign: str) -> None:
    """Each trigger has its own headline and sign (PRODUCT-A1)."""
    assert headline(replace(alert, headline=said)) == f"{sign} Acme Inc {said} · New business"


@pytest.mark.parametrize("kind", get_args(TriggerKind))
def test_every_headline_of_plays_has_its_sign(alert: Alert, kind: TriggerKind) -> None:
    """What plays say for each trigger is recognised here."""
    on = Trigger(kind, by=20, in_days=7, stage="A habit", signal="seats_used_pct", min=80)
    said = plays_headline(Play("p", "P", on, ()), {})
    assert not headline(replace(alert, headline=said)).startswith("🔔")


def test_all_definitions_are_named(alert: Alert) -> None:
    """SEM-D5: one message names every definition that wanted it."""
    both = replace(alert, titles=("New business", "Usage limit"), definitions=("new-business", "usage-limit"))
    assert headline(both).endswith("· New business + Usage limit")


def test_bare_alert_stays_short(alert: Alert) -> None:
    """What is unknown leaves no empty label behind."""
    bare = Alert("has gone quiet", ("d",), ("D",), "user:1", "user:1", "", "2026-03-06T14:00:00+00:00", 0, 0, "", 1)
    assert texts(full(bare, message.owner_name(bare))) == (
        "🌙 user:1 has gone quiet · D\nowner nobody yet\nActivation ▱▱▱▱▱▱▱▱ 0 %    Score *0*"
    )


def test_follow_up_is_short(alert: Alert) -> None:
    """A further message in a thread says what is new in one block and mentions nobody."""
    blocks = follow_up(replace(alert, headline="is near a limit: seats used 92 %", titles=("Usage limit",)))
    assert texts(blocks) == (
        "*⏳ Acme Inc is near a limit: seats used 92 % · Usage limit*\n"
        "Score 82 ▲31 · 75 % activated\n"
        "*Why*  *+25* turned on self-serve billing · *+20* messages on 6 of the last 7 days\n"
        "*Next*  they use 12 of 15 seats: offer the team plan"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_inert_and_fit(alert: Alert, text: str) -> None:
    """No name can mention, link, break the line or turn the writing, and Slack's limits hold."""
    hostile = poisoned(alert, text)
    owner = message.owner_name(hostile)
    blocks = full(hostile, owner, record_url="https://x.example/1") + follow_up(hostile)
    for said in [*every_text(blocks), fallback(hostile)]:
        assert "<" not in said
        assert ">" not in said
        assert not ENTITY_FREE.search(said)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u2028\u2029\u202a-\u202e]", said)
        assert said.count("\u2068") == said.count("\u2069")
    json.dumps(blocks, ensure_ascii=False).encode()  # lone surrogates are gone
    assert len(blocks) <= 50
    assert sum(map(len, every_text(blocks))) <= 13_200  # all texts together: github.com/slackapi/bolt-js/issues/2509
    assert len(blocks[0]["text"]["text"]) <= 150
    assert len(fallback(hostile)) <= 4000
    for block in blocks:
        if block["type"] == "section":
            assert 1 <= len(block["text"]["text"]) <= 3000
            assert block["text"]["verbatim"] is True  # "@channel" and bare addresses stay text
        if block["type"] == "context":
            assert len(block["elements"]) <= 10
            assert block["elements"][0]["verbatim"] is True


@settings(max_examples=200)
@given(st.text(), st.integers(8, 60))
def test_safe_text_never_exceeds_its_limit(text: str, limit: int) -> None:
    """Escaping never tears an entity and never outgrows the limit."""
    said = safe(text, limit)
    assert len(said) <= limit
    assert not ENTITY_FREE.search(said)
    assert not set(said) & set("<>\r\n")


@given(st.integers(-10, 110))
def test_bar_is_honest(pct: int) -> None:
    """The bar is full only when everything is reached and empty only when nothing is."""
    cells = bar(pct)
    assert len(cells) == 8
    assert ("▱" not in cells) == (pct >= 100)
    assert ("▰" not in cells) == (pct <= 0)


def test_bold_and_cut_keep_their_marks() -> None:
    """A star in a name cannot end bold early, and a cut falls between words."""
    assert bold("a * b") == "*a ∗ b*"
    assert cut("&amp; &amp;", 8) == "&amp; …"
