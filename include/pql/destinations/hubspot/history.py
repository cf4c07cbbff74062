"""What stands in HubSpot: expected tasks and a moment in; the tasks with a delivery key, and those that are gone, out.

Tasks are found by a search of the property that holds the key. A search lags behind by minutes, so a task counts as
gone only if HubSpot says of its own id that there is none. Values written onto records have no key: nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pql.clients.http import RemoteError
from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import TASK_KEY_PROPERTY, instant
from pql.types import Expected, ReadBack, Standing

PLACE = "tasks"
_PAGE = 200
_SEARCH_GAP_S = 0.25  # four searches a second of the five a portal has
_CREATED = "hs_createdate"


class HubSpotTasks:
    """Reads the tasks of one portal. `seconds`: how long one reading may take."""

    def __init__(
        self, hubspot: HubSpot, *, clock: Callable[[], datetime], sleep: Callable[[float], None], seconds: float
    ) -> None:
        self._hubspot = hubspot
        self._clock = clock
        self._sleep = sleep
        self._seconds = seconds

    def read(self, expected: Sequence[Expected], since: datetime) -> ReadBack:
        """See `pql.types.Reader`; the one place is `tasks`."""
        until = self._clock() + timedelta(seconds=self._seconds)
        try:
            standing = {str(each.receipt["task"]): each for each in self._tasks(since, until)}
            gone: dict[str, str] = {}
            for each in expected:
                task = str((each.receipt or {}).get("task") or "")
                if not task or task in standing:
                    continue
                found = self._task(task, until)
                if found is None:
                    gone[each.key] = PLACE
                else:
                    standing[task] = _standing(found, each.key)
        except (RemoteError, _TimeOver) as error:
            return ReadBack(unread={PLACE: str(error)})
        return ReadBack(tuple(standing.values()), gone, frozenset({PLACE}))

    def _tasks(self, since: datetime, until: datetime) -> Iterator[Standing]:
        """Every task with a key made since then, by its id: a search answers at most 10,000 in all."""
        if not self._has_property():
            return
        last_id = 0
        while True:
            self._wait(until)
            rows = self._hubspot.ask("/crm/v3/objects/tasks/search", _search(since, last_id))["results"]
            for row in rows:
                yield _standing(row, str(row["properties"][TASK_KEY_PROPERTY]))
            if len(rows) < _PAGE:
                return
            last_id = max(int(row["id"]) for row in rows)

    def _has_property(self) -> bool:
        try:
            self._hubspot.get(f"/crm/v3/properties/tasks/{TASK_KEY_PROPERTY}", {})
        except RemoteError as error:
            if error.kind != "missing":
                raise
            return False
        return True

    def _task(self, id: str, until: datetime) -> Mapping[str, Any] | None:
        """The task of that id, None if there is none (any more)."""
        self._wait(until)
        try:
            return self._hubspot.get(f"/crm/v3/objects/tasks/{id}", {"properties": f"{TASK_KEY_PROPERTY},{_CREATED}"})
        except RemoteError as error:
            if error.kind != "missing":
                raise
            return None

    def _wait(self, until: datetime) -> None:
        if self._clock() >= until:
            raise _TimeOver("there was no time left for it; it is read the next time")
        self._sleep(_SEARCH_GAP_S)


class _TimeOver(Exception):
    """The reading took as long as it may."""


def _search(since: datetime, last_id: int) -> dict[str, Any]:
    filters = [
        {"propertyName": TASK_KEY_PROPERTY, "operator": "HAS_PROPERTY"},
        {"propertyName": _CREATED, "operator": "GTE", "value": str(int(since.timestamp() * 1000))},
        {"propertyName": "hs_object_id", "operator": "GT", "value": str(last_id)},
    ]
    return {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": [TASK_KEY_PROPERTY, _CREATED],
        "limit": _PAGE,
    }


def _standing(row: Mapping[str, Any], key: str) -> Standing:
    at = instant(row["properties"].get(_CREATED) or row.get("createdAt"))
    assert at is not None
    return Standing(key, PLACE, at, {"task": str(row["id"])})
