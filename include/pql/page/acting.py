"""How an act is carried out: by whom it may be, in one transaction, noted with who did it, and back where it began."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pql import store
from pql.page.guard import FIELD, Guard
from pql.page.views import root_path
from pql.page.wiring import Wiring

_BACK = re.compile(r"(deliveries|openings|account)(\?[\w%=&.+~-]*)?", re.ASCII)  # pages of ours, nothing else


@dataclass(frozen=True)
class Editor:
    """Somebody who may edit and acts from a page of ours."""

    request: Request
    name: str
    back_to: str  # the page the form stood on
    now: datetime
    wiring: Wiring

    def act(self, what: str, about: Mapping[str, Any], change: Callable[[Connection], int]) -> RedirectResponse:
        """Change the ledger, note it, and lead back with what it came to."""
        with self.wiring.open_project() as project, store.writing(project.engine) as connection:
            count = change(connection)
        self.wiring.note(self.name, what, {**about, "count": count})
        return self.back(done=what, count=count)

    def back(self, **said: Any) -> RedirectResponse:
        """Back to the page it came from, which says what was done."""
        place = self.back_to if _BACK.fullmatch(self.back_to) else ""
        url = f"{root_path(self.request)}/{place}{'&' if '?' in place else '?'}{urlencode(said)}"
        return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER)


def editor(wiring: Wiring, guard: Guard) -> Callable[..., Any]:
    """The dependency that gives the editor of a post, or refuses it."""

    async def found(request: Request, user: str = Depends(wiring.can_edit)) -> Editor:
        form, now = await request.form(), wiring.clock()
        guard.check(request.headers, user, str(form.get(FIELD) or ""), now)
        return Editor(request, user, str(form.get("back_to") or ""), now, wiring)

    return found
