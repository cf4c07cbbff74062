"""Which two definitions: the file or word somebody wrote in, definitions out."""

from __future__ import annotations

from pathlib import Path

from pql import definition as language
from pql.definition.model import Definition
from pql.pipeline.project import Project
from pql.types import UserError


def read_draft(project: Project, file: Path) -> Definition:
    """The definition in `file`, which may lie anywhere; outside the folder it shares the project's vocabulary.

    Raises UserError with every error, as `pql check` prints them.
    """
    loaded = language.load([file], project=project.paths.definitions)
    if loaded.errors or not loaded.definitions:
        raise UserError("\n".join([f"{file} has errors:", *(f"error: {problem}" for problem in loaded.errors)]))
    return loaded.definitions[0]


def choose_against(project: Project, new: Definition, wanted: str | None) -> Definition | None:
    """What `new` is compared with: `live`, an id, a file, or `none`; without a word the live one of its id, if any.

    Raises UserError when there is no such definition.
    """
    live = next((d for d in project.live if d.id == new.id), None)
    if wanted is None or wanted == "none":
        return live if wanted is None else None
    if wanted == "live":
        if live is None:
            ids = ", ".join(d.id for d in project.live) or "none"
            raise UserError(f"--against live: no live definition has the id `{new.id}` (live are: {ids}).")
        return live
    if Path(wanted).suffix in (".yaml", ".yml"):
        return read_draft(project, Path(wanted))
    return project.definition(wanted)
