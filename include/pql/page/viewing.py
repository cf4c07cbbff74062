"""What every page says about who looks at it, and the values that all templates share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from pql.page.guard import Guard
from pql.page.notices import notice
from pql.page.views import render
from pql.page.wiring import Wiring
from pql.pipeline.project import Project


@dataclass(frozen=True)
class Viewer:
    """Somebody who may read, at one moment."""

    request: Request
    name: str
    may_edit: bool
    token: str
    now: datetime

    def page(self, template: str, project: Project, **values: Any) -> HTMLResponse:
        """The page for this person."""
        shared: dict[str, Any] = {
            "user": self.name,
            "may_edit": self.may_edit,
            "token": self.token,
            "now": self.now,
            "notice": notice(self.request.query_params),
            "project": project,
            "titles": {definition.id: definition.title for definition in project.definitions},
        }
        return render(self.request, template, zone=project.settings.timezone, **(shared | values))


def viewer(wiring: Wiring, guard: Guard) -> Callable[..., Viewer]:
    """The dependency that gives the viewer of a request."""

    def found(
        request: Request, user: str = Depends(wiring.can_read), may_edit: bool = Depends(wiring.may_edit)
    ) -> Viewer:
        now = wiring.clock()
        return Viewer(request, user, may_edit, guard.token(user, now), now)

    return found
