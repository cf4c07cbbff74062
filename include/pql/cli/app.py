"""The `pql` application itself: where things are, what time it is, and how moments are written."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pql.cli.on_demand import OnDemand
from pql.connections import from_environment
from pql.types import UserError

if TYPE_CHECKING:  # imported where they are needed: `pql --help` answers at once
    from pql.pipeline.project import Project
    from pql.settings import Paths

ORDER = (
    *("init", "new", "check", "schema", "preview"),
    *("ingest", "score", "decide", "run", "deliver", "replay", "explain"),
    *("deliveries", "reconcile", "storms", "release", "block", "prune", "forget"),
)


class InOrder(OnDemand):
    """Commands listed in the order in which one uses them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, those of `ORDER` first."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="pql",
    cls=InOrder,
    help="Turn product usage into sales action: activation, scores, newly qualified accounts, deliveries.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok · 1 something failed on the way · 2 the call or a file must be put right.",
)

InOrder.app = app
_chosen: dict[str, Paths] = {}


@app.callback()
def where(
    home: Annotated[
        str | None,
        typer.Option(
            help="Folder with settings.yaml, definitions and .pql/ (else PQL_HOME). Given here, PQL_SETTINGS, "
            "PQL_DEFINITIONS, PQL_LAKE and PQL_LEDGER do not count"
        ),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (else PQL_SETTINGS)")] = None,
    definitions: Annotated[
        Path | None, typer.Option(help="Folder or file with definitions (else PQL_DEFINITIONS)")
    ] = None,
    lake: Annotated[str | None, typer.Option(help="Folder or object-store URL (else PQL_LAKE)")] = None,
    ledger: Annotated[str | None, typer.Option(help="SQLAlchemy URL (else PQL_LEDGER)")] = None,
) -> None:
    """Where this run's settings, definitions, lake and ledger are; without options the project's own."""
    from pql.pipeline.project import paths_from_environment

    found = paths_from_environment(os.environ, home)
    given = {"settings": settings, "definitions": definitions, "lake": lake, "ledger": ledger}
    _chosen["paths"] = found.model_copy(update={k: v for k, v in given.items() if v is not None})


def paths() -> Paths:
    """The paths chosen by options and environment."""
    return _chosen["paths"]


def called(ctx: typer.Context) -> str:
    """How this call began, for commands to run after it: `pql --home notes`. No ledger: its URL may hold a password."""
    given = {name: value for name, value in (ctx.parent.params if ctx.parent else {}).items() if name != "ledger"}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["pql", *words])


@contextmanager
def project() -> Iterator[Project]:
    """The project of this call; a SQLite ledger is created or upgraded on the way."""
    from pql.pipeline.project import init, opened

    if paths().ledger.startswith("sqlite"):
        init(paths())
    with opened(paths(), from_environment(os.environ)) as found:
        yield found


def now() -> datetime:
    """The clock, read only here, at the edge (SEM-T1)."""
    return datetime.now(UTC)


def instant(text: str, found: Project, option: str = "--as-of") -> datetime:
    """A moment as people write it: `2026-03-01` is that local midnight, `…T14:00` local, `…Z` or `+02:00` as said."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{option}: `{text}` is no date or time; write 2026-03-01 or 2026-03-01T14:00 (or with Z, +02:00)."
        ) from None
    return (parsed.replace(tzinfo=found.zone) if parsed.tzinfo is None else parsed).astimezone(UTC)


def duration(text: str, option: str) -> timedelta:
    """`30m`, `1h`, `1d`, `2w`.

    >>> duration("2w", "--every")
    datetime.timedelta(days=14)
    """
    match = re.fullmatch(r"\s*(\d+)\s*([mhdw])\s*", text)
    if not match or int(match[1]) == 0:
        raise UserError(f"{option}: `{text}` is no duration; write 30m, 1h, 1d or 2w.")
    unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def moment_since(text: str, found: Project, option: str = "--since") -> datetime:
    """A moment as `--since` takes it: so long ago (`12h`, `2d`), or as `instant` reads it."""
    return now() - duration(text, option) if text.rstrip()[-1:] in "mhdw" else instant(text, found, option)
