"""`pql new`: a definition of one's own, begun from one of the gallery."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pql import definition as language
from pql.cli import gallery
from pql.cli.app import app, called, paths
from pql.cli.begin import Words, begun, own_words
from pql.cli.output import Format, FormatOption, show
from pql.definition.load import VOCABULARY
from pql.definition.model import Definition
from pql.definition.used import used_signals
from pql.scoring.wording import phrase
from pql.types import UserError


@app.command()
def new(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Id of the new definition: small letters, digits, - and _")] = None,
    start: Annotated[str, typer.Option("--from", help="Gallery id to begin with (see --list)")] = gallery.START,
    is_list: Annotated[bool, typer.Option("--list", help="List the gallery and write nothing")] = False,
    form: FormatOption = Format.table,
) -> None:
    """Begin a definition: NAME.yaml in the folder of definitions, a draft, from one of the gallery.

    Without --from it is a short one in which everything is explained. Nothing is ever overwritten.
    """
    if is_list:
        show([{"id": entry.id, "title": entry.title} for entry in gallery.entries()], form)
        return
    if name is None:
        raise UserError("NAME is missing: the id of the new definition (or --list, to see the gallery).")
    entry = gallery.entry(start)
    folder = _folder()
    file = _free(folder, name)
    shared = _vocabulary(folder / VOCABULARY)
    text = begun(entry, name, shared)
    _, problems = language.parse(text, str(file), list(shared.values()))
    if problems:
        raise UserError("\n".join([f"`{entry.id}` does not go with {VOCABULARY}:", *map(str, problems)]))
    _write(file, text)
    print(f"begun: {file}, a draft, from `{entry.id}` ({entry.title})")
    for number, step in enumerate(_next_steps(called(ctx), file, entry.definition, shared), 1):
        print(f"  {number}. {step}")


def _next_steps(pql: str, file: Path, begun_from: Definition, shared: Words) -> Iterator[str]:
    words = own_words(begun_from, shared)
    if words:
        yield f"in the file, change to what your product says: {words}"
    yield _what_sales_reads(begun_from)
    yield f"{pql} check {shlex.quote(str(file))}"
    yield f"{pql} preview {shlex.quote(str(file))}   (who would have qualified)"
    if not begun_from.plays:
        yield "add `plays:`, which say whom to tell and how: this one only ranks"
    yield "make it `status: live` when it is right; until then nobody is told"


def _what_sales_reads(begun_from: Definition) -> str:
    """Names are another product's, too: messages are made of them."""
    used = used_signals(begun_from)
    counted = [
        s for s in begun_from.signals if s.name in used and not s.title and s.measure in ("count", "active_days")
    ]
    example = f": `{counted[0].name}` reads “{phrase(begun_from, counted[0], 3)}”" if counted else ""
    return (
        "rename events and signals, or give a signal a `title:`, where they are not your product's words; they are "
        f"what sales reads in messages{example}"
    )


def _folder() -> Path:
    chosen = paths().definitions
    return chosen.parent if chosen.is_file() else chosen


def _free(folder: Path, name: str) -> Path:
    """Where the definition of that name goes; UserError if it cannot be called so, or there is one already."""
    _, problems = language.parse(f"definition: {json.dumps(name, ensure_ascii=False)}", "NAME")
    for problem in problems:
        if "`definition`" in problem.message:
            hint = f" ({problem.hint})" if problem.hint else ""
            raise UserError(f"NAME: {problem.message.removeprefix('`definition` ')}{hint}.")
    file = folder / f"{name}.yaml"
    if file.name in (VOCABULARY, "settings.yaml"):
        raise UserError(f"NAME: {file.name} has a meaning of its own and is not read as a definition. Choose another.")
    there = [each for each in (file, file.with_suffix(".yml")) if each.exists()]
    there += [Path(known.path) for known in language.load(folder).definitions if known.id == name]
    if there:
        raise UserError(
            f"There is a definition `{name}` already: {there[0]}. Choose another name; it is left as it is."
        )
    return file


def _vocabulary(file: Path) -> Words:
    """The events that the project's definitions share; UserError if they cannot be read."""
    if not file.exists():
        return {}
    words, problems = language.parse_vocabulary(file.read_text("utf-8"), str(file))
    if problems or words is None:
        raise UserError("\n".join(["The shared events have to be put right first:", *map(str, problems)]))
    return {name: event for name, event in words.items() if event is not None}


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new_file:  # x: never over another
            new_file.write(text)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.") from error
