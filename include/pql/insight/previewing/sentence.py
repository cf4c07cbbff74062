"""A preview in one sentence that a head of sales understands first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pql.destinations.words import count
from pql.insight.previewing.model import Account, Outcome, Side


def sentence(
    unit: str, added: Outcome, removed: Outcome, accounts: Sequence[Account], new: Side, old: Side | None, days: int
) -> str:
    """For example "+14 accounts, −9 (3 of the 9 later bought); 5.2 alerts a day instead of 3.1, at most 17 on …"."""
    if old is None:
        if not new.announced:
            return f"Nobody would have been announced in {count(days, 'day')}"
        who = f"{count(new.announced, unit)} in {count(days, 'day')}{_bought(new.outcome)}"
        return f"{who}; {rate(new.alerts_a_day)} alerts a day{_most(new.most_a_day, new.busiest_day)}"
    return f"{_difference(unit, added, removed, accounts, new)}; {_alerts(new, old)}"


def rate(value: float) -> str:
    """
    >>> rate(5.21), rate(3.0), rate(0.04)
    ('5.2', '3', '0.04')
    """
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.1f}".removesuffix(".0")


def bought(outcome: Outcome) -> str:
    """ "3 of 9; 2 were customers before; the others have had 2 to 29 days"."""
    if outcome.unknown == outcome.accounts:
        return "unknown" if outcome.accounts else "–"
    parts = [f"{outcome.bought} of {outcome.accounts}"]
    if outcome.bought and outcome.median_days_to_buy is not None:
        parts[0] += f" (median {rate(outcome.median_days_to_buy)} days after)"
    if outcome.customers_before:
        parts.append(f"{outcome.customers_before} were customers before")
    if outcome.unknown:
        parts.append(f"{outcome.unknown} unknown")
    if outcome.not_yet:
        parts.append(f"{outcome.not_yet} not yet, {_had(outcome.least_days_had or 0, outcome.most_days_had or 0)}")
    return "; ".join(parts)


def _had(least: int, most: int) -> str:
    """
    >>> _had(2, 29), _had(1, 1), _had(0, 0)
    ('in 2 to 29 days', 'in 1 day', 'less than a day after the alert')
    """
    if most == 0:
        return "less than a day after the alert"
    return f"in {count(most, 'day')}" if least == most else f"in {least} to {count(most, 'day')}"


def moved(accounts: Sequence[Account]) -> tuple[int, int]:
    """How many of the kept the new definition announces on an earlier day, and how many on a later one.

    Who had qualified before the period by one of the two is earlier, or later, by an unknown number of days.
    """
    kept = [a for a in accounts if a.group == "kept"]
    sooner = sum(bool(a.new_silent) or (a.days_sooner or 0) > 0 for a in kept)
    later = sum(bool(a.old_silent) or (a.days_sooner or 0) < 0 for a in kept)
    return sooner, later


def _difference(unit: str, added: Outcome, removed: Outcome, accounts: Sequence[Account], new: Side) -> str:
    if added.accounts or removed.accounts:
        plus = f"+{count(added.accounts, unit)}{_bought(added)}" if added.accounts else f"no {unit} added"
        minus = f"−{removed.accounts:,}{_bought(removed)}" if removed.accounts else "none lost"
        return f"{plus}, {minus}"
    kept = [a for a in accounts if a.group == "kept"]
    if not kept:
        return f"No {unit} added, none lost"
    sooner, later = moved(accounts)
    shifts = [f"{n} {word}" for n, word in ((sooner, "sooner"), (later, "later")) if n]
    return f"The same {count(len(kept), unit)}, " + (" and ".join(shifts) if shifts else "on the same days")


def _alerts(new: Side, old: Side) -> str:
    now, before = rate(new.alerts_a_day), rate(old.alerts_a_day)
    compared = "as before" if now == before else f"instead of {before}"
    return f"{now} alerts a day {compared}{_most(new.most_a_day, new.busiest_day)}"


def _most(count: int, day: date | None) -> str:
    return f", at most {count} on {day}" if day else ""


def _bought(outcome: Outcome) -> str:
    if not outcome.bought and not outcome.not_yet:
        return ""
    return (
        f" ({outcome.bought} of the {outcome.accounts:,} later bought)" if outcome.bought else " (none bought so far)"
    )
