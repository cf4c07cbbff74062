"""Who holds a lease: a name for this worker in, and whether a named one is surely still at work out.

A lease ends by the clock, and clocks are put forward and back. So a row whose owner can be seen to live is left alone
even when its lease seems over: the owner's request may be on its way. Another machine's workers cannot be seen; between
machines the clocks must agree to within a minute (`store.clock_ahead`), which a lease of five minutes bears.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_PARTS = 4
_at_work: set[str] = set()  # of this process


@contextmanager
def at_work(name: str | None = None) -> Iterator[str]:
    """Yield the name of a worker of this process; it counts as alive until the block ends."""
    name = name or f"{_host()}|{os.getpid()}|{_started(os.getpid())}|{uuid.uuid4().hex[:12]}"
    _at_work.add(name)
    try:
        yield name
    finally:
        _at_work.discard(name)


def is_alive(name: str | None) -> bool:
    """Whether the worker of that name is seen to be at work: on this machine, its process running, its block open."""
    parts = (name or "").split("|")
    if len(parts) != _PARTS or parts[0] != _host() or not parts[1].isdigit():
        return False
    if int(parts[1]) == os.getpid():
        return name in _at_work
    return _started(int(parts[1])) == parts[2]


def _host() -> str:
    return socket.gethostname()[:40]


def _started(pid: int) -> str:
    """When the process began, "" if there is none: numbers are used again, moments are not."""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
