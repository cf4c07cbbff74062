"""The hottest accounts: newest snapshots and the ledger in, one page of ranked, filtered and counted rows out.

DuckDB reads only the columns that filters and sorting need, of everybody; whole rows (for the reasons) are read for
the page alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pandas as pd

from pql.definition.model import Definition
from pql.insight.board.rows import BoardRow, rows_of, with_reasons
from pql.insight.board.snapshots import Standing, newest
from pql.insight.board.states import STATES, states_of
from pql.insight.board.table import fill
from pql.pipeline.project import Project

PAGE = 50
SORTS = {  # what a page can be sorted by → the column, and whether its natural order is downwards
    "score": ("score", True),
    "delta": ("delta_night", True),
    "week": ("delta_week", True),
    "activation": ("activation_pct", True),
    "name": ("lower(name)", False),
    "size": ("employees", True),
    "owner": ("lower(owner)", False),
}
NOBODY = "-"  # the owner filter's word for accounts that nobody owns


@dataclass(frozen=True)
class Asked:
    """What a person asked the board for; empty means everything."""

    definition: str = ""
    size: str = ""
    owner: str = ""
    state: str = ""
    search: str = ""
    sort: str = "score"
    turned: bool = False  # against the column's natural order
    page: int = 1


@dataclass(frozen=True)
class Board:
    """One page of the ranked list, with what its filters offer."""

    rows: tuple[BoardRow, ...]
    total: int
    page: int
    pages: int
    counts: Mapping[str, int]  # by state, whatever state was asked for
    sizes: tuple[str, ...]
    owners: tuple[str, ...]
    standings: tuple[Standing, ...]  # which snapshots it was read from


def board(project: Project, asked: Asked, *, now: datetime) -> Board:
    """The page asked for. Without a definition each account is there once, under the one that got furthest with it.

    That is the one that announced it, else opened it silently, else has it qualified; of several its highest score.
    Drafts are shown when they are asked for by name. A page beyond the last is the last.
    """
    with _table(project, asked.definition, now) as (con, standings):
        counts = dict.fromkeys(STATES, 0) | _counts(con, asked)
        sizes, owners = _column(con, "size"), _column(con, "owner")
        where, values = _conditions(asked)
        total = _number(con, where, values)
        pages = max(1, -(-total // PAGE))
        page = min(max(asked.page, 1), pages)
        cut = f"{_order(asked)} LIMIT {PAGE} OFFSET {(page - 1) * PAGE}"
        rows = rows_of(_frame(con, where, values, cut), standings)
    return Board(with_reasons(project, rows, standings), total, page, pages, counts, sizes, owners, standings)


def all_rows(project: Project, asked: Asked, *, now: datetime) -> tuple[BoardRow, ...]:
    """Every row that the filters let through, in the order asked for, without reasons."""
    with _table(project, asked.definition, now) as (con, standings):
        where, values = _conditions(asked)
        return rows_of(_frame(con, where, values, _order(asked)), standings)


def account_rows(project: Project, account_key: str, *, now: datetime) -> tuple[BoardRow, ...]:
    """The account's rows under every definition, drafts included, the one that got furthest first; with all reasons."""
    with _table(project, "", now, drafts=True, account_key=account_key) as (con, standings):
        frame = con.execute("SELECT * FROM shown ORDER BY furthest, priority, score DESC, subject_key").df()
        rows = rows_of(frame, standings)
    return with_reasons(project, rows, standings, limit=None)


@contextmanager
def _table(
    project: Project, definition: str, now: datetime, *, drafts: bool = False, account_key: str | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, tuple[Standing, ...]]]:
    """A connection with what is `shown`: one row per subject of the definition, or one per account."""
    chosen = [project.definition(definition)] if definition else [d for d in project.definitions if _shown(d, drafts)]
    standings = tuple(standing for d in chosen if (standing := newest(project, d, now=now)))
    with closing(project.lake.connect()) as con:
        once = not definition and account_key is None
        fill(con, project, standings, states_of(project, now=now), account_key=account_key, once=once)
        yield con, standings


def _shown(definition: Definition, drafts: bool) -> bool:
    return definition.status == "live" or (drafts and definition.status == "draft")


def _conditions(asked: Asked) -> tuple[str, list[str]]:
    """The WHERE clause and its values."""
    found: list[tuple[str, list[str]]] = [("true", [])]
    for column, wanted in (("size", asked.size), ("state", asked.state)):
        if wanted:
            found.append((f"{column} = ?", [wanted]))
    if asked.owner:
        found.append(("owner = ?", ["" if asked.owner == NOBODY else asked.owner]))
    if asked.search.strip():
        text = asked.search.strip().lower()
        found.append(
            ("(contains(lower(name), ?) OR contains(lower(domain), ?) OR lower(account_key) = ?)", [text, text, text])
        )
    return " AND ".join(clause for clause, _ in found), [value for _, values in found for value in values]


def _order(asked: Asked) -> str:
    column, downwards = SORTS.get(asked.sort, SORTS["score"])
    direction = "DESC" if downwards != asked.turned else "ASC"
    return f"ORDER BY {column} {direction} NULLS LAST, score DESC, account_key, subject_key, priority"


def _counts(con: duckdb.DuckDBPyConnection, asked: Asked) -> dict[str, int]:
    """How many there are of each state, whatever state was asked for."""
    where, values = _conditions(replace(asked, state=""))
    found = con.execute(f"SELECT state, count(*) FROM shown WHERE {where} GROUP BY 1", values)  # noqa: S608  # our words
    return {str(state): int(number) for state, number in found.fetchall()}


def _number(con: duckdb.DuckDBPyConnection, where: str, values: list[str]) -> int:
    found = con.execute(f"SELECT count(*) FROM shown WHERE {where}", values).fetchone()  # noqa: S608  # our words
    assert found is not None
    return int(found[0])


def _frame(con: duckdb.DuckDBPyConnection, where: str, values: list[str], tail: str) -> pd.DataFrame:
    return con.execute(f"SELECT * FROM shown WHERE {where} {tail}", values).df()  # noqa: S608  # our words


def _column(con: duckdb.DuckDBPyConnection, column: str) -> tuple[str, ...]:
    found = con.execute(f"SELECT DISTINCT {column} FROM shown WHERE {column} <> '' ORDER BY 1").fetchall()  # noqa: S608  # our words
    return tuple(str(row[0]) for row in found)
