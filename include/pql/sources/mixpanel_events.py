"""Mixpanel's export rows as events: settings in, one DuckDB query that yields the lake's event columns out.

Identity (docs.mixpanel.com, identity management). Simplified ID merge: `$user_id` and `$device_id` on each event, and
`distinct_id` is `$device:<id>` until the user is known. Original ID merge: `$identify`, `$create_alias` and `$merge`
events tell which ids are one person, and the export has `distinct_id` rewritten, with the id it was sent under in
`$distinct_id_before_identity`. Either way a row that names both ids joins them (SEM-W3).
"""

from __future__ import annotations

from datetime import datetime

from pql.settings import MixpanelSource
from pql.sources import sql

_DEVICE = "$device:"  # how simplified ID merge marks an anonymous distinct_id
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
    """SQL for the values of one export row, all extracted from its JSON in one go."""

    def __init__(self, settings: MixpanelSource) -> None:
        mapped = [settings.email, *settings.user_traits.values(), *settings.account_traits.values()]
        names = dict.fromkeys([*_NAMES, *mapped, *([settings.account] if settings.account else [])])
        self._at = {name: n + 1 for n, name in enumerate(names)}
        self.paths = "[" + ", ".join(sql.text(sql.json_path("properties", name)) for name in names) + "]"

    def text(self, name: str) -> str:
        """A property as text; nothing and blanks are NULL."""
        return f"nullif(trim(v[{self._at[name]}]), '')"

    def traits(self, of: dict[str, str]) -> str:
        """Mapped attributes as a JSON object."""
        return sql.json_object(
            (name, f"CASE WHEN {self.text(prop)} IS NOT NULL THEN j[{self._at[prop]}] END") for name, prop in of.items()
        )

    def account(self, name: str | None) -> str:
        """The account's id; a group key may be a list, of which the first is taken."""
        if name is None:
            return "NULL::VARCHAR"
        return f"coalesce(nullif(trim(j[{self._at[name]}] ->> '$[0]'), ''), {self.text(name)})"

    def micros(self, name: str, per_second: int) -> str:
        """A property counted since 1970 (`per_second` units) as TIMESTAMP."""
        return f"make_timestamp((try_cast({self.text(name)} AS DOUBLE) * {1_000_000 // per_second})::BIGINT)"

    def user_id(self) -> str:
        """The known user an event is about."""
        distinct, device = self.text("distinct_id"), self.text("$device_id")
        is_known = f"NOT starts_with({distinct}, '{_DEVICE}') AND {distinct} IS DISTINCT FROM {device}"
        return f"""CASE event WHEN '$identify' THEN {self.text("$identified_id")}
                WHEN '$create_alias' THEN {self.text("alias")}
                WHEN '$merge' THEN row ->> '$.properties."$distinct_ids"[1]'
                ELSE coalesce({self.text("$user_id")}, CASE WHEN {is_known} THEN {distinct} END) END"""

    def anonymous_id(self) -> str:
        """The device or visitor, or the id that a merge or an alias joins to the user."""
        before = f"coalesce({self.text('$distinct_id_before_identity')}, {self.text('distinct_id')})"
        return f"""CASE event WHEN '$identify' THEN {self.text("$anon_id")}
                WHEN '$create_alias' THEN {self.text("distinct_id")}
                WHEN '$merge' THEN row ->> '$.properties."$distinct_ids"[0]'
                ELSE coalesce({self.text("$device_id")}, {before}) END"""


def events_sql(view: str, settings: MixpanelSource, *, exported_at: datetime) -> str:
    """A SELECT over the view of `lines`: the event columns, and mixpanel_day, line, why and record beside them.

    The event id is a hash of event, id before merging, time and `$insert_id`, which is what Mixpanel deduplicates by;
    of the whole row where there is no `$insert_id`.
    """
    row = _Row(settings)
    at = row.micros("time", 1)
    before = f"coalesce({row.text('$distinct_id_before_identity')}, {row.text('distinct_id')})"
    own = f"concat_ws(chr(31), event, {before}, {row.text('time')}, {row.text('$insert_id')})"
    read_at = sql.text(exported_at.strftime("%Y-%m-%d %H:%M:%S.%f"))
    anonymous = f"regexp_replace({row.anonymous_id()}, '^[$]device:', '')"
    return f"""
    SELECT md5(CASE WHEN {row.text("$insert_id")} IS NULL THEN row::VARCHAR ELSE {own} END) AS event_id,
           event,
           {row.user_id()} AS user_id,
           CASE WHEN {anonymous} IS DISTINCT FROM {row.user_id()} THEN {anonymous} END AS anonymous_id,
           {row.account(settings.account)} AS account_hint,
           {sql.utc(at, settings.timezone)} AS occurred_at,
           coalesce({row.micros("mp_processing_time_ms", 1000)}, TIMESTAMP {read_at}) AS ingested_at,
           coalesce(json_extract(row, '$.properties')::VARCHAR, '{{}}') AS properties,
           {row.traits({"email": settings.email, **settings.user_traits})} AS user_traits,
           {row.traits(settings.account_traits)} AS account_traits,
           CAST({at} AS DATE) AS mixpanel_day,
           line,
           coalesce(why, CASE WHEN event IS NULL THEN 'no event name' WHEN {at} IS NULL THEN 'no time' END) AS why,
           CASE WHEN why IS NOT NULL OR event IS NULL OR {at} IS NULL THEN row ->> '$' END AS record
    FROM (
        SELECT line, row, why, nullif(trim(row ->> '$.event'), '') AS event,
               json_extract(row, {row.paths}) AS j, json_extract_string(row, {row.paths}) AS v
        FROM {sql.name(view)}
    )"""
