"""A table of many accounts as it stands in the channel: what it says, and that nothing in it is taken for markup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pql.destinations.slack.table import fallback, table
from pql.sandbox.block_kit import MAX_TOTAL_TEXT, problems, text_length
from pql.types import Alert, Listing, Reason

ABOUT = Alert("3 accounts", ("a",), ("New business",), "table:x", "table:x", "Digest of 2026-03-09", "", 82, 0, "", 0)
HOSTILE = [
    "<!channel> & <@U1> <https://evil.example|click>",
    "@channel #general",
    "A" * 10_000,
    "&" * 10_000,
    "😀" * 10_000,
    "شركة \u202eevil\u202c",
    "*b* _i_ ~s~ `code` |",
    "\ud800",
    "a\r\nb\x00\u2028c",
    "",
]


def said(blocks: list[dict[str, Any]]) -> list[str]:
    """What one reads, block by block."""
    texts = [block.get("text") or block["elements"][0] for block in blocks]
    return [text["text"] for text in texts]


def poisoned(alert: Alert, text: str) -> Alert:
    return replace(
        alert, account_name=text, headline=text, size=text, owner_name=text, owner_email=text,
        reasons=(Reason(5, text),), titles=(text,),
    )  # fmt: skip


def test_a_table_is_understood_in_ten_seconds(alert: Alert) -> None:
    """PRODUCT-A2 in a row: rank, account with its link, score, change, what happened, size, owner, first reason."""
    unknown = replace(
        alert, account_name="Solo", score_delta_night=None, score_delta_week=-4, owner_name="", reasons=()
    )
    unknown = replace(unknown, score=61, size="small", size_unknown=True, owner_email="", crm_id="")
    links = {"Acme Inc": "https://crm.example/4711"}
    blocks = table(ABOUT, Listing((alert, unknown), 1), lambda one: links.get(one.account_name, ""))
    assert said(blocks) == [
        "📋 Digest of 2026-03-09: 3 accounts",
        "New business",
        "1.  *<https://crm.example/4711|Acme Inc>*  ·  Score *82*  ·  ▲31 since last night  ·  just qualified\n"
        "Mid-size (240 employees) · owner Dana Fox · *+25* turned on self-serve billing",
        "2.  *Solo*  ·  Score *61*  ·  ▼4 in 7 days  ·  just qualified\n"
        "Size unknown, treated as small · owner nobody yet",
        "… and 1 more in the thread",
    ]
    assert fallback(ABOUT, Listing((alert, unknown), 1)) == (
        "📋 Digest of 2026-03-09: 3 accounts · Acme Inc (82), Solo (61)"
    )


def test_a_row_that_was_taken_back_is_struck_out(alert: Alert) -> None:
    """PRODUCT-A5: nothing of it is left to click on or to act upon, and the notification no longer names it."""
    gone = replace(alert, account_key="org:gone", account_name="Gone ~ Ltd")
    listing = Listing((gone, alert), 0, frozenset({0}))
    assert said(table(ABOUT, listing, lambda one: "https://crm.example/1"))[2:] == [
        "1.  ~Gone ∼ Ltd~  ·  No longer qualified",
        "2.  *<https://crm.example/1|Acme Inc>*  ·  Score *82*  ·  ▲31 since last night  ·  just qualified\n"
        "Mid-size (240 employees) · owner Dana Fox · *+25* turned on self-serve billing",
        "Each has its message in the thread",
    ]
    assert fallback(ABOUT, listing) == "📋 Digest of 2026-03-09: 3 accounts · Acme Inc (82)"
    assert fallback(ABOUT, replace(listing, alerts=(gone,))) == "📋 Digest of 2026-03-09: 3 accounts"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_rows_are_inert_and_within_limits(alert: Alert, text: str) -> None:
    """Twenty rows of the worst: valid blocks, not too long together, no markup of the data's own."""
    rows = Listing((poisoned(alert, text),) * 30, 5_000)
    blocks = table(poisoned(ABOUT, text), rows, lambda one: "https://crm.example/" + "9" * 120)
    assert problems(blocks) == []
    assert text_length(blocks) < MAX_TOTAL_TEXT
    for line in said(blocks):
        assert line.replace("<https://crm.example/", "").count("<") == 0
    assert not any("`" in line for line in said(blocks)[1:])  # the title is plain text
    assert "5,010 more" in said(blocks)[-1]
    assert len(fallback(poisoned(ABOUT, text), rows)) <= 1_000


@settings(max_examples=20, deadline=None)
@given(text=st.text(max_size=400))
def test_any_text_makes_a_valid_table(text: str) -> None:
    """Whatever the data holds, Slack takes the table."""
    alert = poisoned(replace(ABOUT, score=50), text)
    assert problems(table(alert, Listing((alert,) * 20), lambda one: text)) == []


@pytest.mark.parametrize("url", ["", "https://x.example/a|b", "https://x.example/>", "https://x.example/" + "a" * 200])
def test_an_address_that_could_break_out_is_no_link(alert: Alert, url: str) -> None:
    """A link that Slack would read otherwise, or a very long one, is left out: the name stays."""
    assert said(table(ABOUT, Listing((alert,)), lambda one: url))[2].startswith("1.  *Acme Inc*  ·")
