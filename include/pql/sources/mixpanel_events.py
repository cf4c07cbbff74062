"""Mixpanel's export rows as events: settings in, one DuckDB query that yields the lake's event columns out.

It is asked of lines in either of two forms, of which one is fast (see `lines`), and says the same of both.

Identity (docs.mixpanel.com, identity management). Simplified ID merge: `$user_id` and `$device_id` on each event, and
`distinct_id` is `$device:<id>` until the user is known. Original ID merge: `$identify`, `$create_alias` and `$merge`
events tell which ids are one person, and the export has `distinct_id` rewritten, with the id it was sent under in
`$distinct_id_before_identity`. Either way a row that names both ids joins them (SEM-W3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pql.settings import MixpanelSource
from pql.sources import lines, sql

_DEVICE = "$device:"  # how simplified ID merge marks an anonymous distinct_id
_MERGED = "$distinct_ids"
_NAMES = (
    "distinct_id",
    "$distinct_id_before_identity",
    "$user_id",
    "$device_id",
    "$insert_id",
    "time",
    "mp_processing_time_ms",
    "$identified_id",
    "$anon_id",
    "alias",
)


class _Row:
    """SQL for the values of one export row.

    Taking a value out of JSON costs a reading of the whole, however many are taken: so one struct `v` is taken.
    """

    def __init__(self, settings: MixpanelSource) -> None:
        mapped = [settings.email, *settings.user_traits.values(), *settings.account_traits.values()]
        listed = [_MERGED, *([settings.account] if settings.account else [])]
        self._kinds = dict.fromkeys(_NAMES, "VARCHAR") | dict.fromkeys([*mapped, *listed], "JSON")
        # a struct has no fields that differ in case only, or have no name: such a property is taken by itself
        self._taken = {name.casefold(): name for name in self._kinds if name}
        self.values = sql.text(json.dumps({name: self._kinds[name] for name in self._taken.values()}))

    def _value(self, name: str) -> str:
        """A property as it was taken, text or JSON by its kind; null is NULL."""
        if self._taken.get(name.casefold()) == name:
            return f"v.{sql.name(name)}"
        return f"nullif(json_extract(properties, {sql.text(sql.json_path(name))}), 'null'::JSON)"

    def exact(self, name: str) -> str:
        """A property that a machine wrote, as text; nothing is NULL."""
        as_text = "" if self._is_text(name) else " ->> '$'"
        return f"nullif({self._value(name)}{as_text}, '')"

    def _is_text(self, name: str) -> bool:
        return self._kinds[name] == "VARCHAR" and name in self._taken.values()

    def text(self, name: str) -> str:
        """A property as text; nothing and blanks are NULL."""
        trimmed = sql.trimmed(self._value(name)) if self._is_text(name) else f"trim({self.exact(name)})"
        return f"nullif({trimmed}, '')"

    def listed(self, name: str, at: int) -> str:
        """What a property has at a place of its list, as text."""
        return f"nullif(trim({self._value(name)} ->> '$[{at}]'), '')"

    def traits(self, of: dict[str, str]) -> str:
        """Mapped attributes as a JSON object; blanks are left out."""
        return sql.json_object((name, self._trait(self._value(prop))) for name, prop in of.items())

    def _trait(self, value: str) -> str:
        is_said = f"{value} <> '\"\"' AND (NOT starts_with({value}, '\" ') OR trim({value}, '\" ') <> '')"
        return f"CASE WHEN {is_said} THEN {value} END"

    def account(self, name: str | None) -> str:
        """The account's id; a group key may be a list, of which the first is taken."""
        if not name:
            return "NULL::VARCHAR"
        is_list = f"starts_with({self._value(name)}::VARCHAR, '[')"
        return f"coalesce(CASE WHEN {is_list} THEN {self.listed(name, 0)} END, {self.text(name)})"

    def micros(self, name: str, per_second: int) -> str:
        """A property counted since 1970 (`per_second` units) as TIMESTAMP."""
        return f"make_timestamp(try_cast(try_cast({self.exact(name)} AS DOUBLE) * {1_000_000 // per_second} AS BIGINT))"

    def user_id(self) -> str:
        """The known user an event is about."""
        is_known = f"NOT starts_with(own_id, '{_DEVICE}') AND own_id IS DISTINCT FROM device_id"
        return f"""CASE event WHEN '$identify' THEN {self.text("$identified_id")}
                WHEN '$create_alias' THEN {self.text("alias")}
                WHEN '$merge' THEN {self.listed(_MERGED, 1)}
                ELSE coalesce({self.text("$user_id")}, CASE WHEN {is_known} THEN own_id END) END"""

    def anonymous_id(self) -> str:
        """The device or visitor, or the id that a merge or an alias joins to the user."""
        return f"""CASE event WHEN '$identify' THEN {self.text("$anon_id")}
                WHEN '$create_alias' THEN own_id
                WHEN '$merge' THEN {self.listed(_MERGED, 0)}
                ELSE coalesce(device_id, before_id, own_id) END"""


