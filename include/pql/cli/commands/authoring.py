"""`pql check`, `schema`: what somebody who writes a definition asks before it is live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from sqlalchemy.exc import SQLAlchemyError

from pql import definition as language
from pql import insight
from pql.cli.app import app, now, paths, project
from pql.cli.output import Format, FormatOption, show
from pql.definition.load import Loaded
from pql.insight.checking.check_data import Looked
from pql.settings import load_settings
from pql.types import UserError


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Definition files; none: the definitions folder")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end with exit code 1, for CI")] = False,
    data: Annotated[
        bool, typer.Option("--data/--no-data", help="Also compare the definitions with what lake and ledger hold")
    ] = True,
    form: FormatOption = Format.table,
) -> None:
    """Check definitions: what is wrong, what looks like a mistake, what the data says about them, where history starts.

    Exit code 2 if a definition is wrong, 1 with --strict if there are warnings. Against the data it looks for events
    and conditions that never match, thresholds nobody reaches, and windows that reach before the loaded history.
    """
    loaded = language.load(files or paths().definitions, project=paths().definitions, beside=True)
    settings = load_settings(paths().settings) if paths().settings.exists() else None
    found = [p for d in loaded.definitions for p in language.lint(d, settings=settings, today=now().date())]
    looked = _look(loaded) if data and settings is not None else Looked(notes=("data: not looked at",))
    problems = sorted([*loaded.problems, *found, *looked.problems], key=lambda p: (p.path, p.line))
    rows = [{"level": p.level, "file": p.path, "line": p.line, "message": p.message, "hint": p.hint} for p in problems]
    if form is not Format.table:
        show(rows, form, columns=["level", "file", "line", "message", "hint"])
    else:
        for problem in problems:
            print(f"{problem.level}: {problem}")
        for each in loaded.definitions:
            print(f"ok: {each.id} ({each.status}, priority {each.priority}, version {each.rules_hash[:12]})")
        print("\n".join(looked.notes))
    if any(p.level == "error" for p in problems):
        raise typer.Exit(2)
    if strict and problems:
        raise typer.Exit(1)


def _look(loaded: Loaded) -> Looked:
    """What lake and ledger say; that they cannot be asked is no fault of a definition."""
    try:
        with project() as opened:
            return insight.check_data(opened, loaded.definitions, now=now())
    except (UserError, SQLAlchemyError, duckdb.Error, OSError) as error:
        return Looked(notes=(f"data: not looked at ({' '.join(str(error).split())})",))


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="Write to this file, not to standard output")] = None,
) -> None:
    """Print the JSON Schema of a definition, with which an editor completes and underlines while one writes."""
    text = json.dumps(language.json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        print(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out: {out} cannot be written: {error.strerror}.") from error
    print(f"the schema is in {out}")
