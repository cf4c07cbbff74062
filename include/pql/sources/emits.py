"""The mapping of a file's rows to events: `Emit`s in, one DuckDB query that yields the lake's event columns out.

The query reads the view of `lines` (line, row, why) and adds `line`, `why` and `row` to the event columns, so that
what cannot be used is told from what can in one pass: `why` is NULL exactly for usable events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pql.settings import Emit
from pql.sources import sql
from pql.sources.lines import Format

_HAS_OFFSET = r"\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"
_NUMBER = r"^-?(0|[1-9]\d{0,14})(\.\d+)?$"


def mapped_columns(emit: Emit) -> Iterator[tuple[str, str]]:
    """(where in the mapping, column) for every column the mapping names."""
    for role in ("event", "time", "user", "anonymous", "account", "id"):
        column = getattr(emit, role)
        if column is not None:
            yield role, column
    for column in emit.where:
        yield "where", column
    for kind in ("user_traits", "account_traits"):
        for attribute, column in getattr(emit, kind).items():
            yield f"{kind}.{attribute}", column
    for column in emit.properties or ():
        yield "properties", column


def events_sql(
    view: str, emits: list[Emit], *, source: str, format: Format, timezone: str, ingested_at: datetime
) -> str:
    """One SELECT over the view for all kinds of events; see the module."""
    parts = [
        _emit_sql(view, emit, number, source=source, format=format, timezone=timezone, ingested_at=ingested_at)
        for number, emit in enumerate(emits)
    ]
    unparsed = (
        "SELECT NULL AS event_id, NULL AS event, NULL AS user_id, NULL AS anonymous_id, NULL AS account_hint, "
        "NULL::TIMESTAMP AS occurred_at, NULL::TIMESTAMP AS ingested_at, NULL AS properties, NULL AS user_traits, "
        f"NULL AS account_traits, line, why, row ->> '$' AS record FROM {sql.name(view)} WHERE why IS NOT NULL"
    )
    return "\nUNION ALL\n".join([*parts, unparsed])


def _emit_sql(
    view: str, emit: Emit, number: int, *, source: str, format: Format, timezone: str, ingested_at: datetime
) -> str:
    columns = list(dict.fromkeys(column for _, column in mapped_columns(emit)))
    values = _Values(columns, emit, format)
    event = sql.text(emit.name) if emit.name is not None else values.text(emit.event)
    own_id = f"coalesce({values.text(emit.id)}, row::VARCHAR)" if emit.id else "row::VARCHAR"
    at = _instant(values.text(emit.time), emit.time_format, emit.timezone or timezone)
    why = (
        f"CASE WHEN {event} IS NULL THEN {sql.text(f'no event name in {emit.event}')} "
        f"WHEN {at} IS NULL THEN concat({sql.text(f'{emit.time} is not a time: ')}, "
        f"coalesce({values.text(emit.time)}, 'nothing')) END"
    )
    return f"""
    SELECT md5(concat({sql.text(f"{source}:{number}:")}, {own_id})) AS event_id,
           {event} AS event,
           {values.text(emit.user)} AS user_id,
           {values.text(emit.anonymous)} AS anonymous_id,
           {values.text(emit.account)} AS account_hint,
           {at} AS occurred_at,
           TIMESTAMP {sql.text(ingested_at.strftime("%Y-%m-%d %H:%M:%S.%f"))} AS ingested_at,
           {values.properties()} AS properties,
           {values.traits(emit.user_traits)} AS user_traits,
           {values.traits(emit.account_traits)} AS account_traits,
           line, {why} AS why, CASE WHEN why IS NOT NULL THEN row::VARCHAR END AS record
    FROM (
        SELECT line, row, json_extract(row, {values.paths()}) AS j, json_extract_string(row, {values.paths()}) AS v
        FROM {sql.name(view)} WHERE why IS NULL
    )
    WHERE {values.where()}"""


class _Values:
    """SQL for the values of one emit's columns, all extracted from the row in one go."""

    def __init__(self, columns: list[str], emit: Emit, format: Format) -> None:
        self._paths = [path for column in columns for path in (sql.json_path(column), _nested(column))]
        self._at = {column: (2 * n + 1, 2 * n + 2) for n, column in enumerate(columns)}
        self._emit = emit
        self._untyped = format == "csv"

    def paths(self) -> str:
        return "[" + ", ".join(sql.text(path) for path in self._paths) + "]"

    def text(self, column: str | None) -> str:
        """A value as text; nothing and blanks are NULL."""
        if column is None:
            return "NULL::VARCHAR"
        literal, nested = self._at[column]
        return f"nullif(trim(coalesce(v[{literal}], v[{nested}])), '')"

    def _json(self, column: str) -> str:
        """A value as JSON. CSV knows text only, so what looks like a number or a truth value becomes one."""
        literal, nested = self._at[column]
        if not self._untyped:
            return f"CASE WHEN {self.text(column)} IS NOT NULL THEN coalesce(j[{literal}], j[{nested}]) END"
        value = self.text(column)
        scalar = f"regexp_matches({value}, {sql.text(_NUMBER)}) OR {value} IN ('true', 'false')"
        return f"CASE WHEN {scalar} THEN {value}::JSON ELSE to_json({value}) END"

    def traits(self, traits: Mapping[str, str]) -> str:
        return sql.json_object((attribute, self._json(column)) for attribute, column in traits.items())

    def properties(self) -> str:
        if self._emit.properties is None:
            return "row::VARCHAR"
        return sql.json_object((column, self._json(column)) for column in self._emit.properties)

    def where(self) -> str:
        return " AND ".join(self._condition(c, wanted) for c, wanted in self._emit.where.items()) or "true"

    def _condition(self, column: str, wanted: Any) -> str:
        if isinstance(wanted, dict):
            return f"{self.text(column)} IS {'NOT ' if wanted['exists'] else ''}NULL"
        listed = wanted if isinstance(wanted, list) else [wanted]
        return f"coalesce({self.text(column)} IN ({', '.join(sql.text(_as_text(one)) for one in listed)}), false)"


def _nested(column: str) -> str:
    return sql.json_path(*column.split("."))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _instant(value: str, format: str | None, timezone: str) -> str:
    """SQL for a time as naive UTC, NULL if it is none."""
    if format in ("ms", "s"):
        micros = 1_000 if format == "ms" else 1_000_000
        return f"make_timestamp(try_cast(try_cast({value} AS DOUBLE) * {micros} AS BIGINT))"
    if format is not None:
        parsed = f"try_strptime({value}, {sql.text(format)})"
        return f"timezone('UTC', {parsed})" if "%z" in format else sql.utc(parsed, timezone)
    return (
        f"CASE WHEN regexp_matches({value}, {sql.text(_HAS_OFFSET)}) "
        f"THEN timezone('UTC', try_cast({value} AS TIMESTAMPTZ)) "
        f"ELSE {sql.utc(f'try_cast({value} AS TIMESTAMP)', timezone)} END"
    )
