"""Commands are imported when they are called; until then their files' text stands for them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import typer
from typer.testing import CliRunner

from pql.cli import app
from pql.cli.on_demand import known

HEAVY = ("duckdb", "pandas", "pyarrow", "sqlalchemy", "alembic", "slack_sdk", "pql.pipeline", "pql.insight")


def test_what_the_text_tells_is_what_the_commands_say() -> None:
    """The names and help texts in `pql --help` are those of the imported commands, none more and none less."""
    root: Any = typer.main.get_command(app)
    imported = {name: command.help for name, command in root.commands.items()}
    registered = [info.callback for info in app.registered_commands if info.callback is not None]
    assert len(imported) == len(registered) + len(app.registered_groups)
    assert {name: " ".join(one.help.split()) for name, one in known().items()} == {
        name: " ".join(text.split()) for name, text in imported.items()
    }


def test_help_imports_nothing_heavy() -> None:
    """`pql --help` should feel instant: it loads no engine, no database, no vendor."""
    script = f"""
import sys
from pql.cli import main
sys.argv = ["pql", "--help"]
try:
    main()
finally:
    print("loaded:", [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Commands:" in done.stdout
    assert done.stdout.endswith("loaded: []\n"), done.stdout + done.stderr


def test_a_wrong_name_is_a_wrong_call() -> None:
    """An unknown command ends with 2 and says so; one that is nearly right is named."""
    said = CliRunner().invoke(app, ["explan", "Acme"])
    assert said.exit_code == 2
    assert "explain" in said.output
