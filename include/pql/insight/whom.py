"""Whom a person means: an account by its key, name or domain."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

import pandas as pd
from sqlalchemy import or_, select

from pql import features, store
from pql.definition.model import Definition
from pql.destinations.words import count, one_line
from pql.located_yaml import quoted
from pql.pipeline.history import history_start
from pql.pipeline.project import Project
from pql.pipeline.snapshots import panel
from pql.pipeline.unusable import empty_lake
from pql.store.instants import to_aware
from pql.store.tables import episodes, members
from pql.types import UserError

MOST_OFFERED = 5  # names, where many begin alike
LEAST_HELD = 3  # letters, to look for inside of names
MOST_TOLD_APART = 10  # accounts of one name
ALIKE = 0.6  # of 1: a name with a slip in it
_ENDING = re.compile(  # of companies' names: who shares one is not alike
    r"(?:[\s,]+(?:ab|ag|bv|co|company|corp|corporation|gmbh|group|holding|inc|incorporated|kg|labs|limited|llc|ltd|nv"
    r"|oy|plc|pty|sa|sarl|sas|se|spa|srl)\.?)+$"
)


def account_key(project: Project, wanted: str, *, now: datetime) -> str:
    """The key of the account a person means: its key, its name or its domain (letter case does not matter).

    Raises UserError when nobody, or more than one, is meant.
    """
    with store.reading(project.engine) as connection:
        if connection.execute(select(members.c.account_key).where(members.c.account_key == wanted).limit(1)).scalar():
            return wanted
    known = _latest(project, now)
    found = _named(known, wanted)
    keys = sorted(set(found["account_key"]))
    if len(keys) > 1:
        raise UserError("\n".join(_told_apart(project, found, wanted)))
    if not keys:
        raise UserError(_nobody(project, wanted, now) + _nearly(known, wanted))
    return str(keys[0])


def account_and_user(project: Project, wanted: str, *, now: datetime) -> tuple[str, str | None]:
    """As `account_key`; and if it is no account that is meant but a user, by key or id, also that user's key.

    Raises UserError when nobody, or more than one, is meant.
    """
    _first(project)  # without a definition there is nothing to say of anybody
    try:
        return account_key(project, wanted, now=now), None
    except UserError:
        found = _user(project, wanted, now)
        if found is None:
            raise
    return found


def called(rows: pd.DataFrame) -> pd.Series[Any]:
    """What people call the account of each row: its name, else its domain; unknown where it has neither.

    A domain of free mail names nobody (as in `plays.alert.name_of`).
    """
    domain = rows["domain"].mask(rows["is_free_mail"].eq(True) | rows["domain"].eq(""))
    if "attr.name" not in rows:
        return domain
    name = rows["attr.name"]
    return name.where(name.notna() & name.ne(""), domain)


def _user(project: Project, wanted: str, now: datetime) -> tuple[str, str] | None:
    name = wanted.strip().removeprefix("user:").casefold()
    with closing(project.lake.connect()) as lake:
        project.lake.prepare(lake, [], [now])
        who = features.identities(lake, [now], free_mail_domains=project.free_mail_domains)[now]
    for column in ("user_id", "raw_id"):
        found = who[who[column].astype("string").str.casefold() == name].drop_duplicates(["user_id", "account_key"])
        if len(found) == 1:
            return str(found["account_key"].iloc[0]), f"user:{found['user_id'].iloc[0]}"
    return None


def _nobody(project: Project, wanted: str, now: datetime) -> str:
    started, day = history_start(project), now.astimezone(project.zone)
    if started is None:
        return empty_lake(project)
    told = f"No account is known as `{wanted}` as of {day:%Y-%m-%d %H:%M}"
    if now <= datetime.combine(started, time(), project.zone):
        return f"{told}: history begins on {started}."
    return f"{told}. Give its key (`pql score` prints them), its name or its domain."


@dataclass(frozen=True)
class _Announced:
    """The newest stay of which somebody was told, with the score it began with."""

    at: datetime
    score: int
    definition: str


def _told_apart(project: Project, rows: pd.DataFrame, wanted: str) -> Iterator[str]:
    """Accounts of one name or domain, a line each: its key and whatever tells it from the others."""
    one_each = rows.sort_values("score", ascending=False, kind="stable").drop_duplicates("account_key")
    yield f"{quoted(wanted)} may be any of {count(len(one_each), 'account')}: name one by its key."
    announced = _announced(project, list(one_each["account_key"]))
    for _, row in one_each.head(MOST_TOLD_APART).iterrows():
        parts = [
            *(
                one_line(row[c])
                for c in ("attr.name", "domain", "size")
                if c in row and pd.notna(row[c]) and row[c] != ""
            ),
            *([count(int(row["attr.employees"]), "employee")] if pd.notna(row.get("attr.employees")) else []),
            _standing(project, row, announced.get(row["account_key"])),
        ]
        yield f"  {one_line(row['account_key'])}  {' · '.join(parts)}"
    if len(one_each) > MOST_TOLD_APART:
        yield f"  … and {len(one_each) - MOST_TOLD_APART} more"


def _standing(project: Project, row: pd.Series[Any], told: _Announced | None) -> str:
    """A score with the definition that gave it: the one which announced the account may not be the first."""
    if told is None:
        return f"score {int(row['score'])} by {_first(project).id} · not announced"
    return f"announced on {told.at.astimezone(project.zone):%Y-%m-%d} with score {told.score} by {told.definition}"


def _announced(project: Project, accounts: Sequence[str]) -> dict[str, _Announced]:
    """The newest announcement of those accounts that had one, of several at once that of the highest score."""
    stay = episodes.c
    query = (
        select(stay.account_key, stay.opened_as_of, stay.score, stay.definition)
        .where(stay.account_key.in_(accounts), or_(stay.silent_reason.is_(None), stay.released_at.is_not(None)))
        .order_by(stay.opened_as_of, stay.score, stay.id)
    )
    with store.reading(project.engine) as connection:
        return {key: _Announced(to_aware(at), *more) for key, at, *more in connection.execute(query)}


def _nearly(rows: pd.DataFrame, wanted: str) -> str:
    """Names that begin like it or hold it, else one written much like it; as the end of an error, "" if none."""
    if "attr.name" not in rows:
        return ""
    names, part = sorted(set(rows["attr.name"].dropna().astype(str))), wanted.strip().casefold()
    begun = [name for name in names if name.casefold().startswith(part)]
    begun = begun or [name for name in names if len(part) >= LEAST_HELD and part in name.casefold()]
    if begun:
        more = f" … ({len(begun) - MOST_OFFERED} more)" if len(begun) > MOST_OFFERED else ""
        return f" Did you mean {' or '.join(map(quoted, begun[:MOST_OFFERED]))}{more}?"
    alike = _alike(wanted, names)
    return f" Did you mean {quoted(alike)}?" if alike else ""


def _alike(wanted: str, names: Sequence[str]) -> str | None:
    """The name written most like it, apart from how companies end.

    >>> _alike("Acne Inc", ["Acme Inc", "Sable Media Inc"]), _alike("Acme Inc", ["Sable Media Inc"])
    ('Acme Inc', None)
    """
    own = {name: _own(name) for name in names}
    nearest = difflib.get_close_matches(_own(wanted), sorted(set(own.values())), n=1, cutoff=ALIKE)
    same = {name.casefold(): name for name in names if own[name] in nearest}
    whole = difflib.get_close_matches(wanted.casefold(), same, n=1, cutoff=0)
    return same[whole[0]] if whole else None


def _own(name: str) -> str:
    """What is left of a name without the words that companies end with.

    >>> _own("Sable Media, Inc."), _own("Labs")
    ('sable media', 'labs')
    """
    return _ENDING.sub("", name.strip().casefold())


def _first(project: Project) -> Definition:
    if not project.definitions:
        raise UserError(f"There is no definition in {project.paths.definitions}.")
    accounts = [d for d in project.definitions if d.subject == "account"]
    return (accounts or list(project.definitions))[0]


def _latest(project: Project, now: datetime) -> pd.DataFrame:
    """Everybody known: the newest nightly snapshot, else computed for `now`."""
    definition = _first(project)
    nights = [night for night in project.lake.list_scores(definition.id, "nightly") if night <= now]
    newest = project.lake.read_scores(definition.id, "nightly", nights[-1]) if nights else None
    if newest is not None:
        return newest
    with closing(project.lake.connect()) as lake:
        return panel(project, lake, definition, [now])


def _named(rows: pd.DataFrame, wanted: str) -> pd.DataFrame:
    text = wanted.strip().casefold()
    exact = rows[rows["account_key"].str.casefold() == text]
    if len(exact):
        return exact
    named = [rows[c].astype("string").str.casefold() == text for c in ("attr.name", "domain") if c in rows]
    matches = pd.concat(named, axis=1).fillna(False).any(axis=1) if named else pd.Series(False, index=rows.index)
    return rows[matches]
