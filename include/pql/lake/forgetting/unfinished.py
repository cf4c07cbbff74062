"""Forgettings under way: whom each is about in, the same out again after a crash, until it is finished.

What ties a person's names together is erased on the way, so that doing it again could not follow them any more.
`forgetting.json` is the only place that names somebody forgotten, and it is there no longer than what it names.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from pql.lake.forgetting.traces import Traces
from pql.lake.storage import Storage

PATH = "forgetting.json"


def unfinished(storage: Storage) -> list[Traces]:
    """Whom forgettings that have begun and not ended are about."""
    said = json.loads(storage.read(PATH) or b"[]")
    return [Traces(**{name: frozenset(values) for name, values in each.items()}) for each in said]


def begin(storage: Storage, traces: Traces) -> None:
    """Note one that begins, in the place of earlier ones about the same person."""
    _write(storage, [*_of_others(storage, traces), traces])


def end(storage: Storage, traces: Traces) -> None:
    """It is finished."""
    _write(storage, _of_others(storage, traces))


def _of_others(storage: Storage, traces: Traces) -> list[Traces]:
    return [each for each in unfinished(storage) if not each.listed & traces.listed]


def _write(storage: Storage, notes: list[Traces]) -> None:
    if not notes:
        storage.remove(PATH)
        return
    said = [{name: sorted(values) for name, values in asdict(each).items()} for each in notes]
    storage.write(PATH, json.dumps(said).encode())
