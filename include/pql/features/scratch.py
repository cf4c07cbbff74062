"""Temporary tables of one computation: numpy arrays and SQL in, tables that vanish with the `with` block out.

The queries of this room are SQL text rather than SQLAlchemy Core: as-of joins, joins on validity intervals and
running maxima over structs have no Core form. Only our own table names, hexadecimal match keys and quoted attribute
names are put into the text; values travel as tables or parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]
Column = npt.NDArray[Any]


class Scratch:
    """Creates temporary tables named `f_…` on a connection and drops them at the end."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._made: list[str] = []
        self._one_at_a_time = Lock()  # blocks are worked on in threads, and some ask for more

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()

    def make(self, name: str, sql: str, params: Sequence[Any] = ()) -> None:
        """Create table `name` from a query; an older one of that name is replaced."""
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}", list(params))
        self._made.append(name)

    def drop(self, *names: str) -> None:
        """Drop tables that nothing will read any more."""
        for name in names:
            self.con.execute(f"DROP TABLE IF EXISTS {name}")

    def forget(self, *, but: Sequence[str] = ()) -> None:
        """Drop every table made so far except those named: what is not needed any more is not kept in memory."""
        for name in set(self._made) - set(but):
            self.con.execute(f"DROP TABLE IF EXISTS {name}")
        self._made = [name for name in self._made if name in but]

    def put(self, name: str, columns: dict[str, pa.Array]) -> None:
        """Create table `name` from Arrow columns."""
        self.con.register("f_arriving", pa.table(columns))
        try:
            self.make(name, "SELECT * FROM f_arriving")
        finally:
            self.con.unregister("f_arriving")

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> dict[str, Column]:
        """The query's columns as numpy arrays; NULL is None in texts and flags, else NaN or NaT."""
        with self._one_at_a_time:
            found = self.con.execute(sql, list(params)).fetchnumpy()
        return {name: _plain(values) for name, values in found.items()}


def _plain(values: Any) -> Column:
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    if values.dtype.kind in "Ob":
        objects: Column = values.data.astype(object)
        objects[np.ma.getmaskarray(values)] = None
        return objects
    if values.dtype.kind in "iu":
        assert not np.ma.getmaskarray(values).any(), "an integer column of a feature query is NULL"
        return np.asarray(values.data)
    fill = np.datetime64("NaT") if values.dtype.kind == "M" else np.nan
    return np.asarray(values.filled(fill))


def quoted(text: str) -> str:
    """The text as an SQL literal.

    >>> quoted("O'Brien")
    "'O''Brien'"
    """
    return "'" + text.replace("'", "''") + "'"
