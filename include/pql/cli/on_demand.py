"""The commands of `pql`, each imported when it is called: files of `commands/` in, a group that knows their names out.

What a command needs (DuckDB, pandas, SQLAlchemy) takes a second or two to import. `pql --help` needs none of it: names
and help texts are read from the files as text.
"""

from __future__ import annotations

import ast
import gc
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info, get_command_name, get_group_from_info

_FOLDER = Path(__file__).parent / "commands"


@dataclass(frozen=True)
class Known:
    """A command as its file's text tells."""

    name: str
    module: str
    help: str


@cache
def known() -> dict[str, Known]:
    """Every command of `commands/`, by its name on the command line.

    That is a function registered with `@app.command()`, or with `@….callback()` as what a group does by itself.
    """
    return {one.name: one for path in sorted(_FOLDER.glob("*.py")) for one in _of_file(path)}


def _of_file(path: Path) -> Iterator[Known]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and any(_registers(each) for each in node.decorator_list):
            yield Known(get_command_name(node.name), f"pql.cli.commands.{path.stem}", ast.get_docstring(node) or "")


def _registers(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call):
        return False
    by = ast.unparse(decorator.func)
    return by == "app.command" or by.endswith(".callback")


class OnDemand(TyperGroup):
    """The group whose commands are imported when they are asked for, and only those."""

    app: typer.Typer  # the application whose commands these are; set where it is made
    _describing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of their files."""
        return list(known())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; None if there is none of that name."""
        one = known().get(cmd_name)
        if one is None:
            return None
        if self._describing:
            return TyperCommand(one.name, help=inspect.cleandoc(one.help))
        _import(one.module)
        group = next((info for info in self.app.registered_groups if info.name == one.name), None)
        if group is not None:
            return get_group_from_info(
                group,
                pretty_exceptions_short=self.app.pretty_exceptions_short,
                suggest_commands=self.app.suggest_commands,
                rich_markup_mode=self.app.rich_markup_mode,
            )
        registered = (info for info in self.app.registered_commands if info.callback is not None)
        info = next(each for each in registered if _name(each) == one.name)
        return get_command_from_info(
            info,
            pretty_exceptions_short=self.app.pretty_exceptions_short,
            rich_markup_mode=self.app.rich_markup_mode,
        )

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in `pql --help`, for which nothing is imported."""
        self._describing = True
        try:
            super().format_commands(ctx, formatter)
        finally:
            self._describing = False

    @property
    def commands(self) -> Any:
        """All of them, imported: name → command."""
        return {name: self.get_command(None, name) for name in self.list_commands(None)}

    @commands.setter
    def commands(self, given: Any) -> None:
        pass  # what is registered so far is found again by its name


def _import(module: str) -> None:
    """Import without looking for garbage: a million objects are made, all to stay, and none need be looked at again."""
    if not gc.isenabled():
        import_module(module)
        return
    gc.disable()
    try:
        import_module(module)
        gc.freeze()
    finally:
        gc.enable()


def _name(info: Any) -> str:
    return info.name or get_command_name(info.callback.__name__)
