"""`pql explain`: why an account scores what it scores, why it did or did not alert, and what would qualify it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pql import insight
from pql.cli.app import app, instant, now, project
from pql.cli.output import Format, FormatOption, show
from pql.destinations.words import count

MARKS = {"true": "✓", "false": "✗", "unknown": "?", "not yet": "…"}
SINCE = {"night": "Since last night", "week": "Since last week"}
CAUSES = {
    "behaviour": "behaviour",
    "decay": "decay",
    "definition": "definition change",
    "late_data": "late data",
    "crm": "CRM change",
}


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="Account key, name or domain; or a user, by key or id")],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="The moment, also a past one; default: now. 2026-03-03 is its midnight"),
    ] = None,
    definition: Annotated[str | None, typer.Option(help="Only this definition")] = None,
    form: FormatOption = Format.table,
) -> None:
    """Why: stages, points and what moved them, the path through `qualify`, what was decided, what would qualify it.

    Scores are computed by today's data and rules; what was decided and sent is what the ledger had at that moment. So
    `--as-of 2026-03-04` asks why it did, or did not, alert on 3 March.
    """
    with project() as opened:
        clock = now()
        moment = instant(as_of, opened) if as_of else clock
        found = insight.explain(opened, account, as_of=moment, now=clock, definition=definition)
        zone = opened.zone
    if form is not Format.table:
        show(found, form)
        return
    for one in found:
        print("\n".join(_lines(one, zone)), end="\n\n")
    if not found:
        print(f"{account} had not been seen yet at {moment.astimezone(zone):%Y-%m-%d %H:%M} ({zone})")


def _lines(one: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    verdict = "qualified" if one["qualified"] else "not qualified"
    as_of = f"{_local(one['as_of'], zone)} {zone}"
    key = f"   ({one['subject_key']})" if one["name"] != one["subject_key"] else ""
    yield f"{one['name']} · {one['title']} · {verdict} as of {as_of}{key}"
    yield from _silence(one, zone)
    deltas = "".join(
        f"  {one['moved'][since]['delta']:+d} {text[0].lower()}{text[1:]}"
        for since, text in SINCE.items()
        if one["moved"][since]["delta"] is not None
    )
    size = f"   Size {'unknown, treated as ' * one['size_unknown']}{one['size']}" if one["size"] else ""
    activation = f"Activation {one['activation_pct']} %   " if one["stages"] else ""
    yield f"{activation}Score {one['score']}{deltas}   Grade {one['grade']}{size}"
    yield from _stages(one, zone)
    yield "Points"
    yield from (f"  {line['points']:+4d}  {line['text']}" for line in one["lines"])
    yield f"  {one['score']:4d}  score"
    for since, text in SINCE.items():
        yield from _moved(one["moved"][since], text)
    yield "Path"
    yield from _path(one["path"], 1)
    if one["champions"]:
        people = [
            f"{c['name']} ({count(c['actions'], 'action')} on {count(c['days'], 'day')})" for c in one["champions"]
        ]
        yield "Champions  " + " · ".join(people)
    yield f"Alert  {one['alert']}"
    for sent in one["deliveries"]:
        yield f"  delivery {sent['id']}: {sent['what']} {sent['state']} {sent['reason']}".rstrip()
    yield from _nearest(one["nearest"])


def _silence(one: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """A word where it is the data that ends, and not the customer who is gone."""
    as_of, data_to = (datetime.fromisoformat(text) if text else None for text in (one["as_of"], one["data_to"]))
    if as_of is None or data_to is None or as_of - data_to <= timedelta(days=1):
        return
    after = data_to.replace(tzinfo=UTC).astimezone(zone).date() + timedelta(days=1)
    yield (
        f"The data ends at {_local(one['data_to'], zone)}: of the {(as_of - data_to).days} days since nothing is known "
        f"(--as-of {after} asks of its end)"
    )


def _local(naive_utc: str, zone: ZoneInfo) -> str:
    """A moment on the project's own clock, which days are cut by (SEM-T1)."""
    return f"{datetime.fromisoformat(naive_utc).replace(tzinfo=UTC).astimezone(zone):%Y-%m-%dT%H:%M}"


def _stages(one: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    if one["stages"]:
        yield "Stages"
    for stage in one["stages"]:
        at = stage["reached_at"]
        yield f"  {'✓' if at else '·'} {stage['stage']}  {_local(at, zone) if at else ''}".rstrip()


def _moved(move: dict[str, Any], title: str) -> Iterator[str]:
    if not move["known"]:
        yield f"{title}  not known: {move['why']}"
        return
    causes = [f"{CAUSES[name]} {points:+d}" for name, points in move["causes"].items() if points]
    unknown = [f"{CAUSES[name]} not known" for name, points in move["causes"].items() if points is None]
    told = f"   ({' · '.join([*causes, *unknown])})" if causes or unknown else ""
    yield f"{title}  {move['score_before']} → {move['score_after']}{told}"
    for line in move["lines"]:
        yield f"  {line['change']:+4d}  {line['text']}  {line['before']} → {line['after']}"


def _nearest(found: dict[str, Any]) -> Iterator[str]:
    if not found["ways"]:
        if found["note"] != "it qualifies":
            yield f"Nearest  {found['note']}"
        return
    yield "Nearest ways to qualify" + (f" ({found['note']})" if found["note"] else "")
    yield from (f"  · {way['text']}   → score {way['score']}" for way in found["ways"])


def _path(step: dict[str, Any], depth: int) -> list[str]:
    own = f"{'  ' * depth}{MARKS[step['verdict']]} {step['text']}"
    return [own, *(line for part in step["parts"] for line in _path(part, depth + 1))]
