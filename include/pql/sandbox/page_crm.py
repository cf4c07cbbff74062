"""The CRM half of the page: effects and the CRM in, tasks, property updates, webhooks and one record as HTML out."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from pql.sandbox import names
from pql.sandbox.crm import Crm, View
from pql.sandbox.crm_schema import HubSpotError, instant
from pql.sandbox.effects import Effect
from pql.sandbox.world import Refusal

OWNERS = {o[0]: f"{o[1]} {o[2]}" for o in names.OWNERS}


def tasks(crm: Crm, most: int | None = None) -> str:
    """Tasks, newest first, as cards."""
    ids = crm.ids("tasks")[::-1][:most]
    return "".join(_task(crm, crm.view("tasks", i)) for i in ids) or _empty("No tasks yet.")


def _task(crm: Crm, view: View) -> str:
    p = view["properties"]
    due = instant(p.get("hs_timestamp", ""))
    owner = OWNERS.get(p.get("hubspot_owner_id", ""), "nobody")
    linked = [link for kind in ("companies", "contacts") for link in _linked(crm, view["id"], kind)]
    about = " · ".join(linked) or '<em class="warn">not associated with any record</em>'
    priority = p.get("hs_task_priority", "")
    flag = f'<span class="flag">{html.escape(priority.lower())}</span>' if priority not in ("", "NONE") else ""
    return (
        f'<section class="card" id="task-{view["id"]}"><h4>{_text(p.get("hs_task_subject", "(no subject)"))}{flag}</h4>'
        f'<p class="meta">{about} · due {due:%a %-d %b %H:%M} · {html.escape(owner)}</p>'
        f'<div class="prose">{_prose(p.get("hs_task_body", ""))}</div></section>'
    )


def _linked(crm: Crm, task_id: str, kind: str) -> Iterable[str]:
    for to, _ in crm.linked("tasks", task_id, kind):
        p = crm.view(kind, to)["properties"]
        name = p.get("name") or f"{p.get('firstname', '')} {p.get('lastname', '')}"
        yield f'<a href="/?view=record&amp;type={kind}&amp;id={to}">{_text(name)}</a>'


def updates(crm: Crm, effects: list[Effect], most: int | None = None) -> str:
    """Property updates on companies and contacts, newest first."""
    rows = [e for e in reversed(effects) if e["kind"] == "crm_update"][:most]
    return "".join(_update(crm, e) for e in rows) or _empty("No property has been updated yet.")


def _update(crm: Crm, effect: Effect) -> str:
    values = "".join(f"<dt>{_text(n)}</dt><dd>{_text(v) or '–'}</dd>" for n, v in effect["properties"].items())
    link = f"/?view=record&amp;type={effect['object']}&amp;id={effect['id']}"
    return (
        f'<section class="card"><h4><a href="{link}">{_text(_name(crm, effect))}</a></h4>'
        f'<p class="meta">{_text(effect["object"])} {effect["id"]} · {_time(effect["at"])}</p>'
        f"<dl>{values}</dl></section>"
    )


def webhooks(effects: list[Effect], most: int | None = None) -> str:
    """Webhooks received, newest first."""
    rows = [e for e in reversed(effects) if e["system"] == "webhook"][:most]
    return "".join(_webhook(e) for e in rows) or _empty("No webhook has arrived yet.")


def _webhook(effect: Effect) -> str:
    payload = json.dumps(effect["payload"], ensure_ascii=False, indent=2)
    again = '<span class="flag">again</span>' if effect["kind"] == "webhook_again" else ""
    return (
        f'<section class="card"><h4>{_text(effect["name"])}{again}</h4><p class="meta">{_text(str(effect["key"]))} · '
        f"{_time(effect['at'])}</p><details><summary>{_text(_summary(effect['payload']))}</summary>"
        f"<pre>{_text(payload)}</pre></details></section>"
    )


def _summary(payload: object) -> str:
    if not isinstance(payload, dict):
        return "payload"
    data = payload.get("data")
    account = data.get("account_name") or data.get("account") if isinstance(data, dict) else None
    name = account.get("name") if isinstance(account, dict) else account
    return " · ".join(str(part) for part in (payload.get("type"), name) if part) or "payload"


def refusals(rows: Iterable[Refusal]) -> str:
    """What the services turned down, newest first."""
    found = "".join(
        f'<section class="card refused"><h4>{_text(r.system)} · <code>{_text(r.request)}</code></h4>'
        f'<p class="meta">{_time(r.at)}</p><p>{_text(r.reason)}</p></section>'
        for r in reversed(list(rows))
    )
    return found or _empty("Nothing has been refused since the server started.")


def record(crm: Crm, kind: str, object_id: str) -> str:
    """One company or contact with its properties, and the tasks about it."""
    try:
        view = crm.view(kind, object_id)
    except HubSpotError:
        return _empty("There is no such record.")
    rows = "".join(f"<dt>{_text(n)}</dt><dd>{_text(v)}</dd>" for n, v in sorted(view["properties"].items()) if v)
    about = "".join(_task(crm, crm.view("tasks", i)) for i, _ in crm.linked(kind, object_id, "tasks"))
    return f'<section class="card"><dl>{rows}</dl></section><h3>Tasks</h3>{about or _empty("None.")}'


def _name(crm: Crm, effect: Effect) -> str:
    p = crm.view(effect["object"], effect["id"])["properties"]
    return str(p.get("name") or p.get("email") or effect["id"])


def _prose(body: str) -> str:
    """A task's body: HubSpot keeps HTML; here its line structure is kept and everything else is text."""
    lines = re.sub(r"(?i)<br\s*/?>|</(p|li|div)>", "\n", re.sub(r"(?i)<li>", "• ", body))
    return _text(html.unescape(re.sub(r"<[^>]*>", "", lines)).strip()).replace("\n", "<br>")


def _text(value: object) -> str:
    return html.escape(str(value or ""), quote=True)


def _time(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(UTC):%a %-d %b %H:%M:%S}"


def _empty(text: str) -> str:
    return f'<p class="empty">{text}</p>'
