"""The arguments of a message in, the message Slack would store out, or Slack's refusal."""

from __future__ import annotations

import json
from typing import Any

from pql.sandbox import block_kit
from pql.sandbox.slack_state import Message

MAX_TEXT, MAX_METADATA = 40_000, 16_000
Args = dict[str, Any]
Answer = dict[str, Any]


class SlackError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, error: str, messages: list[str] | None = None, retry_after: float | None = None) -> None:
        super().__init__(error)
        self.error, self.messages, self.retry_after = error, messages or [], retry_after

    def body(self) -> Answer:
        """Slack's error envelope."""
        body: Answer = {"ok": False, "error": self.error}
        if self.messages:
            body["errors"] = self.messages
            body["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in self.messages]}
        return body


def message(args: Args) -> Message:
    """The parts of a message, checked as Slack checks them; SlackError in its words."""
    text, blocks, metadata = str(args.get("text") or ""), nested(args.get("blocks")), nested(args.get("metadata"))
    if not text and not blocks and not args.get("attachments"):
        raise SlackError("no_text")
    if len(text) > MAX_TEXT:
        raise SlackError("msg_too_long")
    made: Message = {"text": text}
    if blocks:
        made["blocks"] = _blocks(blocks)
    if metadata is not None:
        made["metadata"] = _metadata(metadata)
    return made


def _blocks(blocks: Any) -> list[Any]:
    if found := block_kit.problems(blocks):
        raise SlackError("invalid_blocks", found)
    if block_kit.text_length(blocks) > block_kit.MAX_TOTAL_TEXT:
        raise SlackError("msg_blocks_too_long")
    return [{"block_id": f"b{i}", **block} for i, block in enumerate(blocks)]


def _metadata(metadata: Any) -> Any:
    whole = (
        isinstance(metadata, dict) and metadata.get("event_type") and isinstance(metadata.get("event_payload"), dict)
    )
    if not whole:
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > MAX_METADATA:
        raise SlackError("metadata_too_large")
    return metadata


def nested(value: Any) -> Any:
    """A nested argument: as it is in a JSON body, as JSON text in a form."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise SlackError("invalid_json") from None
