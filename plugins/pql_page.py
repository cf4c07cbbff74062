"""The PQL page inside Airflow: a nav item, and who may do what there. The page itself is `include/pql/page`.

Airflow imports this file wherever it loads plugins, in every task too, so it imports nothing of its own until the page
is first asked for. Reading needs a login that may see plugins; acting needs the right to start runs of `deliver`.
"""

import json
import logging
import threading
from collections.abc import Mapping
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)

PREFIX = "/pql"
DELIVER = "deliver"  # who may run the DAG that sends may also say what is sent
_BROKEN = b"The PQL page could not be loaded. The log of Airflow's API server says why."


class Page:
    """An ASGI app that becomes the page when it is first asked for; what is wrong then does not touch Airflow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            from anyio import to_thread

            await to_thread.run_sync(self._build)  # imports take seconds: Airflow's own pages must not wait
        await (self._app or _sorry)(scope, receive, send)

    def __str__(self) -> str:
        return "PQL page"

    def _build(self) -> None:
        with self._lock:
            if self._app is None:
                try:
                    self._app = _page()
                except Exception:
                    log.exception("the PQL page cannot be loaded")


async def _sorry(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": _BROKEN})


def _page() -> Any:
    """The page, wired to this Airflow's logins, roles, connections and audit log."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
    from airflow.api_fastapi.core_api.security import get_user
    from airflow.configuration import conf
    from airflow.models.dag import DagModel
    from fastapi import Depends, HTTPException

    from pql.orchestration import runtime
    from pql.page import Wiring, create_app

    def can_read(user: Any = Depends(get_user)) -> str:
        if not get_auth_manager().is_authorized_view(access_view=AccessView.PLUGINS, user=user):
            raise HTTPException(403, "Your role may not see plugins. Ask whoever runs Airflow for one that may.")
        return str(user.get_name())

    def may_edit(user: Any = Depends(get_user)) -> bool:
        details = DagDetails(id=DELIVER, team_name=DagModel.get_team_name(DELIVER))
        allowed = get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
        )
        return bool(allowed)

    def can_edit(name: str = Depends(can_read), allowed: bool = Depends(may_edit)) -> str:
        if not allowed:
            raise HTTPException(403, f"Your role may not start runs of `{DELIVER}`, so it may not change what is sent.")
        return name

    return create_app(
        Wiring(
            open_project=runtime.project,
            clock=runtime.now,
            can_read=can_read,
            can_edit=can_edit,
            may_edit=may_edit,
            secret=conf.get_mandatory_value("api", "secret_key"),
            origins=(conf.get("api", "base_url", fallback=""),),
            note=_note,
        )
    )


def _note(who: str, what: str, about: Mapping[str, Any]) -> None:
    """Airflow's audit log (Browse → Audit log) keeps who did it; failing to write there undoes nothing."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    extra = json.dumps(dict(about), ensure_ascii=False)
    log.info("%s: %s %s", who, what, extra)
    try:
        with create_session() as session:
            session.add(Log(event=f"pql_{what}", owner=who, owner_display_name=who, extra=extra))
    except Exception:
        log.exception("the audit log could not be written")


class PqlPage(AirflowPlugin):
    """Mounts the page and puts it into the navigation; paths are relative so that a base path is kept."""

    name = "pql_page"
    fastapi_apps = [{"app": Page(), "url_prefix": PREFIX, "name": "PQL"}]  # noqa: RUF012  # as Airflow declares it
    external_views = [  # noqa: RUF012  # as above
        {
            "name": "PQL",
            "href": "pql/",
            "destination": "nav",
            "url_route": "pql",
            "icon": "pql/static/icon-light.svg",
            "icon_dark_mode": "pql/static/icon-dark.svg",
            "nav_top_level": True,
        }
    ]
