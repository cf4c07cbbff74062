"""Block Kit blocks in, HTML as a person would see them in Slack out. Nothing is loaded from anywhere."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from pql.sandbox.mrkdwn import NameOf, plain, rich

Block = dict[str, Any]


def message_html(message: dict[str, Any], name_of: NameOf) -> str:
    """The body of a message: its blocks, or its text where it has none."""
    blocks = message.get("blocks")
    if not blocks:
        return f'<p class="text">{rich(message.get("text", ""), name_of)}</p>'
    return "".join(_RENDER.get(block.get("type", ""), _unknown)(block, name_of) for block in blocks)


def _header(block: Block, _: NameOf) -> str:
    return f"<h3>{plain(block['text']['text'])}</h3>"


def _section(block: Block, name_of: NameOf) -> str:
    text = f'<p class="text">{_text(block["text"], name_of)}</p>' if "text" in block else ""
    fields = "".join(f"<div>{_text(field, name_of)}</div>" for field in block.get("fields", []))
    accessory = _element(block["accessory"], name_of) if "accessory" in block else ""
    grid = f'<div class="fields">{fields}</div>' if fields else ""
    return f'<div class="section"><div>{text}{grid}</div>{accessory}</div>'


def _context(block: Block, name_of: NameOf) -> str:
    return f'<div class="context">{"".join(f"<span>{_element(e, name_of)}</span>" for e in block["elements"])}</div>'


def _actions(block: Block, name_of: NameOf) -> str:
    return f'<div class="actions">{"".join(_element(e, name_of) for e in block["elements"])}</div>'


def _image(block: Block, _: NameOf) -> str:
    return f'<div class="image">{html.escape(block.get("alt_text", ""))}</div>'


def _unknown(block: Block, _: NameOf) -> str:
    return f'<div class="image">{html.escape(str(block.get("type")))}</div>'


def _element(element: Block, name_of: NameOf) -> str:
    if element.get("type") == "button":
        style = f" {element['style']}" if element.get("style") in ("primary", "danger") else ""
        label, url = plain(element["text"]["text"]), str(element.get("url", ""))
        if re.match(r"https?://", url):
            return f'<a class="button{style}" href="{html.escape(url, quote=True)}" rel="noreferrer">{label}</a>'
        return f'<span class="button{style}">{label}</span>'
    return _image(element, name_of) if element.get("type") == "image" else _text(element, name_of)


def _text(text: Block, name_of: NameOf) -> str:
    words = str(text.get("text", ""))
    return rich(words, name_of) if text.get("type") == "mrkdwn" else plain(words)


_RENDER: dict[str, Callable[[Block, NameOf], str]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "divider": lambda _block, _name_of: "<hr>",
}
