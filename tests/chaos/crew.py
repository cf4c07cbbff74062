"""The workers of a soak as processes on one clock that moves only while all of them sleep: started, woken, killed."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections import Counter
from concurrent import futures
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

import psutil
from tests.chaos.plan import Life, Plan
from tests.chaos.worker import Post, live

T = TypeVar("T")
THAW_S = 2.0  # real seconds after which a frozen worker goes on early, because somebody waits for what it has locked
STUCK_S = 120.0  # real seconds in which a worker that was woken has to sleep again, or die
_fork = get_context("forkserver")  # what a new life needs is imported once
_fork.set_forkserver_preload(["tests.chaos.worker"])


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    life: Life
    wakes_at_s: float | None  # None: it rests until there is something to do
    woken: int = 0
    is_frozen: bool = False

    def go_on(self) -> None:
        """Wake it, or let it go on if it is frozen. OSError if it is dead."""
        if not self.is_frozen:
            self.pipe.send(True)
            return
        self.is_frozen = False
        process = psutil.Process(self.process.pid)
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)  # it said so just before it stopped
        os.kill(process.pid, signal.SIGCONT)


@dataclass
class Crew:
    """All workers. Each is asleep (until a moment, or until there is something to do), at work, or dead for a while."""

    plan: Plan
    post: Post
    asleep: dict[int, _Worker] = field(default_factory=dict)
    at_work: dict[int, _Worker] = field(default_factory=dict)
    back_at_s: dict[int, float] = field(default_factory=dict)
    lives: Counter[int] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    frozen: int = 0  # how often somebody froze
    thawed: bool = False  # somebody who was frozen went on since this was last put back
    interrupted: bool = False  # somebody died or froze since this was last put back

    def __post_init__(self) -> None:
        self.back_at_s = dict.fromkeys(range(self.plan.workers), -math.inf)

    @property
    def resting(self) -> list[int]:
        """Workers that wait for something to do."""
        return [number for number, each in self.asleep.items() if each.wakes_at_s is None]

    @property
    def has_frozen(self) -> bool:
        """Whether somebody stands still at this moment."""
        return any(each.is_frozen for each in self.asleep.values())

    def next_s(self) -> float:
        """When the next sleeper wakes, or one who died is replaced."""
        wakes = [each.wakes_at_s for each in self.asleep.values() if each.wakes_at_s is not None]
        return min([*wakes, *self.back_at_s.values()], default=math.inf)

    def wake(self, now_s: float, *, resting: bool, mortal: bool) -> None:
        """Start who is missing and wake who has slept enough; with `resting` those, too, who rest."""
        for number in [n for n, at_s in self.back_at_s.items() if at_s <= now_s]:
            self._begin(number, mortal)
        for number, each in list(self.asleep.items()):
            if resting if each.wakes_at_s is None else each.wakes_at_s <= now_s:
                self._wake(number, now_s, mortal)

    def until_asleep(self, now_s: float) -> None:
        """Return when nobody is at work any more. RuntimeError if somebody neither sleeps nor dies."""
        patience = time.monotonic() + STUCK_S
        while self.at_work:
            if not self._hear(now_s, THAW_S):
                self._thaw()  # it may hold what the others wait for
            if time.monotonic() > patience:
                raise RuntimeError(f"workers {sorted(self.at_work)} neither sleep nor die")

    def until_done(self, job: Future[T], now_s: float) -> T:
        """Return the job's result; meanwhile whoever froze may go on early: it may hold what the job waits for."""
        began = time.monotonic()
        while not futures.wait([job], timeout=0.05).done:
            self._hear(now_s, 0)
            if time.monotonic() - began > THAW_S:
                self._thaw()
                began = time.monotonic()
        return job.result()

    def end(self) -> None:
        """End everybody for good."""
        for each in (*self.asleep.values(), *self.at_work.values()):
            _kill(each.process)
            each.process.join()
        self.asleep.clear()
        self.at_work.clear()

    def _begin(self, number: int, mortal: bool) -> None:
        life = self.plan.life(number, self.lives[number])
        if not mortal:
            life = Life(life.machine, "", "", 0, 0, "", 0, 0)
        self.lives[number] += 1
        ours, theirs = _fork.Pipe()
        name = f"{number}.{self.lives[number]}"
        process = _fork.Process(target=live, args=(theirs, self.post, life, name), daemon=True)
        process.start()
        theirs.close()  # so that its death is seen at our end
        del self.back_at_s[number]
        self.asleep[number] = _Worker(process, ours, life, -math.inf)

    def _wake(self, number: int, now_s: float, mortal: bool) -> None:
        worker = self.asleep.pop(number)
        worker.woken += 1
        self.thawed |= worker.is_frozen
        try:
            worker.go_on()
        except OSError:
            self._died(number, worker, now_s)
            return
        self.at_work[number] = worker
        if mortal and worker.life.dies == "instant" and worker.woken == worker.life.passings:
            threading.Timer(worker.life.instant_s, _kill, [worker.process]).start()

    def _hear(self, now_s: float, patience_s: float) -> bool:
        """Take note of those who fell asleep or died; False if nobody did in that many real seconds."""
        ready = wait([each.pipe for each in self.at_work.values()], timeout=patience_s)
        for number in [n for n, each in self.at_work.items() if each.pipe in ready]:
            self._heard(number, now_s)
        return bool(ready)

    def _heard(self, number: int, now_s: float) -> None:
        worker = self.at_work.pop(number)
        try:
            said = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._died(number, worker, now_s)
            return
        worker.is_frozen = isinstance(said, tuple)
        worker.wakes_at_s = said[1] if isinstance(said, tuple) else said
        self.frozen += worker.is_frozen
        self.interrupted |= worker.is_frozen
        self.asleep[number] = worker

    def _thaw(self) -> None:
        for number, each in list(self.asleep.items()):
            if each.is_frozen:
                self.at_work[number] = self.asleep.pop(number)
                self.thawed = True
                each.go_on()

    def _died(self, number: int, worker: _Worker, now_s: float) -> None:
        worker.process.join()
        worker.pipe.close()
        self.interrupted = True
        if worker.process.exitcode not in (-signal.SIGKILL, 255):  # 255: the fork server could not tell
            raise RuntimeError(f"worker {number} ended by itself, with {worker.process.exitcode}")
        self.deaths[worker.life.boundary if worker.life.dies == "boundary" else "at some instant"] += 1
        self.back_at_s[number] = now_s + worker.life.restart_s


def _kill(process: BaseProcess) -> None:
    with suppress(ProcessLookupError):
        if process.pid is not None and process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