def fast_lines(paths: Sequence[Path]) -> str:
    """The lines of files as DuckDB reads them by itself, without line numbers (see `lines.objects`)."""
    read = lines.objects(paths, {"event": "VARCHAR", "properties": "JSON"})
    return (
        "SELECT NULL::BIGINT AS line, event AS name, properties, NULL::VARCHAR AS why, NULL::VARCHAR AS record "
        f"FROM {read}"
    )


def numbered_lines(view: str) -> str:
    """The lines of the view of `lines.numbered_view`: whatever they hold, with their numbers."""
    return (
        "SELECT line, row ->> '$.event' AS name, json_extract(row, '$.properties') AS properties, why, "
        f"row ->> '$' AS record FROM {sql.name(view)}"
    )


def events_sql(rows: str, settings: MixpanelSource, *, exported_at: datetime) -> str:
    """A SELECT over `fast_lines` or `numbered_lines`: the event columns, and mixpanel_day, line, why and record.

    The event id is a hash of event, id before merging, time and `$insert_id`, which is what Mixpanel deduplicates by;
    of the event with all its properties where there is no `$insert_id`.
    """
    row = _Row(settings)
    read_at = sql.text(exported_at.strftime("%Y-%m-%d %H:%M:%S.%f"))
    return f"""
    SELECT md5(CASE WHEN insert_id IS NULL THEN concat_ws(chr(31), event, properties)
               ELSE concat_ws(chr(31), event, coalesce(before_id, own_id), time, insert_id) END) AS event_id,
           event,
           user_id,
           nullif(CASE WHEN starts_with(visitor, '{_DEVICE}') THEN substring(visitor, {len(_DEVICE) + 1})
                  ELSE visitor END, user_id) AS anonymous_id,
           account_hint,
           {sql.utc("clock", settings.timezone)} AS occurred_at,
           coalesce(received_at, TIMESTAMP {read_at}) AS ingested_at,
           coalesce(properties, '{{}}'::JSON) AS properties,
           user_traits,
           account_traits,
           CAST(clock AS DATE) AS mixpanel_day,
           line,
           coalesce(why, CASE WHEN event IS NULL THEN 'no event name' WHEN clock IS NULL THEN 'no time' END) AS why,
           CASE WHEN why IS NOT NULL OR event IS NULL OR clock IS NULL THEN record END AS record
    FROM (
        SELECT *, {row.user_id()} AS user_id, {row.anonymous_id()} AS visitor,
               {row.account(settings.account)} AS account_hint, {row.exact("time")} AS time,
               {row.micros("time", 1)} AS clock, {row.micros("mp_processing_time_ms", 1000)} AS received_at,
               {row.traits({"email": settings.email, **settings.user_traits})} AS user_traits,
               {row.traits(settings.account_traits)} AS account_traits
        FROM (
            SELECT *, {row.text("distinct_id")} AS own_id, {row.text("$distinct_id_before_identity")} AS before_id,
                   {row.exact("$device_id")} AS device_id, {row.exact("$insert_id")} AS insert_id
            FROM (
                SELECT line, nullif({sql.trimmed("name")}, '') AS event, properties, why, record,
                       json_transform(properties, {row.values}) AS v
                FROM ({rows})
            )
        )
    )"""
