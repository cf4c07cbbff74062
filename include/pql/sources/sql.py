"""Quoting for the SQL that sources hand to DuckDB: Python values in, SQL text out.

Only names and values from the project's own settings and our own temporary paths go in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable


def text(value: object) -> str:
    """A SQL string literal.

    >>> text("O'Neil")
    "'O''Neil'"
    """
    return "'" + str(value).replace("'", "''") + "'"


def name(value: str) -> str:
    """A quoted SQL identifier.

    >>> name('a"b')
    '"a""b"'
    """
    return '"' + value.replace('"', '""') + '"'


def trimmed(value: str) -> str:
    """SQL for a text without blanks around it.

    DuckDB's trim walks through every character, which shows in millions of rows: only what may need it gets it. Of the
    blanks that it removes the space alone is ASCII.
    """
    is_trim = f"strlen({value}) = length({value}) AND NOT starts_with({value}, ' ') AND NOT ends_with({value}, ' ')"
    return f"CASE WHEN {is_trim} THEN {value} ELSE trim({value}) END"


def json_path(*keys: str) -> str:
    """A JSON path to nested keys, whatever characters they hold.

    >>> json_path("properties", "$insert_id"), json_path('say "hi"')
    ('$."properties"."$insert_id"', '$."say \\\\"hi\\\\""')
    """
    quoted = (key.replace("\\", "\\\\").replace('"', '\\"') for key in keys)
    return "$" + "".join(f'."{key}"' for key in quoted)


def json_object(pairs: Iterable[tuple[str, str]]) -> str:
    """SQL for a JSON object of (key, JSON expression) without its nulls, NULL if nothing is left.

    >>> print(json_object([("plan", "j[1]")]))
    nullif(concat('{', concat_ws(',', '"plan":' || nullif((j[1])::VARCHAR, 'null')), '}'), '{}')
    >>> json_object([])
    'NULL'
    """
    members = ", ".join(
        f"{text(json.dumps(key, ensure_ascii=False) + ':')} || nullif(({value})::VARCHAR, 'null')"
        for key, value in pairs
    )
    return f"nullif(concat('{{', concat_ws(',', {members}), '}}'), '{{}}')" if members else "NULL"


def utc(naive: str, timezone: str) -> str:
    """SQL for a wall-clock TIMESTAMP of a time zone as naive UTC.

    >>> utc("t", "UTC"), utc("t", "Europe/Berlin")
    ('t', "timezone('UTC', timezone('Europe/Berlin', t))")
    """
    return naive if timezone == "UTC" else f"timezone('UTC', timezone({text(timezone)}, {naive}))"
