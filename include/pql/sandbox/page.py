"""The page at /: the world's state in, what a person would see in Slack and in the CRM out.

Server-rendered and read-only. Everything from outside is escaped; the content security policy lets nothing load but
the style sheet and the script that reloads the page when something has happened.
"""

from __future__ import annotations

import html
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from pql.sandbox import page_crm, page_slack
from pql.sandbox.crm import Crm
from pql.sandbox.hubspot_call import object_type
from pql.sandbox.slack_state import Workspace
from pql.sandbox.world import World

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
VIEWS = {
    "tasks": "CRM tasks",
    "updates": "CRM property updates",
    "webhooks": "Webhooks",
    "refusals": "Refused requests",
}


def router(world: World, workspace: Workspace, crm: Crm) -> APIRouter:
    """The routes of the page."""
    api = APIRouter()

    @api.get("/", include_in_schema=False)
    def show(request: Request) -> HTMLResponse:
        with world.lock:
            content = _page(world, workspace, crm, dict(request.query_params))
        return HTMLResponse(content, headers={"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"})

    @api.get("/page.{kind}", include_in_schema=False)
    def asset(kind: str) -> Response:
        types = {"css": "text/css", "js": "text/javascript"}
        if kind not in types:
            return Response(status_code=404)
        return Response((files("pql.sandbox") / f"page.{kind}").read_bytes(), media_type=types[kind])

    return api


def _page(world: World, workspace: Workspace, crm: Crm, query: dict[str, str]) -> str:
    effects, view = world.effects.all(), query.get("view", "")
    chosen = None if view else workspace.conversations.get(query.get("channel", "")) or page_slack.newest(workspace)
    if chosen is not None:
        title = ("@" if chosen.user else "#") + chosen.name
        main = page_slack.conversation(workspace, chosen)
    elif view == "record":
        title, main = _record(crm, query)
    else:
        title = VIEWS.get(view, VIEWS["tasks"])
        main = _view(world, crm, view)
    aside = "" if view else _aside(crm, world)
    kinds = [e["kind"] for e in effects]
    counts = {
        "tasks": kinds.count("crm_task"),
        "updates": kinds.count("crm_update"),
        "webhooks": kinds.count("webhook"),
        "refusals": len(world.refusals),
    }
    links = "".join(_nav(name, label, counts[name], view) for name, label in VIEWS.items())
    return _SHELL.format(
        title=html.escape(title),
        main=main,
        aside=aside,
        wide=" wide" if view else "",
        seq=len(effects),
        now=f"{world.now():%a %-d %b %Y %H:%M} UTC",
        seed=world.seed,
        nav=f"{page_slack.sidebar(workspace, chosen)}<h2>Elsewhere</h2><ul>{links}</ul>",
    )


def _nav(name: str, label: str, count: int, view: str) -> str:
    current = ' aria-current="page"' if name == view else ""
    number = f'<b class="count">{count}</b>' if count else ""
    return f'<li{" class=busy" if count else ""}><a href="/?view={name}"{current}><i>▤</i> {label}{number}</a></li>'


def _view(world: World, crm: Crm, view: str) -> str:
    effects = world.effects.all()
    if view == "updates":
        return page_crm.updates(crm, effects)
    if view == "webhooks":
        return page_crm.webhooks(effects)
    return page_crm.refusals(world.refusals) if view == "refusals" else page_crm.tasks(crm)


def _record(crm: Crm, query: dict[str, str]) -> tuple[str, str]:
    kind = object_type(query.get("type", "companies")) if query.get("type") in _KINDS else "companies"
    found = page_crm.record(crm, kind, query.get("id", ""))
    return f"{kind} {query.get('id', '')}", found


_KINDS = ("0-1", "0-2", "company", "contact", "companies", "contacts")


def _aside(crm: Crm, world: World) -> str:
    effects = world.effects.all()
    return (
        f'<aside><h2>CRM tasks <a href="/?view=tasks">all</a></h2>{page_crm.tasks(crm, 6)}'
        f'<h2>Property updates <a href="/?view=updates">all</a></h2>{page_crm.updates(crm, effects, 4)}'
        f'<h2>Webhooks <a href="/?view=webhooks">all</a></h2>{page_crm.webhooks(effects, 4)}</aside>'
    )


_SHELL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title} · PQL sandbox</title>
<link rel="stylesheet" href="/page.css"><script src="/page.js" defer></script></head>
<body data-seq="{seq}"><nav><h1><a href="/">Relay</a><small>simulated workspace</small></h1>{nav}
<p class="foot">seed {seed} · {now}<br><a href="/effects">effects log</a></p></nav>
<main class="{wide}"><div class="top"><h1>{title}</h1></div><div class="scroll">{main}</div></main>{aside}</body></html>
"""
