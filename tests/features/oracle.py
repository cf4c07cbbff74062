"""The rules once more, as plainly as possible: raw events at one moment in, one dict per subject out.

Nothing is shared with the room: no windows as positions, no running totals, no SQL. Slow and obvious.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from tests.features.conftest import FREE, Event, World

from pql.definition.model import All as AllOf
from pql.definition.model import Any as AnyOf
from pql.definition.model import Compare, Condition, Definition, Signal

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Seen:
    """An event with the user and account it counts for."""

    event: Event
    user: str
    account: str


@dataclass
class Oracle:
    """The world as known at `moment`."""

    world: World
    definition: Definition
    moment: datetime

    # --- who (SEM-W3) ---

    @cached_property
    def events(self) -> list[Event]:
        return sorted((e for e in self.world.events if e.at < self.moment), key=lambda e: e.at)

    @cached_property
    def parents(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for _, source, target in sorted((at, a, b) for a, b, at in self.world.all_links() if at < self.moment):
            if source not in found and self._end(found, target) != source:
                found[source] = target
        return found

    @staticmethod
    def _end(parents: dict[str, str], raw: str) -> str:
        while raw in parents:
            raw = parents[raw]
        return raw

    def user(self, raw: str) -> str | None:
        end = self._end(self.parents, raw)
        return None if end.startswith("anon:") else end

    def email(self, user: str) -> str | None:
        told = [(at, v) for k, i, n, v, at in self.world.traits if (k, n) == ("user", "email") and self.user(i) == user]
        told = [(at, v) for at, v in told if at < self.moment]
        return max(told)[1].strip('"').lower() if told else None

    def version(self, kind: str, **wanted: object) -> list[dict[str, object]]:
        valid = [r for r in self.world.crm[kind] if r["valid_from"] <= self.moment < r["valid_to"]]
        return [r for r in valid if all(r.get(k) == v for k, v in wanted.items())]

    def company(self, user: str) -> str | None:
        email = self.email(user)
        if email is None:
            return None
        contacts = sorted(self.version("contacts", email=email), key=lambda r: (r.get("account_id") is None, r["id"]))
        if contacts and contacts[0].get("account_id"):
            return contacts[0]["account_id"]
        domain = email.split("@")[1]
        companies = [] if domain in FREE else sorted(self.version("accounts", domain=domain), key=lambda r: r["id"])
        return companies[0]["id"] if companies else None

    def home(self, user: str) -> str:
        hints = [(e.at, e.hint) for e in self.events if e.hint and self.user(e.raw_id) == user]
        if hints:
            return f"org:{max(hints)[1]}"
        company = self.company(user)
        if company is not None:
            own = [
                r["external_account_id"] for r in self.version("accounts", id=company) if r.get("external_account_id")
            ]
            return f"org:{own[0]}" if own else f"crm:{company}"
        domain = (self.email(user) or "@").split("@")[1]
        return f"domain:{domain}" if domain and domain not in FREE else f"user:{user}"

    @cached_property
    def seen(self) -> list[Seen]:
        who = [(e, self.user(e.raw_id)) for e in self.events]
        homes = {u: self.home(u) for _, u in who if u is not None}
        return [Seen(e, u, f"org:{e.hint}" if e.hint else homes[u]) for e, u in who if u is not None]

    def subjects(self) -> dict[str, list[Seen]]:
        found: dict[str, list[Seen]] = {}
        for s in self.seen:
            found.setdefault(s.account if self.definition.subject == "account" else f"user:{s.user}", []).append(s)
        return found

    # --- when (SEM-T3, T4, T6) ---

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.world.timezone)).date()

    def signup(self, seen: list[Seen], at: datetime) -> datetime:
        return min(
            self.user_signup([s for s in seen if s.user == u], at) for u in {s.user for s in seen if s.event.at < at}
        )

    def user_signup(self, seen: list[Seen], at: datetime) -> datetime:
        known = [s.event for s in seen if s.event.at < at]
        signed_up = [e.at for e in known if e.name == "Signed Up"]
        raws = {e.raw_id for e in (s.event for s in seen)}
        traits = [(t, v) for k, i, n, v, t in self.world.traits if n == "signup_at" and i in raws and t < at]
        if signed_up:
            return min(signed_up)
        if traits:
            return datetime.fromisoformat(max(traits)[1].strip('"'))
        return min(e.at for e in known)

    # --- measures at an instant (SEM-M1) ---

    def value(self, signal: Signal, seen: list[Seen], at: datetime) -> float | None:
        seen = [s for s in seen if s.event.at < at]
        signup = self.signup(seen, at)
        if signal.per_user is None:
            return self.measure(signal, seen, at, signup, signup)
        met = 0
        for user in {s.user for s in seen}:
            own = [s for s in seen if s.user == user]
            value = self.measure(signal, own, at, signup, self.user_signup(own, at))
            low, high = signal.per_user.min, signal.per_user.max
            met += value is not None and (low is None or value >= low) and (high is None or value <= high)
        return float(met)

    def measure(
        self, signal: Signal, seen: list[Seen], at: datetime, signup: datetime, own_signup: datetime
    ) -> float | None:
        names = {n for event in signal.events for n in self.definition.event(event).match.events}
        today = self.day(at - timedelta(microseconds=1))
        named = [s for s in seen if s.event.name in names]
        inside = [s for s in named if self.within(signal, self.day(s.event.at), today, self.day(signup))]
        values = [Decimal(s.event.value) for s in inside if s.event.value is not None]
        match signal.measure:
            case "count":
                return float(len(inside))
            case "active_days":
                return float(len({self.day(s.event.at) for s in inside}))
            case "users":
                return float(len({s.user for s in inside}))
            case "sum":
                return float(sum(values, Decimal(0)))
            case "average":
                return float(sum(values, Decimal(0))) / len(values) if values else None
            case "distinct" if signal.property:
                return float(len({s.event.item for s in inside if s.event.item is not None}))
            case "distinct":
                return float(len({s.event.name for s in inside}))
            case "sessions":
                return float(sum(self.world._starts_session(s.event, names) for s in inside))
            case "minutes":
                return round(sum(self.world.gap_minutes(s.event, names) for s in inside), 6)
            case "days_since":
                newest = max((self.day(s.event.at) for s in named), default=self.day(own_signup))
                return float((today - newest).days)
            case "time_to":
                first = min((s.event.at for s in named), default=None)
                return None if first is None else max((first - own_signup).total_seconds() / 3600, 0.0)
            case "change":
                days = [(today - self.day(s.event.at)).days for s in named]
                now, before = (sum(lo <= d < lo + signal.window.days for d in days) for lo in (0, signal.window.days))
                return None if before < 10 else (now - before) / before * 100
        raise AssertionError(signal.measure)

    @staticmethod
    def within(signal: Signal, day: date, today: date, signup: date) -> bool:
        days = signal.window.days
        if signal.window.kind == "last":
            return today - (days - 1) * DAY <= day <= today
        if signal.window.kind == "first":
            return signup <= day < signup + days * DAY
        return True

    # --- stages (SEM-A1) ---

    def stage(self, condition: Condition, seen: list[Seen]) -> datetime | None:
        named = {n for event in self.definition.events for n in event.match.events}
        for day in sorted({self.day(s.event.at) for s in seen if s.event.name in named}):
            nxt = day + DAY
            end = min(datetime(nxt.year, nxt.month, nxt.day, tzinfo=ZoneInfo(self.world.timezone)), self.moment)
            if self.holds(condition, seen, end):
                about = {n for e in self.about(condition) for n in self.definition.event(e).match.events}
                on_day = [s.event for s in seen if self.day(s.event.at) == day and s.event.name in named]
                return min([e.at for e in on_day if e.name in about] or [e.at for e in on_day])
        return None

    def about(self, condition: Condition) -> set[str]:
        if isinstance(condition, Compare):
            return set(self.definition.signal(condition.name).events)
        parts = condition.of if isinstance(condition, AllOf | AnyOf) else (condition.of,)
        return {event for part in parts for event in self.about(part)}

    def holds(self, condition: Condition, seen: list[Seen], at: datetime) -> bool | None:
        if isinstance(condition, Compare):
            value = self.value(self.definition.signal(condition.name), seen, at)
            if value is None:
                return None
            low, high = condition.min, condition.max
            return (low is None or value >= low) and (high is None or value <= high)
        if isinstance(condition, AllOf | AnyOf):
            parts = [self.holds(part, seen, at) for part in condition.of]
            decisive = isinstance(condition, AnyOf)
            return decisive if decisive in parts else None if None in parts else not decisive
        inner = self.holds(condition.of, seen, at)
        return None if inner is None else not inner

    # --- the row ---

    def rows(self) -> dict[str, dict[str, object]]:
        return {key: self.row(key, seen) for key, seen in self.subjects().items()}

    def row(self, key: str, seen: list[Seen]) -> dict[str, object]:
        active = {n for e in self.definition.events if not e.passive for n in e.match.events}
        account = key if self.definition.subject == "account" else self.home(key[5:])
        stages = {s.name: self.stage(s.when, seen) for s in self.definition.stages}
        signup = self.signup(seen, self.moment)
        members = {s.user for s in self.seen if s.account == account}
        if self.definition.subject == "user":
            members = {s.user for s in self.seen if self.home(s.user) == account}
        row: dict[str, object] = {
            "account_key": account,
            "signup_at": signup,
            "signup_day": self.day(signup),
            "first_seen_at": min(s.event.at for s in seen),
            "last_active_at": max((s.event.at for s in seen if s.event.name in active), default=None),
            "users": len(members),
            "attr.company_id": self.account_company(account),
        }
        for signal in self.definition.signals:
            if signal.stage is None:
                row[f"signal.{signal.name}"] = self.value(signal, seen, self.moment)
            else:
                at = stages[signal.stage]
                row[f"signal.{signal.name}"] = at and max((at - signup).total_seconds() / 3600, 0.0)
            if signal.window.kind == "first":
                row[f"not_yet.{signal.name}"] = self.day(self.moment) < self.day(signup) + signal.window.days * DAY
        for i, stage in enumerate(self.definition.stages):
            row[f"stage_at.{i}"] = stages[stage.name]
        return row

    def account_company(self, account: str) -> str | None:
        if account.startswith("crm:"):
            return account[4:]
        if not account.startswith("org:"):
            return None
        own = sorted(r["id"] for r in self.version("accounts", external_account_id=account[4:]))
        votes = Counter(c for u in {s.user for s in self.seen if s.account == account} if (c := self.company(u)))
        return own[0] if own else min(votes, key=lambda c: (-votes[c], c), default=None)
