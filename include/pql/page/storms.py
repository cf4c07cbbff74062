"""Runs that were stopped: shown above the deliveries with what they hold, answered by an editor once, with who and why.

All of it goes through `pql.outbox.by_hand.storm`, as `pql storms` and the question in Airflow do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse
from pydantic import Field
from sqlalchemy import Connection

from pql.outbox.by_hand import storm as stopped
from pql.outbox.by_hand.storm import Storm
from pql.outbox.by_hand.storm_contents import Contents, contents
from pql.page.acting import Editor
from pql.types import UserError

RECENT = timedelta(days=14)  # so long what was answered is shown
TOP = 5
REASON_LENGTH = 500
ANSWERS = {"approve": stopped.approve, "digest": stopped.as_digest, "reject": stopped.reject}
Verb = Literal["approve", "digest", "reject"]
Run = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Shown:
    """One stopped run with what it holds; nothing, once it is answered."""

    storm: Storm
    inside: Contents | None


def shown(ledger: Connection, now: datetime) -> list[Shown]:
    """The runs that wait for an answer, then those answered lately; the newest first."""
    found = stopped.storms(ledger, answered_since=now - RECENT)
    waiting = [Shown(each, contents(ledger, each.run_id, top=TOP)) for each in found if each.is_open]
    return [*waiting, *(Shown(each, None) for each in found if each.answer)]


def router(editor: Callable[..., Any]) -> APIRouter:
    """The route by which they are answered: a post by an editor, from a page of ours."""
    api = APIRouter()

    @api.post("/storms/answer")
    def answer(
        run: Annotated[Run, Form()],
        verb: Annotated[Verb, Form()],
        reason: Annotated[str, Form()] = "",
        by: Editor = Depends(editor),
    ) -> RedirectResponse:
        why = reason.strip()[:REASON_LENGTH]
        if not why:
            return by.back(done="no_reason")
        about = {"run": run, "reason": why}
        return by.act(f"storm_{verb}", about, lambda ledger: _carry_out(ledger, by, run, verb, why))

    return api


def _carry_out(ledger: Connection, by: Editor, run: int, verb: Verb, why: str) -> int:
    """How many deliveries followed; none if it was answered before or is no storm."""
    try:
        done = ANSWERS[verb](ledger, run, who=by.name, why=why, origin="page", now=by.now)
    except UserError:
        return 0
    return done.answer.deliveries if done.is_new and done.answer else 0
