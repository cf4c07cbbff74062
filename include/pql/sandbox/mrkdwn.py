"""Slack's text formats: mrkdwn or plain text in, safe HTML out.

Data comes in with `&`, `<` and `>` escaped by the sender; what is not escaped is markup, also where the sender did not
mean it: `<!channel>` in a company's name shows as the mention it would have been.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

EMOJI = {
    "dart": "🎯", "fire": "🔥", "rocket": "🚀", "warning": "⚠️", "tada": "🎉", "eyes": "👀", "bell": "🔔",
    "hourglass_flowing_sand": "⏳", "rotating_light": "🚨", "raised_hand": "✋", "grey_question": "❔",
    "chart_with_downwards_trend": "📉",
    "chart_with_upwards_trend": "📈", "zzz": "💤", "white_check_mark": "✅", "x": "❌", "wave": "👋",
}  # fmt: skip
_STYLES = (
    (re.compile(r"```(.+?)```", re.S), r"<pre>\1</pre>"),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"(?<![\w*])\*(?! )([^*\n]+)(?<! )\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_(?! )([^_\n]+)(?<! )_(?![\w_])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~(?! )([^~\n]+)(?<! )~(?![\w~])"), r"<s>\1</s>"),
)
# The one emoji every alert begins with is drawn, so that it also shows where no emoji font is installed.
TARGET = (
    '<svg class="emoji" viewBox="0 0 20 20" role="img" aria-label="🎯"><circle cx="10" cy="10" r="9.5" fill="#dd2e44"/>'
    '<circle cx="10" cy="10" r="7" fill="#fff"/><circle cx="10" cy="10" r="4.6" fill="#dd2e44"/>'
    '<circle cx="10" cy="10" r="2.1" fill="#fff"/></svg>'
)
NameOf = Callable[[str], str]  # a person's or channel's id → name


def plain(text: str) -> str:
    """Text without formatting, as HTML.

    >>> plain("a < b\\n:tada:")
    'a &lt; b<br>🎉'
    """
    return _lines(_emoji(html.escape(text)))


def rich(text: str, name_of: NameOf = str) -> str:
    """mrkdwn as HTML: bold, italics, code, quotes, links and mentions.

    >>> rich("*A &amp; B* <https://x.example|open>")
    '<strong>A &amp; B</strong> <a href="https://x.example" rel="noreferrer">open</a>'
    >>> rich("<!channel>")
    '<span class="mention loud">@channel</span>'
    """
    parts = re.split(r"(<[^<>\n]+>)", text)
    tokens = [_markup(p[1:-1], name_of) if i % 2 else "" for i, p in enumerate(parts)]
    joined = "".join(f"\ue000{i}\ue001" if i % 2 else _escaped(p) for i, p in enumerate(parts))
    for pattern, replacement in _STYLES:
        joined = pattern.sub(replacement, joined)
    quoted = re.sub(r"(^|\n)&gt; ?([^\n]*)", r'\1<span class="quote">\2</span>', joined)
    return re.sub("\ue000(\\d+)\ue001", lambda m: tokens[int(m[1])], _lines(_emoji(quoted)))


def _escaped(text: str) -> str:
    """Slack's three entities undone, then everything escaped for HTML; private-use marks are ours alone."""
    return html.escape(html.unescape(text) if "&" in text else text).translate({0xE000: None, 0xE001: None})


def _markup(inside: str, name_of: NameOf) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("!"):
        word = target[1:].partition("^")[0]
        return f'<span class="mention loud">@{html.escape(html.unescape(label) or word)}</span>'
    if target[:1] in "@#":
        name = html.unescape(label) or name_of(target[1:])
        return f'<span class="mention">{target[0]}{html.escape(name)}</span>'
    if re.match(r"(https?://|mailto:)", target):
        address = html.escape(html.unescape(target), quote=True)
        return f'<a href="{address}" rel="noreferrer">{html.escape(html.unescape(label or target))}</a>'
    return html.escape(f"<{inside}>")


def _emoji(text: str) -> str:
    return re.sub(r":([a-z_]+):", lambda m: EMOJI.get(m[1], m[0]), text).replace("🎯", TARGET)


def _lines(text: str) -> str:
    return text.replace("\n", "<br>")
