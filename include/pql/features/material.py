"""Everything a computation measures from, fetched once: `f_part` and the view `usage` in, a `Material` out."""

from __future__ import annotations

from pql.definition.model import Definition, Signal
from pql.features.clock import Clock
from pql.features.measures import USAGE_MEASURES, Material, active_keys, sightings, wants_of
from pql.features.rows import Usage, Want
from pql.features.scratch import Scratch
from pql.features.signup import SIGNUP_EVENT, read_signups
from pql.features.stages import stage_wants
from pql.features.subjects import Subjects
from pql.usage import needs_of


def fetch_material(
    scratch: Scratch, definition: Definition, clock: Clock, timezone: str, subjects: Subjects
) -> Material:
    """Read the daily rows, sightings and signups of the members in `f_part`."""
    by_hint = definition.subject == "account"
    usage = Usage(scratch, clock, frozenset(need.key for need in needs_of(definition)), by_hint=by_hint)
    measured = [s for s in definition.signals if s.measure in USAGE_MEASURES or (s.measure == "time_to" and s.events)]
    by_stay = usage.rows("stay", _stay_wants(definition, measured))
    by_member = usage.rows("member", _member_wants(definition, measured))
    return Material(
        definition,
        clock,
        timezone,
        subjects,
        read_signups(scratch, clock, usage.first_at(_signup_key(definition)), by_hint=by_hint),
        by_stay,
        by_member,
        sightings(usage, definition, measured, by_member, subjects.member_stay),
    )


def half_life_signals(definition: Definition) -> tuple[Signal, ...]:
    """The signals whose points fade, so that their newest event matters (SEM-S1)."""
    lines = [line for group in definition.score.groups for line in group.lines if line.half_life_days is not None]
    names = dict.fromkeys(line.signal for line in lines)
    return tuple(s for s in map(definition.signal, names) if s.measure in USAGE_MEASURES)


def event_keys(definition: Definition, signal: Signal) -> frozenset[str]:
    """The plain usage of the signal's events, also where it is computed from a table of its own."""
    return frozenset(definition.event(name).match.key for name in signal.events)


def _stay_wants(definition: Definition, measured: list[Signal]) -> set[Want]:
    wants = {want for s in measured if s.per_user is None for want in wants_of(definition, s)}
    dated = [active_keys(definition), *(event_keys(definition, s) for s in half_life_signals(definition))]
    wants |= {Want(keys, field) for keys in dated if keys for field in ("count", "last")}
    if definition.stages:
        wants |= stage_wants(definition)
    return wants


def _member_wants(definition: Definition, measured: list[Signal]) -> set[Want]:
    return {w for s in measured if s.per_user is not None or s.measure == "users" for w in wants_of(definition, s)}


def _signup_key(definition: Definition) -> str | None:
    return next((event.match.key for event in definition.events if event.name == SIGNUP_EVENT), None)
