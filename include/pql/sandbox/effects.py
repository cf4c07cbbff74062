"""The append-only log of everything that was done to the simulated world: one effect in, one fsynced line out."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

Effect = dict[str, Any]  # seq, at (ISO instant), system, action, kind, key, and what was done

# What an effect counts as. `key` is the delivery key the client sent along, where it sent one.
KINDS = {
    ("slack", "chat.postMessage"): "slack",
    ("slack", "chat.postMessage, not shown"): "slack_hidden",  # ok was said, nobody will see it
    ("slack", "chat.update"): "slack_edit",
    ("slack", "chat.delete"): "slack_deleted",
    ("hubspot", "task.created"): "crm_task",
    ("hubspot", "task.updated"): "crm_task_edit",
    ("hubspot", "company.updated"): "crm_update",
    ("hubspot", "contact.updated"): "crm_update",
    ("webhook", "received"): "webhook",
    ("webhook", "received again"): "webhook_again",
}


class EffectsLog:
    """`effects.ndjson` in a folder; survives the process, and the services rebuild their state from it.

    A line is on the disk before the answer leaves, so what a client was told happened is in the log. A line that a
    crash cut short was never answered; it is dropped when the log is opened again.
    """

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self.path = state_dir / "effects.ndjson"
        self._lock = threading.Lock()
        self._answering = False
        self._effects = _read(self.path)

    def append(self, system: str, action: str, at: datetime, what: Mapping[str, Any]) -> Effect:
        """Write one effect durably and return it with its sequence number (1, 2, …)."""
        with self._lock:
            effect: Effect = {"seq": len(self._effects) + 1, "at": at.isoformat(), "system": system, "action": action}
            effect |= {"kind": KINDS.get((system, action), "other"), "key": None, **what}
            with self.path.open("ab") as file:
                file.write(json.dumps(effect, ensure_ascii=False).encode() + b"\n")
                if not self._answering:
                    file.flush()
                    os.fsync(file.fileno())
            self._effects.append(effect)
            return effect

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Around a request with many effects, one at a time: they are on the disk together when it ends."""
        before = len(self._effects)
        self._answering = True
        try:
            yield
        finally:
            self._answering = False
            if len(self._effects) > before:
                with self.path.open("ab") as file:
                    os.fsync(file.fileno())

    def all(self, system: str | None = None, after: int = 0) -> list[Effect]:
        """Effects in the order they happened, of one system if named, later than sequence number `after`."""
        with self._lock:
            return [e for e in self._effects[after:] if system in (None, e["system"])]

    def __len__(self) -> int:
        return len(self._effects)


def _read(path: Path) -> list[Effect]:
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]
