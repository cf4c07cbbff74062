"""What happens in the simulated product: (seed, day) in, that day's events out, each with when it arrives.

The events of a day depend on the seed and the day alone. Nearly all arrive within a minute; up to 2 % up to 36 hours
late and up to 1 % twice, as a mobile client on a bad line would send them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from pql.sandbox import names
from pql.sandbox.company import DAY, HOUR, MINUTE, Account, Person, accounts_of, day_of, is_weekend
from pql.sandbox.residents import residents

LIFE_BEFORE, LIFE_AFTER = 52, 29  # days an account may live before and after its turning point
LATE_SHARE, DOUBLE_SHARE = 0.012, 0.006
WORK_HOURS = (8, 9, 9, 10, 10, 11, 13, 14, 14, 15, 16, 17, 19)


@dataclass(frozen=True)
class Sent:
    """One line of the export: an event and the second from which the export has it."""

    arrives_at: int
    time: int
    event: str
    line: str  # JSON, `time` in seconds


@lru_cache(maxsize=10)
def events_of(seed: int, day: int) -> tuple[Sent, ...]:
    """Everything that happens on that UTC day, in order of arrival, whether or not it has arrived yet."""
    return tuple(sorted(_generate(seed, day), key=lambda sent: (sent.arrives_at, sent.line)))


def alive_on(seed: int, day: int) -> list[Account]:
    """Accounts that may do something on that day."""
    born = [a for d in range(day - LIFE_AFTER, day + LIFE_BEFORE + 1) for a in accounts_of(seed, d)]
    return [a for a in (*residents(seed), *born) if day_of(a.signup_at) - 4 <= day <= day_of(a.ends_at)]


def _generate(seed: int, day: int) -> list[Sent]:
    lines: list[Sent] = []
    for account in alive_on(seed, day):
        diary = _Diary(account, day, Random(f"{seed}|{account.key}|{day}"))  # noqa: S311 - a simulation
        diary.write()
        lines += diary.lines
    return lines


class _Diary:
    """What one account does on one day."""

    def __init__(self, account: Account, day: int, rng: Random) -> None:
        self.account, self.day, self.rng = account, day, rng
        self.start, self.end = day * DAY, (day + 1) * DAY - 1
        self.lines: list[Sent] = []

    def write(self) -> None:
        self._visits_before_signup()
        for person in self.account.people:
            if self.start <= person.joined_at <= self.end:
                self._joins(person)
            if person.joined_at <= self.end:
                self._works(person)
        self._milestones()

    def _visits_before_signup(self) -> None:
        founder = self.account.people[0]
        first_visit = founder.joined_at - (founder.joined_at * 7 % (3 * DAY)) - 20 * MINUTE
        for at, path in ((first_visit, "/"), (founder.joined_at - 4 * MINUTE, "/signup")):
            if self.start <= at <= self.end and self.account.kind not in ("customer", "inhouse"):
                self._log(founder, "Page View", at, f'"path":"{path}"', known=False)

    def _joins(self, person: Person) -> None:
        at, founder = person.joined_at, self.account.people[0]
        if person is not founder:
            self._log(founder, "Invite Sent", at - self.rng.randrange(MINUTE, 50 * MINUTE), '"status":"sent"')
            self._log(founder, "Invite Sent", at, '"status":"accepted"')
        self._log(person, "$identify", at, f'"$identified_id":"{person.user_id}","$anon_id":"{person.device_id}"')
        self._log(person, "Signed Up", at + 2, '"source":"' + ("invite" if person is not founder else "web") + '"')

    def _works(self, person: Person) -> None:
        if self.rng.random() >= self._chance(person):
            return
        shift = self.account.utc_shift_hours
        bursts = [self.start + (self.rng.choice(WORK_HOURS) - shift) % 24 * HOUR for _ in range(2)]
        if self.start <= person.joined_at <= self.end:
            bursts = [person.joined_at + MINUTE]
        for _ in range(max(1, round(self.rng.gauss(self.account.intensity, 2)))):
            at = self.rng.choice(bursts) + self.rng.randrange(50 * MINUTE)
            if person.joined_at < at <= self.end:
                self._acts(person, at)

    def _chance(self, person: Person) -> float:
        """How likely the person is to be active on this day."""
        a, weekend = self.account, is_weekend(self.day)
        if a.kind in ("customer", "inhouse"):
            return 0.06 if weekend else 0.8
        if a.kind in ("bounce", "logo"):
            return 0.7 if self.day == day_of(a.signup_at) else 0.0
        if a.kind in ("dabbler", "solo"):
            return 0.05 if weekend else (0.28 if person.core else 0.15)
        if self.end < a.ramp_at:  # a sleeper: one look round, then silence
            return 0.8 if self.day == day_of(a.signup_at) else 0.01
        return self._stride(person, weekend)

    def _stride(self, person: Person, weekend: bool) -> float:
        a = self.account
        if a.kind == "hand_raiser":
            return 0.15 if weekend else 0.45
        if a.kind == "upgrader":
            return 0.1 if weekend else 0.6
        if self.start > a.moment_at + 6 * DAY and a.won_at is None:
            return 0.08 if weekend else 0.3
        core = 0.93 if self.start <= a.moment_at else 0.75
        return (0.55 if person.core else 0.12) if weekend else (core if person.core else 0.55)

    def _acts(self, person: Person, at: int) -> None:
        pick = self.rng.random()
        if pick < 0.76:
            self._log(person, "Message Sent", at, f'"channel":"{self.rng.choice(("general", "random", "team", "dm"))}"')
        elif pick < 0.86:
            self._log(person, "Page View", at, f'"path":"{self.rng.choice(names.DOCS)}"')
        elif pick < 0.93:
            self._log(person, "File Uploaded", at, f'"size_mb":{self.rng.randrange(1, 400) / 10}')
        else:
            self._log(person, "Call Ended", at, f'"minutes":{self.rng.randrange(3, 58)}')

    def _milestones(self) -> None:
        """The account's own turning points: integrations on the way, and the moment people look at the prices."""
        a = self.account
        if a.kind in ("riser", "sleeper", "upgrader") and self.day - day_of(a.ramp_at) in (1, 4):
            at = self.start + self.rng.randrange(8 * HOUR, 18 * HOUR)
            self._log(a.people[0], "Integration Connected", at, f'"tool":"{self.rng.choice(names.TOOLS)}"')
        if self.day != day_of(a.moment_at):
            return
        if a.kind in ("riser", "sleeper"):
            self._log(a.people[0], "Page View", a.moment_at, '"path":"/pricing"')
            self._log(a.people[0], "Billing Page Viewed", a.moment_at + 90)
        if a.kind == "hand_raiser":
            self._log(a.people[0], "Page View", a.moment_at - 60, '"path":"/plans"')
            self._log(a.people[0], "Demo Requested", a.moment_at)
        if a.kind == "upgrader":
            self._log(a.people[0], "Plan Limit Warning", a.moment_at, '"limit":"seats"')
            self._log(a.people[0], "Billing Page Viewed", a.moment_at + 120)

    def _log(self, person: Person, event: str, at: int, extra: str = "", *, known: bool = True) -> None:
        rng = self.rng
        at = min(max(at, self.start), self.end)
        delay = rng.randrange(HOUR, 36 * HOUR) if rng.random() < LATE_SHARE else rng.randrange(2, 40)
        who = _known(self.account.org_id, person, self.account.plan_at(at)) if known else _anonymous(person)
        head = f'{{"event":"{event}","properties":{{"time":{at},"$insert_id":"{rng.getrandbits(80):020x}",'
        tail = f"{who}{',' if extra else ''}{extra}}}}}"
        self._send(event, at, at + delay, head, tail)
        if rng.random() < DOUBLE_SHARE:
            self._send(event, at, at + delay + rng.randrange(5, 2 * HOUR), head, tail)

    def _send(self, event: str, at: int, arrives_at: int, head: str, tail: str) -> None:
        self.lines.append(Sent(arrives_at, at, event, f'{head}"mp_processing_time_ms":{arrives_at}000,{tail}'))


@lru_cache(maxsize=20_000)
def _known(org_id: str | None, person: Person, plan: str) -> str:
    who = {"distinct_id": person.user_id, "$user_id": person.user_id, "$device_id": person.device_id}
    who |= {"$email": person.email, "$name": person.name, "plan": plan}
    if org_id:
        who["org_id"] = org_id
    return json.dumps(who, ensure_ascii=False, separators=(",", ":"))[1:-1]


def _anonymous(person: Person) -> str:
    return f'"distinct_id":"$device:{person.device_id}","$device_id":"{person.device_id}"'
