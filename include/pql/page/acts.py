"""What a person may do on the page: retry, suppress and release deliveries, release silent openings.

All of it goes through the outbox's own functions, as `pql deliveries` and `pql release` do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse
from pydantic import Field
from sqlalchemy import Connection

from pql import outbox
from pql.page.acting import Editor

Id = Annotated[int, Field(ge=0, lt=2**63)]  # as large as the ledger's own
Ids = Annotated[list[Id], Form(alias="id", default_factory=list)]
REASON_LENGTH = 500
MOST_AT_ONCE = 1000


def router(editor: Callable[..., Any]) -> APIRouter:
    """Their routes; all of them are posts by an editor, from a page of ours."""
    api = APIRouter()

    @api.post("/deliveries/retry")
    def retry(ids: Ids, by: Editor = Depends(editor)) -> RedirectResponse:
        return by.act("retry", {"deliveries": ids}, lambda ledger: outbox.retry(ledger, ids, now=by.now))

    @api.post("/deliveries/suppress")
    def suppress(ids: Ids, reason: Annotated[str, Form()] = "", by: Editor = Depends(editor)) -> RedirectResponse:
        why = reason.strip()[:REASON_LENGTH]
        if not why:
            return by.back(done="no_reason")
        kept = f"{why} (by {by.name})"  # the ledger keeps it with the delivery
        about = {"deliveries": ids, "reason": why}
        return by.act("suppress", about, lambda ledger: outbox.suppress(ledger, ids, reason=kept, now=by.now))

    @api.post("/deliveries/release")
    def release_held(ids: Ids, by: Editor = Depends(editor)) -> RedirectResponse:
        return by.act("release_held", {"held": ids}, lambda ledger: outbox.release_held(ledger, ids=ids, now=by.now))

    @api.post("/openings/release")
    def release_silent(ids: Ids, by: Editor = Depends(editor)) -> RedirectResponse:
        return _release(by, {"openings": ids}, episode_ids=ids)

    @api.post("/openings/release-top")
    def release_top(
        top: Annotated[int, Form(ge=1, le=MOST_AT_ONCE)],
        definition: Annotated[str, Form()] = "",
        by: Editor = Depends(editor),
    ) -> RedirectResponse:
        about = {"top": top, "definition": definition}
        return _release(by, about, top=top, definition=definition or None)

    return api


def _release(by: Editor, about: Mapping[str, Any], **which: Any) -> RedirectResponse:
    """Digests and working hours hold for what is released, too."""
    with by.wiring.open_project() as project:
        rhythm = outbox.rhythm(project.settings)

    def change(ledger: Connection) -> int:
        return len(outbox.release_silent(ledger, now=by.now, rhythm=rhythm, **which).episode_ids)

    return by.act("release_silent", about, change)
