"""A folder (or files) of definitions in, all of them and all their problems out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pql.definition.model import Definition, NamedEvent, Problem
from pql.definition.parse import Parsed, parse, parse_vocabulary

VOCABULARY = "vocabulary.yaml"
_NOT_DEFINITIONS = (VOCABULARY, "settings.yaml")
_SUFFIXES = (".yaml", ".yml")

Words = Mapping[str, NamedEvent | None]  # the shared events; None: declared wrongly


@dataclass(frozen=True)
class Loaded:
    """What was found: definitions without errors, by priority and id, and every problem of every file."""

    definitions: tuple[Definition, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep a definition from being used."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    def definition(self, id: str) -> Definition:
        """The definition of that id; KeyError if there is none."""
        for definition in self.definitions:
            if definition.id == id:
                return definition
        raise KeyError(id)


def load(folder_or_files: Path | Sequence[Path], *, project: Path | None = None, beside: bool = False) -> Loaded:
    """Every definition directly in a folder (not in folders below it), or in the given files; never raises.

    Definitions share the events of a `vocabulary.yaml` beside them; a draft that lies elsewhere shares those of the
    project's folder of definitions, if that is given. Ids must be unique; with `beside` also among the files of the
    project's folder that were not asked for. `settings.yaml` is passed over.
    """
    files, problems = _files(folder_or_files)
    definitions, found = _read_all(dict.fromkeys(files), project)
    others = _others(definitions, project) if beside and project is not None and project.is_dir() else []
    unique, twice = _unique(sorted([*definitions, *others], key=_place) if beside else definitions)
    mine = tuple(sorted((d for d in unique if d not in others), key=lambda d: (d.priority, d.id)))
    return Loaded(mine, tuple(sorted([*problems, *found, *twice], key=lambda p: (p.path, p.line))))


def _read_all(files: Iterable[Path], project: Path | None) -> tuple[list[Definition], list[Problem]]:
    """Those without errors, with the words that they share, and the problems of all."""
    vocabularies: dict[Path, Words | None] = {}
    definitions: list[Definition] = []
    problems: list[Problem] = []
    for file in files:
        if file.parent not in vocabularies:
            vocabularies[file.parent], found = _vocabulary(_vocabulary_of(file, project))
            problems += found
        words = vocabularies[file.parent]
        if words is None or file.name in _NOT_DEFINITIONS:  # without words only the vocabulary's own problem is of use
            continue
        definition, found = _read(file, words)
        problems += found
        definitions += [definition] if definition is not None else []
    return definitions, problems


def _others(read: Sequence[Definition], project: Path) -> list[Definition]:
    """What else lies in the project's folder and claims an id of those read there."""
    inside = [definition for definition in read if _place(definition).parent == project.resolve()]
    places, ids = {_place(definition) for definition in inside}, {definition.id for definition in inside}
    files = [file for file in _files(project)[0] if _at(file) not in places] if inside else []
    return [definition for definition in _read_all(files, None)[0] if definition.id in ids]


def _place(definition: Definition) -> Path:
    return _at(Path(definition.path))


def _at(file: Path) -> Path:
    """Where the file lies, whatever it may be a link to."""
    return file.parent.resolve() / file.name


def _files(folder_or_files: Path | Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    if not isinstance(folder_or_files, Path):
        return [Path(file) for file in folder_or_files], []
    if folder_or_files.is_file():
        return [folder_or_files], []
    if not folder_or_files.is_dir():
        return [], [Problem(str(folder_or_files), 1, "there is no such folder of definitions")]
    found = sorted(p for p in folder_or_files.iterdir() if p.suffix in _SUFFIXES and p.name not in _NOT_DEFINITIONS)
    if not found:
        hint = "put a definition (*.yaml) there"
        return [], [Problem(str(folder_or_files), 1, "the folder holds no definitions", hint, "warning")]
    return found, []


def _read(file: Path, words: Words) -> tuple[Definition | None, tuple[Problem, ...]]:
    text, problems = _text(file)
    if text is None:
        return None, problems
    readable = tuple(event for event in words.values() if event is not None)
    return _parsed(text, str(file), readable, tuple(name for name, event in words.items() if event is None))


@lru_cache(maxsize=256)
def _parsed(text: str, path: str, words: tuple[NamedEvent, ...], unreadable: tuple[str, ...]) -> Parsed:
    """What a file means depends on nothing else: a process that reads it often (the page) need not parse it often."""
    return parse(text, path, words, unreadable)


def _vocabulary_of(file: Path, project: Path | None) -> Path:
    beside = file.parent / VOCABULARY
    if project is None or beside.exists():
        return beside
    return (project if project.is_dir() else project.parent) / VOCABULARY


def _vocabulary(file: Path) -> tuple[Words | None, tuple[Problem, ...]]:
    if not file.exists():
        return {}, ()
    text, problems = _text(file)
    return (None, problems) if text is None else parse_vocabulary(text, str(file))


def _text(file: Path) -> tuple[str | None, tuple[Problem, ...]]:
    try:
        return file.read_bytes().decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return None, (Problem(str(file), line, "the file is not UTF-8", "save it as UTF-8"),)
    except OSError as error:
        return None, (Problem(str(file), 1, f"the file cannot be read: {error.strerror or error}"),)


def _unique(definitions: Iterable[Definition]) -> tuple[list[Definition], list[Problem]]:
    first: dict[str, Definition] = {}
    problems = []
    for definition in definitions:
        if definition.id in first:
            used, left_out = first[definition.id].path, definition.path
            message = f"definition `{definition.id}` is in two files: {used} is used, {left_out} is left out"
            hint = "ids are unique: give the copy, whichever of them it is, an id of its own"
            problems.append(Problem(left_out, definition.line("definition"), message, hint))
        else:
            first[definition.id] = definition
    return list(first.values()), problems
