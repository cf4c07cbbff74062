"""A scored snapshot and the ledger's facts in, decisions out: who opens, who leaves, which plays fire (SEM-Q4, D1–D6).

Level-triggered: it looks at who is qualified now and has no open episode, so deciding again changes nothing, and a
failed run is healed by the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pql.definition.model import Definition
from pql.qualification.model import (
    Baseline,
    Closed,
    Decided,
    Decisions,
    Facts,
    OccurrenceClosed,
    OccurrenceFalse,
    OccurrenceOpened,
    Opened,
    OpenEpisode,
    SilentReason,
    SubjectFacts,
    Unqualified,
)
from pql.qualification.occurrences import Moment, decide_play
from pql.qualification.past import crm_blocked
from pql.qualification.standing import Row, is_active, is_cooling, is_freed, parting, returns_after
from pql.scoring.values import column


@dataclass(frozen=True)
class Run:
    """What is the same for every subject of this evaluation."""

    definition: Definition
    facts: Facts
    as_of: datetime
    now: datetime
    complete: bool
    is_first: bool
    taken_back: Collection[tuple[int, str]] = ()


@dataclass
class _Log:
    opened: list[Opened] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    unqualified: list[Unqualified] = field(default_factory=list)
    changes: list[OccurrenceOpened | OccurrenceClosed | OccurrenceFalse] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    kept_newer: list[str] = field(default_factory=list)


def decide(
    definition: Definition,
    snapshot: pd.DataFrame,
    facts: Facts,
    *,
    as_of: datetime,
    now: datetime,
    complete: bool,
    baseline: Baseline,
    horizon: timedelta,
    taken_back: Collection[tuple[int, str]] = (),
) -> Decisions:
    """What this evaluation means for the ledger; it reads nothing else and writes nothing.

    `snapshot`: `moments.with_past(…)`, one row per evaluated subject, all at `as_of`. `complete`: the sources are
    complete to `as_of`. `taken_back`: (episode, subject key) of stays that by corrected data had never begun; they end
    as retracted if the sources are complete. Nothing is decided for a draft, beyond the horizon, or hourly before the
    baseline; then `why_nothing` says so.
    """
    live = definition.status == "live" and as_of >= now - horizon
    why = _why_nothing(definition, live, baseline)
    run = Run(definition, facts, as_of, now, complete, is_first=baseline == "is_first", taken_back=taken_back)
    result = Decisions(definition.id, definition.rules_hash, as_of, live=live, why_nothing=why)
    if why:
        return result
    log = _Log()
    for row, holds, held in _rows(snapshot, run):
        _decide_subject(row, holds, held, run, log)
    return replace(
        result,
        is_baseline=run.is_first,
        opened=tuple(log.opened),
        closed=tuple(log.closed),
        unqualified=tuple(log.unqualified),
        occurrences_opened=tuple(c for c in log.changes if isinstance(c, OccurrenceOpened)),
        occurrences_closed=tuple(c for c in log.changes if isinstance(c, OccurrenceClosed)),
        occurrences_false=tuple(c for c in log.changes if isinstance(c, OccurrenceFalse)),
        decided=tuple(log.decided),
        kept_newer=tuple(log.kept_newer),
    )


def _why_nothing(definition: Definition, live: bool, baseline: Baseline) -> str:
    if definition.status != "live":
        return str(definition.status)
    if not live:
        return "older than the horizon"
    return "before the baseline" if baseline == "none" else ""


def _rows(snapshot: pd.DataFrame, run: Run) -> Iterator[tuple[Row, dict[str, bool], dict[str, bool]]]:
    plays = [p.id for p in run.definition.plays if p.on.kind != "newly_qualified"]
    only_ok = snapshot["only_ok"].astype("object")
    fields = zip(
        snapshot["subject_key"],
        snapshot["account_key"],
        snapshot["qualified"].to_numpy(dtype=bool).tolist(),
        snapshot["qualified_surely"].to_numpy(dtype=bool).tolist(),
        snapshot["was_qualified"].to_numpy(dtype=bool).tolist(),
        snapshot["excluded"].to_numpy(dtype=bool).tolist(),
        [None if pd.isna(v) else bool(v) for v in only_ok],
        crm_blocked(snapshot, run.as_of).to_numpy(dtype=bool).tolist(),
        _instants(column(snapshot, "attr.snooze_until")),
        _instants(column(snapshot, "attr.last_won_at")),
        snapshot["score"].astype("int64").tolist(),
        strict=True,
    )
    holds = [snapshot[f"trigger.{p}"].to_numpy(dtype=bool) for p in plays]
    held = [snapshot[f"trigger_was.{p}"].to_numpy(dtype=bool) for p in plays]
    for i, values in enumerate(fields):
        yield (
            Row(*values),
            {p: bool(h[i]) for p, h in zip(plays, holds, strict=True)},
            {p: bool(h[i]) for p, h in zip(plays, held, strict=True)},
        )


def _instants(values: pd.Series) -> list[datetime | None]:
    """Naive UTC column → aware UTC instants; None where there is none."""
    instants = pd.to_datetime(values, errors="coerce").astype("datetime64[us]")
    missing = instants.isna().to_numpy(dtype=bool)
    plain = np.asarray(instants.to_numpy(dtype="datetime64[us]")).tolist()
    return [None if gone else at.replace(tzinfo=UTC) for at, gone in zip(plain, missing, strict=True)]


def _decide_subject(row: Row, holds: dict[str, bool], held: dict[str, bool], run: Run, log: _Log) -> None:
    known = run.facts.subject(row.subject_key)
    if known.decided_as_of is not None and known.decided_as_of > run.as_of:
        log.kept_newer.append(row.subject_key)
        return
    blocks = run.facts.blocks.get(row.account_key, ())
    blocked = row.crm_blocked or any(is_active(block, run.as_of, run.now) for block in blocks)
    may_enter = not blocked and not row.excluded and row.only_ok is True
    eligible = may_enter and not is_cooling(known.last_closed, run.as_of)
    silent = _silent(row, run)
    if known.open is not None:
        left, is_open = _stay(row, known.open, blocked, run, log)
    else:
        left, is_open = False, _enter(row, known, eligible, silent, run, log)
    moment = Moment(row.subject_key, row.account_key, run.as_of, run.complete, may_enter, silent)
    has_left = left or (not is_open and _left_before(known))
    for play in run.definition.plays:
        if play.on.kind == "newly_qualified":
            continue
        is_true = holds[play.id] and (play.on.kind != "left" or has_left)
        if play.on.kind == "left" and is_true and not left and not _is_open_occurrence(known, play.id):
            continue  # it left before; a play is told when it happens, not afterwards
        change = decide_play(play, is_true, held[play.id], known, moment)
        if change is not None:
            log.changes.append(change)
    log.decided.append(Decided(row.subject_key, row.account_key, run.as_of, row.qualified, eligible))


def _silent(row: Row, run: Run) -> SilentReason | None:
    if run.is_first:
        return "baseline"
    return "identity" if row.subject_key in run.facts.rekeyed else None


def _left_before(known: SubjectFacts) -> bool:
    return known.open is None and known.last_closed is not None and known.last_closed.close_reason == "left"


def _is_open_occurrence(known: SubjectFacts, play: str) -> bool:
    return any(o.play == play for o in known.occurrences)


def _stay(row: Row, episode: OpenEpisode, blocked: bool, run: Run, log: _Log) -> tuple[bool, bool]:
    """Whether the open episode ends, and how (SEM-Q4). → (left the quiet way, still open)."""
    reason = parting(row, episode, blocked)
    since = episode.unqualified_since
    if reason is None and not row.qualified and run.complete and (episode.id, row.subject_key) in run.taken_back:
        reason = "retracted"
    elif reason is None and not row.qualified and run.complete:
        since = since or run.as_of
        if run.as_of - since >= timedelta(days=run.definition.leave_after_days):
            reason = "left"
    elif row.qualified:
        since = None
    if reason is not None:
        until = returns_after(reason, run.as_of, timedelta(days=run.definition.return_after_days))
        log.closed.append(Closed(episode.id, row.subject_key, row.account_key, run.as_of, reason, until))
        return reason == "left", False
    if since != episode.unqualified_since:
        log.unqualified.append(Unqualified(episode.id, row.subject_key, since))
    return False, True


def _enter(row: Row, known: SubjectFacts, eligible: bool, silent: SilentReason | None, run: Run, log: _Log) -> bool:
    """Whether an episode opens (SEM-D3). → it is open now."""
    if not (row.qualified and eligible and (run.complete or row.qualified_surely)):
        return False
    stale_after = timedelta(days=run.definition.stale_after_days)
    blocks = run.facts.blocks.get(row.account_key, ())
    if silent is None and row.was_qualified and not is_freed(row, blocks, known.last_closed, run.as_of, stale_after):
        silent = "stale"
    log.opened.append(Opened(row.subject_key, row.account_key, run.as_of, silent is None, silent, row.score))
    return True
