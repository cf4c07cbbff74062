"""A preview as text for a terminal: the sentence first, then the figures of both, segments, and who differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from pql.cli.output import Format, show
from pql.destinations.words import count
from pql.insight import Preview
from pql.insight.previewing.model import Account, Outcome, Side
from pql.insight.previewing.page import became, found_at, is_moved
from pql.insight.previewing.sentence import bought, rate


def print_preview(found: Preview, top: int, zone: ZoneInfo | None) -> None:
    """Print it, with at most `top` accounts of each group (0: all)."""
    print("\n".join(_head(found)), end="\n\n")
    show(list(_figures(found)), Format.table)
    if len(found.segments) > 1:
        print(f"\nBy {found.segments_by}")
        show([_segment(found, each.__dict__) for each in found.segments], Format.table)
    for group, title in _titles(found).items():
        accounts = [a for a in found.accounts if a.group == group and (group != "kept" or is_moved(a))]
        _list(found, group, title, accounts, top, zone)
    for note in found.notes:
        print(f"\nNote: {note}")


def _head(found: Preview) -> Iterator[str]:
    new, old = found.new, found.old
    yield f"{new.title}, {found.first_day} to {found.last_day}, looked at every {found.every}"
    yield f"new: {_called(new)}"
    if old:
        yield f"old: {_called(old)}"
    yield ""
    yield found.sentence


def _called(side: Side) -> str:
    return f"{side.definition}, {side.status}, version {side.version} ({side.path})"


def _figures(found: Preview) -> Iterator[dict[str, Any]]:
    sides = {"new": found.new, **({"old": found.old} if found.old else {})}

    def row(title: str, told: Any) -> dict[str, Any]:
        return {"": title} | {name: told(side) for name, side in sides.items()}

    yield row(f"{found.unit}s announced", lambda s: str(s.announced))
    if found.outcome_known_to:
        yield row("  of these bought afterwards", lambda s: bought(s.outcome))
    yield row("alerts a day, on average", lambda s: rate(s.alerts_a_day))
    yield row("  median", lambda s: rate(s.median_a_day))
    yield row("  at most", lambda s: f"{s.most_a_day} on {s.busiest_day}" if s.busiest_day else "0")
    yield row("  by other triggers alone, in all", lambda s: str(s.other_alerts))
    yield row("days over the storm cap", lambda s: str(s.days_over_cap))
    yield row("qualified before, silent", lambda s: str(s.already_qualified))


def _segment(found: Preview, segment: dict[str, Any]) -> dict[str, Any]:
    if found.old is None:
        return {found.segments_by: segment["name"], "announced": segment["new"], "bought": segment["new_bought"]}
    return {found.segments_by: segment["name"], **{k: v for k, v in segment.items() if k != "name"}}


def _titles(found: Preview) -> dict[str, str]:
    if found.old is None:
        return {"added": "Announced"}
    moved = f"{found.sooner} sooner, {found.later} later"
    return {"added": "Added", "removed": "Removed", "kept": f"Kept: {found.kept.accounts}, of which {moved}"}


def _list(found: Preview, group: str, title: str, accounts: list[Account], top: int, zone: ZoneInfo | None) -> None:
    if not accounts:
        return
    outcome: Outcome = getattr(found, group)
    said = "" if group == "kept" else f": {count(outcome.accounts, found.unit)}"
    said += f"; bought afterwards: {bought(outcome)}" if found.outcome_known_to else ""
    print(f"\n{title}{said}")
    because = {"added": found.added_because, "removed": found.removed_because}.get(group, ())
    other = "old" if group == "added" else "new"
    for cause in because:
        print(f"  the {other} one asks for: {cause.text} ({cause.accounts})")
    shown = accounts[: top or None]
    show([_row(found, account, zone) for account in shown], Format.table)
    if len(shown) < len(accounts):
        print(f"… and {len(accounts) - len(shown)} more (--top 0 prints all)")


def _row(found: Preview, account: Account, zone: ZoneInfo | None) -> dict[str, Any]:
    old = {"old": found_at(account.old_day, account.old_at, account.old_silent, zone)} if found.old else {}
    segment = {found.segments_by: account.segment} if len(found.segments) > 1 else {}
    return {
        "name": account.name,
        "key": account.subject_key,
        **segment,
        "new": found_at(account.new_day, account.new_at, account.new_silent, zone),
        **old,
        "score": account.score,
        **({"afterwards": became(account)} if found.outcome_known_to else {}),
        "why": " · ".join(account.reasons),
    }
