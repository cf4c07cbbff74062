"""What the page is given by whoever serves it: the project, the clock, who may do what, and where acts are noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pql.pipeline.project import Project

Dependency = Callable[..., Any]  # as FastAPI calls it: its own parameters are resolved, HTTPException refuses
Note = Callable[[str, str, Mapping[str, Any]], None]  # who, what, about which


@dataclass(frozen=True)
class Wiring:
    """`can_read` and `can_edit` return the caller's name or refuse; `may_edit` only tells whether editing would do."""

    open_project: Callable[[], AbstractContextManager[Project]]
    clock: Callable[[], datetime]
    can_read: Dependency
    can_edit: Dependency
    may_edit: Dependency
    secret: str  # shared by all processes that serve the page; signs what its forms carry
    note: Note
    origins: tuple[str, ...] = ()  # where the page is reached from outside, if a proxy rewrites its host
