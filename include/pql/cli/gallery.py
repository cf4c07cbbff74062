"""The gallery's folder in, its entries out: what each is for, where its numbers come from, and its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pql import definition as language
from pql.definition.load import VOCABULARY
from pql.definition.model import Definition
from pql.located_yaml import did_you_mean
from pql.pipeline.project import ROOT
from pql.types import UserError

FOLDER = ROOT / "include" / "definitions" / "gallery"  # it ships with the project, whatever home pql runs for
START = "starting-point"  # what a definition begins with that is started from nothing


@dataclass(frozen=True)
class Entry:
    """One ready definition; its head says in two paragraphs of comment what the properties here give."""

    id: str
    text: str

    @property
    def title(self) -> str:
        return self.definition.title

    @property
    def purpose(self) -> str:
        """What it is for, in a sentence or two."""
        return self._head[0]

    @property
    def thresholds(self) -> str:
        """Where its numbers come from; those that are ours are also marked so where they stand."""
        return self._head[1].removeprefix("Thresholds: ")

    @cached_property
    def definition(self) -> Definition:
        """The definition as it stands in the gallery."""
        read, problems = language.parse(self.text, f"{self.id}.yaml")
        if read is None:
            raise UserError("\n".join(["The gallery is broken:", *map(str, problems)]))
        return read

    @property
    def _head(self) -> list[str]:
        comment = re.match(r"(?:#.*\n)+", self.text)
        lines = [line.removeprefix("#").strip() for line in comment[0].splitlines()] if comment else []
        return [" ".join(paragraph.split()) for paragraph in "\n".join(lines).split("\n\n")]


def entries(folder: Path = FOLDER) -> tuple[Entry, ...]:
    """All of them: the one to begin with, then by id."""
    found = [Entry(file.stem, file.read_text("utf-8")) for file in folder.glob("*.yaml") if file.name != VOCABULARY]
    return tuple(sorted(found, key=lambda entry: (entry.id != START, entry.id)))


def entry(id: str, folder: Path = FOLDER) -> Entry:
    """The entry of that id; UserError with the nearest one if there is none."""
    known = {each.id: each for each in entries(folder)}
    if id not in known:
        near = did_you_mean(id, known, list_all=False)
        hint = f"{near[0].upper()}{near[1:]}" if near else "`pql new --list` lists it."
        raise UserError(f"The gallery has no `{id}`. {hint}")
    return known[id]
