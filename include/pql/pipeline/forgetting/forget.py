"""Forget a person: whom a user id or an address means in, what there is (or was) of them by place out.

Their rows go everywhere, so an account's past figures are what its other users did. What stays is a list of salted
hashes in the lake: a source that brings the same export again does not bring them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime

import duckdb

from pql import features, store
from pql.lake.forgetting import who as whom
from pql.lake.forgetting.traces import Traces
from pql.pipeline.forgetting import ledger as forget_ledger
from pql.pipeline.project import Project


@dataclass(frozen=True)
class Sent:
    """One thing that is out of reach: a message or a record elsewhere that may name them."""

    destination: str
    kind: str
    receipt: Mapping[str, object]


@dataclass(frozen=True)
class Forgetting:
    """Whom it is about, what is (or was) there, what is left after erasing, and what is out of reach."""

    traces: Traces
    lake: Mapping[str, int]
    ledger: Mapping[str, int]
    sent: Sequence[Sent]
    left: Mapping[str, int] = field(default_factory=dict)


def find(project: Project, who: str, *, now: datetime) -> Forgetting:
    """What a user id (or `anon:<visitor>`, or an e-mail address) means and how much there is; changes nothing."""
    with closing(project.lake.connect()) as lake:
        traces = traces_of(project, lake, who, now)
        in_lake = project.lake.find_person(lake, traces)
    with store.reading(project.engine) as connection:
        found = forget_ledger.find(connection, traces)
        sent = [Sent(*each) for each in forget_ledger.sent(connection, traces)]
    return Forgetting(traces, in_lake, found, sent)


def forget(project: Project, who: str, *, now: datetime) -> Forgetting:
    """Erase them from lake and ledger and keep them out; `left` is what a scan afterwards still finds (nothing).

    Nothing may run meanwhile: a run that has read them could write them down again. Doing it again is safe, and
    finishes one that was cut short, whichever name of theirs is given.
    """
    found = find(project, who, now=now)
    project.lake.begin_forgetting(found.traces)
    project.lake.change_forgotten(add=found.traces.listed)
    with closing(project.lake.connect()) as lake:
        in_lake = project.lake.erase_person(lake, found.traces)
        left = dict(project.lake.find_person(lake, found.traces))
    with store.deciding(project.engine) as connection:
        in_ledger = forget_ledger.erase(connection, found.traces, now=now)
    forget_ledger.compact(project.engine)
    with store.reading(project.engine) as connection:
        left |= forget_ledger.find(connection, found.traces)
    if not left:
        project.lake.end_forgetting(found.traces)
    return replace(found, lake=in_lake, ledger=in_ledger, left=left)


def allow_again(project: Project, who: str) -> None:
    """Take the name off the list: what a source brings of it from now on is kept again."""
    project.lake.change_forgotten(drop=whom.named(who).listed)


def traces_of(project: Project, lake: duckdb.DuckDBPyConnection, who: str, now: datetime) -> Traces:
    """Everything the person is known by: their other ids, devices, addresses, CRM contacts and names."""
    project.lake.prepare(lake, [])
    known = features.identity(lake, now, free_mail_domains=project.free_mail_domains)
    return whom.all_traces(lake, known, who, project.lake.unfinished_forgettings())
