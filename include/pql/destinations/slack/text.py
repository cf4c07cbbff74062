"""Foreign text made fit for Slack: names and reasons in; inert, one-line text within Slack's limits out.

Escaping: https://docs.slack.dev/messaging/formatting-message-text#escaping. Every mrkdwn object is `verbatim`, so that
`@channel`, `#general` and bare addresses in data stay plain text.
"""

from __future__ import annotations

import unicodedata

from pql.destinations.words import one_line

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
NAME_LIMIT = 80  # of a person or company inside a line; ours, so that one name cannot push the rest out
PHRASE_LIMIT = 200  # of one reason or flag; ours
FALLBACK_LIMIT = 1000  # of the notification's text; ours, Slack cuts from 4,000 on


def safe(text: object, limit: int = NAME_LIMIT) -> str:
    """One line of escaped text, at most `limit` characters as sent, cut with "…"; right-to-left text keeps to itself.

    >>> safe('<!channel> & "Söhne" 😀')
    '&lt;!channel&gt; &amp; "Söhne" 😀'
    >>> safe("a\\r\\nb\\tc"), safe("x" * 10, 5), safe("&" * 3, 11)
    ('a b c', 'xxxx…', '&amp;&amp;…')
    """
    cleaned = one_line(text)
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in cleaned):
        return _FIRST_STRONG_ISOLATE + _escaped(cleaned, limit - 2) + _POP_ISOLATE
    return _escaped(cleaned, limit)


def bold(escaped: str) -> str:
    """Bold mrkdwn around text that is already safe; a `*` inside would end it early, so it becomes `∗`."""
    return f"*{escaped.replace('*', '∗')}*" if escaped else ""


def section(text: str) -> dict[str, object]:
    """A section block of mrkdwn that is already safe; too much text is cut at a word."""
    return {"type": "section", "text": mrkdwn(text)}


def mrkdwn(text: str, limit: int = SECTION_LIMIT) -> dict[str, object]:
    """A mrkdwn text object that nothing is added to by Slack (`verbatim`)."""
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def plain(text: str, limit: int) -> dict[str, object]:
    """A plain_text object of text that is already safe."""
    return {"type": "plain_text", "text": cut(text, limit), "emoji": True}


def cut(text: str, limit: int) -> str:
    """Safe text held to `limit` characters, cut between words so that no entity or mention is torn.

    >>> cut("one two three", 9)
    'one two …'
    """
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    return (head[: head.rfind(" ")] if " " in head else "") + " …"


def _escaped(text: str, limit: int) -> str:
    whole = "".join(_ENTITIES.get(character, character) for character in text)
    if len(whole) <= limit:
        return whole
    kept, length = [], 0
    for character in text:
        piece = _ENTITIES.get(character, character)
        if length + len(piece) > limit - 1:
            break
        kept.append(piece)
        length += len(piece)
    return "".join(kept) + "…"
