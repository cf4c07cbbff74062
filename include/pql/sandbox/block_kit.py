"""Block Kit: the blocks of a message in, what Slack would complain about out ("… [json-pointer:/blocks/0/text]").

Limits after https://docs.slack.dev/reference/block-kit: 50 blocks; header 150 characters; section text 3,000, ten
fields of 2,000; ten context elements; 25 buttons of 75 characters; ids of 255.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

MAX_BLOCKS = 50
MAX_TOTAL_TEXT = 13_200  # measured by users of the real API: https://github.com/slackapi/bolt-js/issues/2509


def problems(blocks: object) -> list[str]:
    """What is wrong with the blocks, in Slack's words; empty if nothing is."""
    if not isinstance(blocks, list):
        return ["must provide an array [json-pointer:/blocks]"]
    if len(blocks) > MAX_BLOCKS:
        return [f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"]
    found = [problem for i, block in enumerate(blocks) for problem in _block(block, f"/blocks/{i}")]
    ids = [block["block_id"] for block in blocks if isinstance(block, dict) and block.get("block_id")]
    if len(ids) > len(set(ids)):
        found.append("block_id already exists [json-pointer:/blocks]")
    return found


def text_length(blocks: object) -> int:
    """Characters of all texts in the blocks, nested ones included."""
    if isinstance(blocks, list):
        return sum(map(text_length, blocks))
    if isinstance(blocks, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else text_length(v) for k, v in blocks.items())
    return 0


def _block(block: object, at: str) -> Iterator[str]:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        yield f"missing required field: type [json-pointer:{at}]"
        return
    check = BLOCKS.get(block["type"])
    if check is None:
        yield f"unsupported type: {block['type']} [json-pointer:{at}/type]"
        return
    yield from _length(block, "block_id", 255, at, required=False)
    yield from check(block, at)


def _header(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _text(block.get("text"), f"{at}/text", 150, kinds=("plain_text",))


def _section(block: dict[str, Any], at: str) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield f"must define either `text` or `fields` [json-pointer:{at}/type]"
    if "text" in block:
        yield from _text(block["text"], f"{at}/text", 3_000)
    if "fields" in block:
        yield from _each(block["fields"], f"{at}/fields", 10, lambda field, where: _text(field, where, 2_000))
    if "accessory" in block:
        yield from _element(block["accessory"], f"{at}/accessory")


def _context(block: dict[str, Any], at: str) -> Iterator[str]:
    def element(one: object, where: str) -> Iterator[str]:
        is_image = isinstance(one, dict) and one.get("type") == "image"
        return _image(one, where) if is_image else _text(one, where, 3_000)  # type: ignore[arg-type] # it is a dict

    yield from _each(block.get("elements"), f"{at}/elements", 10, element)


def _actions(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _each(block.get("elements"), f"{at}/elements", 25, _element)


def _image(block: dict[str, Any], at: str) -> Iterator[str]:
    if not block.get("image_url") and not block.get("slack_file"):
        yield f"missing required field: image_url [json-pointer:{at}]"
    yield from _length(block, "alt_text", 2_000, at)


def _rich_text(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _each(block.get("elements"), f"{at}/elements", 100, lambda _one, _where: iter(()))


def _element(element: object, at: str) -> Iterator[str]:
    if not isinstance(element, dict) or element.get("type") not in ("button", "overflow", "static_select", "image"):
        given = element.get("type") if isinstance(element, dict) else element
        yield f"unsupported type: {given} [json-pointer:{at}/type]"
        return
    if element["type"] == "button":
        yield from _text(element.get("text"), f"{at}/text", 75, kinds=("plain_text",))
        yield from _length(element, "url", 3_000, at, required=False)
        yield from _length(element, "value", 2_000, at, required=False)
        if element.get("style") not in (None, "primary", "danger"):
            yield f"must be a valid enum value [json-pointer:{at}/style]"
    yield from _length(element, "action_id", 255, at, required=False)


def _text(text: object, at: str, most: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, dict):
        yield f"missing required field: {at.rsplit('/', 1)[1]} [json-pointer:{at.rsplit('/', 1)[0]}]"
        return
    if text.get("type") not in kinds:
        yield f"unsupported type: {text.get('type')} [json-pointer:{at}/type]"
    yield from _length(text, "text", most, at)


def _each(items: object, at: str, most: int, check: Callable[[Any, str], Iterator[str]]) -> Iterator[str]:
    if not isinstance(items, list):
        yield f"missing required field: {at.rsplit('/', 1)[1]} [json-pointer:{at.rsplit('/', 1)[0]}]"
        return
    if not items:
        yield f"must have at least 1 item [json-pointer:{at}]"
    if len(items) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}]"
    for i, item in enumerate(items):
        yield from check(item, f"{at}/{i}")


def _length(holder: dict[str, Any], name: str, most: int, at: str, *, required: bool = True) -> Iterator[str]:
    if name not in holder:
        if required:
            yield f"missing required field: {name} [json-pointer:{at}]"
        return
    value = holder[name]
    if not isinstance(value, str):
        yield f"must be a string [json-pointer:{at}/{name}]"
    elif not value:
        yield f"must be more than 0 characters [json-pointer:{at}/{name}]"
    elif len(value) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}/{name}]"


BLOCKS: dict[str, Callable[[dict[str, Any], str], Iterator[str]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "rich_text": _rich_text,
    "divider": lambda _block, _at: iter(()),
}
