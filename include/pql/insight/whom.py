"""Whom a person means: an account by its key, name or domain."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, time

import pandas as pd
from sqlalchemy import select

from pql import features, store
from pql.definition.model import Definition
from pql.located_yaml import did_you_mean
from pql.pipeline.history import history_start
from pql.pipeline.project import Project
from pql.pipeline.snapshots import panel
from pql.pipeline.unusable import empty_lake
from pql.store.tables import members
from pql.types import UserError

MOST_OFFERED = 5  # names, where many begin alike


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
        raise UserError(f"`{wanted}` may be any of {', '.join(keys[:10])}: name one by its key.")
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


def _nearly(rows: pd.DataFrame, wanted: str) -> str:
    """Names that begin like it, else one written much like it; as the end of an error, "" if there is none."""
    if "attr.name" not in rows:
        return ""
    names = sorted(set(rows["attr.name"].dropna().astype(str)))
    begun = [name for name in names if name.casefold().startswith(wanted.strip().casefold())]
    if 0 < len(begun) <= MOST_OFFERED:
        return f" Did you mean {' or '.join(f'`{name}`' for name in begun)}?"
    hint = did_you_mean(wanted, names, list_all=False)
    return f" {hint[0].upper()}{hint[1:]}" if hint else ""


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
