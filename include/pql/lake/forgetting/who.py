"""Everything a person is known by: one name in, all their ids, devices, addresses, names out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import duckdb
import pandas as pd

from pql.lake.forgetting.traces import Traces, listed, plain_email

_ADDRESS = "lower(trim(value ->> '$'))"
_MAIL = f"kind = 'user' AND name = 'email' AND contains({_ADDRESS}, '@')"


def named(who: str) -> Traces:
    """What somebody typed: a user id, `anon:<visitor>`, or an address (which may also be a user's id).

    >>> named("Ann@X.com").emails
    frozenset({'ann@x.com'})
    """
    wanted = who.strip()
    if wanted.startswith("anon:"):
        return Traces(visitors=frozenset({wanted.removeprefix("anon:")}))
    wanted = wanted.removeprefix("user:")
    emails = {plain_email(wanted)} if "@" in wanted else set()
    return Traces(users=frozenset({wanted}), emails=frozenset(emails))


def all_traces(
    con: duckdb.DuckDBPyConnection, known: pd.DataFrame, who: str, unfinished: Iterable[Traces] = ()
) -> Traces:
    """Follow ids and addresses until nothing new turns up; `known` has raw_id and user_id, `con` the lake's views.

    Two users with one address are one person, and so are users that were merged. Who is among the `unfinished` is
    also known by what was found when that began.
    """
    con.register("pql_known", known[["raw_id", "user_id"]].drop_duplicates())
    traces, before = named(who), Traces()
    while traces != before:
        before, traces = traces, _joined(traces, _same(con, traces))
        for begun in unfinished:
            traces = _joined(traces, begun) if begun.listed & traces.listed else traces
    con.unregister("pql_known")
    return replace(traces, names=traces.names | _names(con, traces))


def _same(con: duckdb.DuckDBPyConnection, traces: Traces) -> Traces:
    raw, emails = listed(traces.raw_ids), listed(traces.emails)
    users = f"SELECT user_id FROM pql_known WHERE raw_id IN {raw} OR user_id IN {raw}"
    ids = _column(con, f"SELECT raw_id FROM pql_known WHERE user_id IN ({users})")
    ids |= _column(con, f"SELECT user_id FROM pql_known WHERE user_id IN ({users})")
    ids |= _column(con, f"SELECT id FROM traits WHERE {_MAIL} AND {_ADDRESS} IN {emails}")
    # a device that others used first is theirs: what was done on it unnamed belongs to them
    others = f"SELECT raw_id FROM pql_known WHERE user_id NOT IN ({users})"
    ids |= _column(con, f"SELECT from_id FROM links WHERE to_id IN {raw} AND from_id NOT IN ({others})")
    return Traces(
        users=frozenset(each for each in ids if not each.startswith("anon:")),
        visitors=frozenset(each.removeprefix("anon:") for each in ids if each.startswith("anon:")),
        contacts=_column(con, f"SELECT id FROM crm_contacts WHERE lower(trim(email)) IN {emails}"),
        emails=_column(con, f"SELECT {_ADDRESS} FROM traits WHERE {_MAIL} AND id IN {raw}"),
    )


def _names(con: duckdb.DuckDBPyConnection, traces: Traces) -> frozenset[str]:
    users, contacts = listed(traces.raw_ids), listed(traces.contacts)
    said = _column(con, f"SELECT value ->> '$' FROM traits WHERE kind = 'user' AND name = 'name' AND id IN {users}")
    return said | _column(con, f"SELECT name FROM crm_contacts WHERE id IN {contacts}")


def _joined(one: Traces, other: Traces) -> Traces:
    return Traces(
        one.users | other.users,
        one.visitors | other.visitors,
        one.contacts | other.contacts,
        one.emails | other.emails,
        one.names | other.names,
    )


def _column(con: duckdb.DuckDBPyConnection, query: str) -> frozenset[str]:
    return frozenset(str(row[0]) for row in con.execute(query).fetchall() if row[0])
