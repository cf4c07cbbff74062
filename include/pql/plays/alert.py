"""One scored row in, everything its message says out (PRODUCT-A2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pql.definition.model import Definition, Play, Trigger
from pql.scoring import reasons
from pql.scoring.reasons import is_unknown
from pql.scoring.wording import humanise, number
from pql.types import Alert, Champion

Row = Mapping[str, Any]
QUALIFIED = "just qualified"


def alert(
    definition: Definition,
    row: Row,
    *,
    headline: str = QUALIFIED,
    champions: Sequence[Champion] = (),
    next_step: str = "",
    timezone: str = "UTC",
) -> Alert:
    """The alert of one row of `score(…)`; deltas are its columns `score_delta_night` and `_week`, if it has them.

    `timezone` is the project's: the trial's day is a local date (SEM-T1).
    """
    size_unknown = bool(row["size_unknown"])
    kind: Literal["company", "contact", ""] = _text(row, "crm_kind")  # type: ignore[assignment]  # features' three
    return Alert(
        headline=headline,
        definitions=(definition.id,),
        titles=(definition.title,),
        subject_key=row["subject_key"],
        account_key=row["account_key"],
        account_name=name_of(definition, row, champions),
        as_of=as_of(row).isoformat(),
        score=int(row["score"]),
        activation_pct=int(row["activation_pct"]) if definition.stages else None,
        grade=row["grade"],
        grade_10=int(row["grade_10"]),
        score_delta_night=_whole(row.get("score_delta_night")),
        score_delta_week=_whole(row.get("score_delta_week")),
        size=row["size"],
        size_unknown=size_unknown,
        employees=_whole(row.get("attr.employees")),
        trial_day=_trial_day(row, timezone),
        plan=_text(row, "plan"),
        owner_email=_text(row, "owner_email"),
        owner_name=_text(row, "owner_name"),
        crm_id=_text(row, "crm_id"),
        crm_kind=kind,
        company_id=_text(row, "company_id"),
        domain=_text(row, "domain"),
        reasons=reasons(definition, row),
        champions=tuple(champions),
        next_step=next_step,
        flags=_flags(definition, row),
    )


def headline(play: Play, row: Row) -> str:
    """What happened, in the words that follow the account's name."""
    on = play.on
    moved = row.get(f"trigger_by.{play.id}")
    match on.kind:
        case "score_up" | "score_down":
            by = abs(on.by or 1) if is_unknown(moved) else abs(float(moved or 0))
            return f"score {'up' if on.kind == 'score_up' else 'down'} {number(by)}{_within(on)}"
        case "stage":
            return f"reached “{on.stage}”"
        case "near_limit":
            return f"is near a limit: {_limit(on, row)}"
        case "gone_quiet":
            return "has gone quiet"
        case "stuck":
            return "is stuck in onboarding"
        case "left":
            return "no longer qualifies"
        case "newly_qualified":
            return QUALIFIED


def _within(on: Trigger) -> str:
    return "" if on.in_days is None else " in a day" if on.in_days == 1 else f" in {on.in_days} days"


def _limit(on: Trigger, row: Row) -> str:
    value = row.get(f"signal.{on.signal}")
    name = humanise(str(on.signal)).removesuffix(" pct")
    return f"{name} {UNKNOWN if is_unknown(value) else number(float(str(value)))} %"


UNKNOWN = "unknown"


def name_of(definition: Definition, row: Row, champions: Sequence[Champion] = ()) -> str:
    """What people call the subject: the account's name, else its domain, else its key; a user with the account's.

    A domain of free mail names nobody: an account of one without a name goes by what its only user is called.
    """
    kind, _, key = str(row["account_key"]).partition(":")
    alone = champions[0].name if kind == "user" and champions else ""
    domain = "" if row.get("is_free_mail") else _text(row, "domain")
    account = _text(row, "name") or domain or alone or key
    if definition.subject == "account":
        return account
    user = _text(row, "user.name") or _text(row, "user.email") or str(row["subject_key"]).split(":", 1)[-1]
    return user if account in (user, str(row["subject_key"]).split(":", 1)[-1]) else f"{user} ({account})"


def as_of(row: Row) -> datetime:
    """The row's as-of moment as an aware UTC instant."""
    at = row["as_of"]
    naive: datetime = at.to_pydatetime() if hasattr(at, "to_pydatetime") else at
    return naive.replace(tzinfo=UTC) if naive.tzinfo is None else naive


def _trial_day(row: Row, timezone: str) -> int | None:
    signup = row.get("signup_day")
    if signup is None or is_unknown(signup):
        return None
    today = (as_of(row) - timedelta(microseconds=1)).astimezone(ZoneInfo(timezone)).date()
    first = signup.date() if isinstance(signup, datetime) else signup
    assert isinstance(first, date)
    return (today - first).days + 1


def _flags(definition: Definition, row: Row) -> tuple[str, ...]:
    flags = [f"size unknown, treated as {row['size']}"] if bool(row["size_unknown"]) else []
    if row.get("crm_backdated") is not None and bool(row["crm_backdated"]):
        flags.append("CRM attributes are of a later date")
    short = [humanise(s.name) for s in definition.signals if _is_true(row.get(f"short.{s.name}"))]
    if short:
        flags.append(f"history too short for {', '.join(short)}")
    return tuple(flags)


def _is_true(value: object) -> bool:
    return not is_unknown(value) and bool(value)


def _text(row: Row, attribute: str) -> str:
    value = row.get(f"attr.{attribute}")
    return "" if is_unknown(value) else str(value)


def _whole(value: object) -> int | None:
    return None if is_unknown(value) else round(float(str(value)))
