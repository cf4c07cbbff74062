"""One drain of the outbox: destinations in, everything that is due for them carried out side by side.

The caller's thread claims, gives turns and sleeps; requests are made by other threads. So the clock and the ledger's
turns have one reader, a slow destination holds nobody up, and a channel that waits for its turn no other channel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Engine, func, select

from pql.outbox.queueing import digest
from pql.outbox.sending import claims, pace
from pql.outbox.sending.attempt import Worker
from pql.outbox.sending.checking import Checked
from pql.outbox.sending.claims import Claim
from pql.outbox.sending.line import SIDE_BY_SIDE, STOCK, Line
from pql.store.engine import reading
from pql.store.instants import to_aware
from pql.store.tables import deliveries
from pql.types import Destination

WAIT_IN_PLACE = timedelta(seconds=5)
_BREATH_S = 0.1  # a due row that could not be claimed is another worker's for a moment
_LOOK_UP_S = 0.25  # while requests are on their way: look whether anything else can be done

Ended = Callable[[], None]


class Drain:
    """What is due of `destinations` (of the ids `only`, if given), carried out until nothing is or time is up."""

    def __init__(
        self,
        engine: Engine,
        worker: Worker,
        destinations: Mapping[str, Destination],
        *,
        owner: str,
        only: Collection[int] | None,
        deadline: datetime,
    ) -> None:
        self.lines = [Line(name, destinations[name]) for name in sorted(destinations)]
        self._engine = engine
        self._worker = worker
        self._clock = worker.clock
        self._owner = owner
        self._only = only
        self._deadline = deadline
        self._stopped = False
        self._jobs: dict[Future[Ended], None] = {}

    def run(self, sleep: Callable[[float], None]) -> None:
        """Carry out, then give back what is still in hand. Raises what a thread raised that is no row's trouble."""
        pool = ThreadPoolExecutor(max(1, len(self.lines) * (SIDE_BY_SIDE + 2)), thread_name_prefix="pql-deliver")
        try:
            self._gather()
            while True:
                if self._in_time:
                    for line in self.lines:
                        self._advance(line, pool)
                if self._jobs:
                    self._collect()
                elif self._in_time and (self._look_again() or self._pause(sleep)):
                    self._gather()
                else:
                    break
        finally:
            self._stopped = True  # what is on its way is still settled
            pool.shutdown(wait=True, cancel_futures=True)
            with suppress(Exception):  # a lease ends by itself
                self._let_go()

    @property
    def _in_time(self) -> bool:
        return self._clock() < self._deadline

    def _gather(self) -> None:
        """Put messages that have waited for this moment under tables, where they are many."""
        if self._only is None:
            digest.gather_waiting(self._engine, self._worker.checking.rhythm, now=self._clock())

    def _advance(self, line: Line, pool: ThreadPoolExecutor) -> None:
        """Claim, give turns and send, as far as it goes now."""
        if line.tripped:
            self._give_back(line, line.drop())
            return
        if line.wants_more:
            self._claim(line, pool)
        if lanes := line.without_turn():
            self._give_turns(line, lanes)
        for lane in line.may_go(self._clock()):
            taken = line.take(lane)
            self._submit(pool, partial(self._send, line, lane, taken))

    def _submit(self, pool: ThreadPoolExecutor, job: Callable[[], Ended]) -> None:
        self._jobs[pool.submit(job)] = None

    def _claim(self, line: Line, pool: ThreadPoolExecutor) -> None:
        self._worker.boundary("before claim")
        claimed = self._worker.together.write(partial(self._claimed, line))
        line.dry = len(claimed) < line.limit
        if not claimed:
            return
        self._worker.boundary("claimed")
        # what has to be looked for takes its time; the others need not wait for it
        for part in ([c for c in claimed if not c.maybe_sent], [c for c in claimed if c.maybe_sent]):
            if part:
                line.checking.update(line.lane_of(claim) for claim in part)
                self._submit(pool, partial(self._check, line, part))

    def _claimed(self, line: Line, conn: Connection) -> tuple[Claim, ...]:
        now, keeps = self._clock(), line.destination.pace
        skip = line.stocked()
        if keeps is not None:
            late = pace.ahead(conn, line.name, keeps, now)
            if not line.by_lane and late:
                return ()
            skip |= {name.removeprefix(f"{line.name}|") for name in late}
        return claims.claim(
            conn,
            line.name,
            owner=self._owner,
            now=now,
            limit=line.limit,
            only=self._only,
            per_lane=STOCK if line.by_lane else None,
            not_lanes=skip,
        )

    def _check(self, line: Line, claimed: Sequence[Claim]) -> Ended:
        """In a thread: may they still be sent? Returns what the caller's thread has to do then."""
        ready, states = self._worker.checking.check(claimed, line.destination)
        line.note(states)

        def ended() -> None:
            line.checking.subtract(line.lane_of(claim) for claim in claimed)
            line.checking = +line.checking
            line.moved = line.moved or bool(states)
            line.add(ready)

        return ended

    def _send(self, line: Line, lane: str, taken: Sequence[Checked]) -> Ended:
        """In a thread: carry them out. Returns what the caller's thread has to do then."""
        left_at = [self._clock()]

        def goes_on(states: Sequence[str]) -> bool:
            line.note(states)
            return not line.tripped and not self._stopped and self._in_time

        rest = self._worker.send(taken, line.destination, goes_on, lambda: left_at.append(self._clock()))
        return partial(line.returned, lane, rest, left_at[-1])

    def _give_turns(self, line: Line, lanes: Sequence[str]) -> None:
        """Take a moment for the first of each lane; where none is near, its rows go back with a time."""
        keeps = line.destination.pace
        assert keeps is not None
        firsts = {lane: line.waiting[lane][0].claim for lane in lanes}

        def change(conn: Connection) -> dict[str, tuple[datetime, bool]]:
            now = self._clock()
            return {
                lane: pace.reserve(conn, pace.place(keeps, claim), keeps, line.not_sooner(lane, now))
                for lane, claim in sorted(firsts.items())  # in one order, or two workers wait for each other
            }

        for lane, (at, taken) in self._worker.together.write(change).items():
            if taken:
                line.turns[lane] = at
            else:
                self._put_back(line, line.drop(lane), "waiting", at, "waits for its turn")

    def _collect(self) -> None:
        """Wait until a request has ended, or for a moment."""
        done, _ = wait(self._jobs, timeout=self._nap_s(), return_when=FIRST_COMPLETED)
        for job in done:
            del self._jobs[job]
            job.result()()
        if not done:
            for line in self.lines:
                line.dry = False

    def _look_again(self) -> bool:
        return any([line.look_again() for line in self.lines])

    def _nap_s(self) -> float:
        now = self._clock()
        ahead = [(at - now).total_seconds() for line in self.lines for at in line.turns.values()]
        return min([_LOOK_UP_S, *(max(0.001, each) for each in ahead)])

    def _pause(self, sleep: Callable[[float], None]) -> bool:
        """Sleep until something can be done if that is near, and tell whether there is reason to go on."""
        now = self._clock()
        turns = [at for line in self.lines for at in line.turns.values()]
        due_at = self._next_due(now)
        near = [] if due_at is None or due_at > now + WAIT_IN_PLACE else [due_at]
        if not turns and not near:
            return False
        until = min([*turns, *near])
        if until > self._deadline:
            return False
        sleep(max(_BREATH_S if until not in turns else 0, (until - now).total_seconds()))
        for line in self.lines:
            line.turns_come(until)
            line.dry = False
        return until in turns or self._clock() > now

    def _next_due(self, now: datetime) -> datetime | None:
        wanted = [
            deliveries.c.state.in_(("pending", "ambiguous")),
            deliveries.c.destination.in_([line.name for line in self.lines if line.has_room]),
            ~claims.waits_for_thread(),
        ]
        if self._only is not None:
            # what is to be gathered is not gathered here: to wait for it would be to wait for nothing
            wanted += [deliveries.c.id.in_(sorted(self._only)), deliveries.c.gather_at.is_(None)]
        query = (
            select(deliveries.c.destination, deliveries.c.lane, func.min(deliveries.c.not_before).label("at"))
            .where(*wanted)
            .group_by(deliveries.c.destination, deliveries.c.lane)
        )
        with reading(self._engine) as conn:
            late = {
                name
                for line in self.lines
                if line.destination.pace is not None
                for name in pace.ahead(conn, line.name, line.destination.pace, now)
            }
            rows = conn.execute(query).all()
        # nor what this drain would not claim now: its turns tell when to look again
        late |= {f"{line.name}|{lane}" for line in self.lines for lane in line.stocked()}
        free = [row.at for row in rows if not {row.destination, f"{row.destination}|{row.lane}"} & late]
        return to_aware(min(free, default=None))

    def _let_go(self) -> None:
        for line in self.lines:
            self._give_back(line, line.drop())

    def _give_back(self, line: Line, given: Sequence[Claim]) -> None:
        """Back they go as they came: no attempt was made."""
        self._put_back(line, given, "not reached", self._clock(), None)

    def _put_back(self, line: Line, given: Sequence[Claim], state: str, at: datetime, reason: str | None) -> None:
        if given:
            settling = self._worker.settling
            back = [
                settling.put_back(claim, state, at, reason, maybe_sent=claim.maybe_sent, counts=False)
                for claim in given
            ]
            line.counts.update(settling.written(back))
