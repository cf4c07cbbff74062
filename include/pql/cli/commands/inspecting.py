"""`pql explain`: why an account scores what it scores, and why it did or did not alert."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pql import insight
from pql.cli.app import app, instant, now, project
from pql.cli.output import Format, FormatOption, show

MARKS = {"true": "✓", "false": "✗", "unknown": "?", "not yet": "…"}


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="Account key, name or domain")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="The moment; default: now")] = None,
    form: FormatOption = Format.table,
) -> None:
    """Why: stages, points that add up to the score, the path through `qualify`, and what was decided and sent."""
    with project() as opened:
        moment = instant(as_of, opened) if as_of else now()
        found = insight.explain(opened, account, as_of=moment, now=now())
    if form is not Format.table:
        show(found, form)
        return
    for one in found:
        print("\n".join(_lines(one)), end="\n\n")
    if not found:
        print(f"{account} had not been seen yet at {moment:%Y-%m-%d %H:%M} UTC")


def _lines(one: dict[str, Any]) -> list[str]:
    verdict = "qualified" if one["qualified"] else "not qualified"
    delta = f"  {one['score_delta_night']:+.0f} since last night" if one["score_delta_night"] is not None else ""
    lines = [
        f"{one['name']} · {one['title']} · {verdict} as of {one['as_of'][:16]} UTC   ({one['subject_key']})",
        f"Activation {one['activation_pct']} %   Score {one['score']}{delta}   Grade {one['grade']}"
        + (f"   Size {one['size']}" if one["size"] else ""),
        "Stages",
        *(f"  {'✓' if s['reached_at'] else '·'} {s['stage']}  {(s['reached_at'] or '')[:16]}" for s in one["stages"]),
        "Points",
        *(f"  {line['points']:+4d}  {line['text']}" for line in one["lines"]),
        f"  {one['score']:4d}  score",
        "Path",
        *_path(one["path"], 1),
    ]
    if one["champions"]:
        people = [f"{c['name']} ({c['actions']} actions on {c['days']} days)" for c in one["champions"]]
        lines.append("Champions  " + " · ".join(people))
    lines.append(f"Alert  {one['alert']}")
    lines += [f"  delivery {d['id']}: {d['what']} {d['state']} {d['reason'] or ''}".rstrip() for d in one["deliveries"]]
    return lines


def _path(step: dict[str, Any], depth: int) -> list[str]:
    own = f"{'  ' * depth}{MARKS[step['verdict']]} {step['text']}"
    return [own, *(line for part in step["parts"] for line in _path(part, depth + 1))]
