"""SQLAlchemy constructs and the compiler that lets one Core query run on DuckDB and on PostgreSQL alike."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class _DuckDB(PGDialect):
    """The PostgreSQL dialect under another name, so that the few differences below can be told apart."""

    name = "duckdb"
    supports_statement_cache = False


_DIALECT = _DuckDB(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def compile_for_duckdb(select: sa.Select[Any]) -> tuple[str, list[Any]]:
    """The query as DuckDB text with $1, $2 … and its parameters in that order."""
    compiled = select.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    assert isinstance(compiled, SQLCompiler)
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]


class PropertyText(sa.ColumnElement[str]):
    """One property of a JSON text column, as text; NULL where it is missing or null."""

    inherit_cache = True
    type = sa.Text()

    def __init__(self, column: sa.ColumnElement[str], name: str) -> None:
        self.column = column
        self.name = name


class Number(sa.ColumnElement[Any]):
    """A text read as an exact number with six decimals; NULL where it is none."""

    inherit_cache = True
    type = sa.Numeric(38, 6)

    def __init__(self, text: sa.ColumnElement[str]) -> None:
        self.text = text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@compiles(PropertyText, "duckdb")
def _property_duckdb(element: PropertyText, compiler: SQLCompiler, **kw: Any) -> str:
    # A bare '$browser' would be read as a JSON path and 'a.b' as two steps, so the name is quoted inside a path.
    name = element.name.replace("\\", "\\\\").replace('"', '\\"')
    path = _quoted(f'$."{name}"')
    return f"({compiler.process(element.column, **kw)} ->> {path})"


@compiles(PropertyText, "postgresql")
def _property_postgresql(element: PropertyText, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(CAST({compiler.process(element.column, **kw)} AS jsonb) ->> {_quoted(element.name)})"


@compiles(Number, "duckdb")
def _number_duckdb(element: Number, compiler: SQLCompiler, **kw: Any) -> str:
    return f"TRY_CAST({compiler.process(element.text, **kw)} AS DECIMAL(38, 6))"


@compiles(Number, "postgresql")
def _number_postgresql(element: Number, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.text, **kw)  # PostgreSQL has no TRY_CAST
    numeric = r"'^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$'"
    return f"(CASE WHEN {text} ~ {numeric} THEN CAST({text} AS NUMERIC(38, 6)) END)"
