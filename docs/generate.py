"""The pages that the code writes: the command line and the DAGs in, `docs/reference/{cli,dags}.md` out.

`make docs` writes them; `tests/docs/test_pages.py` fails when one is out of date.
"""

from __future__ import annotations

import atexit
import inspect
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer

REFERENCE = Path(__file__).parent / "reference"
DAGS = Path(__file__).parents[1] / "dags"
GENERATED = "<!-- Written by `make docs` from the code. Change it there. -->"
GROUPS = {  # module of the commands → heading, in the order in which one meets them
    "new": "Beginning a definition",
    "computing": "From definitions and sources to decisions",
    "inspecting": "Why",
    "alerting": "From the outbox to people",
}
DAG_ORDER = ("hourly_signals", "nightly_scores", "deliver")


# --- the command line ----------------------------------------------------------------------------------------------


def cli_page() -> str:
    """`docs/reference/cli.md`."""
    from pql.cli import app

    root: Any = typer.main.get_command(app)  # typer carries its own, untyped copy of click
    lines = [
        "# The command line",
        "",
        GENERATED,
        "",
        f"{root.help} Everything the DAGs do can be done here without Airflow.",
        "",
        "```",
        "pql [where things are] COMMAND [options]",
        "```",
        "",
        f"{root.epilog}",
        "",
        "## Where things are",
        "",
        "These come before the command. Each has an environment variable that says the same; without any of them the",
        "project's own `include/` is used, with `.pql/` beside it for lake and ledger.",
        "",
        *_table(p for p in root.params if not p.name.endswith("_completion")),
    ]
    for module, heading in GROUPS.items():
        lines += ["", f"## {heading}"]
        for name, command in root.commands.items():
            if command.callback.__module__.endswith(f".{module}"):
                lines += ["", *_command(name, command)]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(
        ["pql", name, *map(_usage, arguments), "[options]" if len(command.params) > len(arguments) else ""]
    )
    text = inspect.cleandoc(command.help)
    return [f"### `pql {name}`", "", "```", usage.strip(), "```", "", text, "", *_table(command.params)]


def _usage(argument: Any) -> str:
    name = argument.name.upper() + (" …" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _table(params: Iterator[Any] | Sequence[Any]) -> list[str]:
    rows = [(_spelled(p), _default(p), p.help) for p in params]
    if not rows:
        return ["It has no options."]
    return ["| | default | |", "|---|---|---|", *("| " + " | ".join(_cell(c) for c in row) + " |" for row in rows)]


def _spelled(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return ", ".join(f"`{opt}`" for opt in (*param.opts, *param.secondary_opts))


def _default(param: Any) -> str:
    value = param.default
    if param.secondary_opts:
        return f"`{(param.opts if value else param.secondary_opts)[0]}`"
    if value is None or value is False or value == "":
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# --- the DAGs ------------------------------------------------------------------------------------------------------


def dags_page() -> str:
    """`docs/reference/dags.md`: what each DAG says of itself in Airflow, and the tasks it is wired from."""
    from pql.orchestration.defaults import POOLS

    dags = _dags()
    lines = ["# The DAGs", "", GENERATED, ""]
    lines += ["The first part of each is what Airflow shows under *Docs* on the DAG's page."]
    for dag_id in sorted(dags, key=DAG_ORDER.index):
        dag = dags[dag_id]
        title, _, text = dag.doc_md.strip().partition("\n")
        lines += ["", f"## `{dag_id}`", "", f"*{title.lstrip('# ')}*", "", text.strip(), ""]
        lines += ["| task | what it does | pool | tells Airflow it updated |", "|---|---|---|---|"]
        lines += [_task(task) for task in dag.topological_sort()]
    lines += ["", "## Pools", "", "Made by `python -m pql.orchestration.init`.", ""]
    lines += ["| pool | slots | for |", "|---|---|---|"]
    lines += [f"| `{name}` | {slots} | {purpose} |" for name, (slots, purpose) in POOLS.items()]
    return "\n".join(lines) + "\n"


def _dags() -> Mapping[str, Any]:
    if "AIRFLOW_HOME" not in os.environ:  # importing Airflow writes a config there
        os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="pql-docs-")
        atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS))
    if bag.import_errors:
        raise RuntimeError(f"DAG files that cannot be read: {bag.import_errors}")
    return bag.dags


def _task(task: Any) -> str:
    what = inspect.getdoc(_function(task)) or ""
    each = f" One for each {task.map_index_template.strip('{} ').removesuffix('_name')}." if task.is_mapped else ""
    outlets = ", ".join(f"`{asset.name}`" for asset in task.outlets)
    pool = "" if task.pool == "default_pool" else f"`{task.pool}`"
    return f"| `{task.task_id}` | {_cell(what)}{each} | {pool} | {outlets} |"


def _function(task: Any) -> Any:
    """The function behind a task: a mapped one no longer says, but tasks are named after their functions."""
    from pql.orchestration import deliver_tasks, signal_tasks

    return next(getattr(m, task.task_id) for m in (signal_tasks, deliver_tasks) if hasattr(m, task.task_id)).function


# --- the gallery ---------------------------------------------------------------------------------------------------


def gallery_page() -> str:
    """`docs/reference/gallery.md`: what each ready definition is for, and where its numbers come from."""
    from pql.cli.gallery import FOLDER, entries

    where = os.path.relpath(FOLDER, REFERENCE)
    lines = [
        "# The gallery",
        "",
        GENERATED,
        "",
        "Ready definitions to begin with. `pql new NAME --from ID` writes one into your folder of definitions as a",
        "draft; then change its event names to your product's own. A number that no source gives is marked `# ours` in",
        "the file. Each is tested on a few events (`tests/gallery/`).",
    ]
    for entry in entries():
        lines += ["", f"## {entry.title}", "", entry.purpose, "", f"*Thresholds*: {entry.thresholds}", ""]
        lines += ["```sh", f"pql new my-definition --from {entry.id}", "```", ""]
        lines += [f"[{entry.id}.yaml]({where}/{entry.id}.yaml)"]
    return "\n".join(lines) + "\n"


# --- both ----------------------------------------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """Each generated page and what should stand in it."""
    return {
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "dags.md": dags_page(),
        REFERENCE / "gallery.md": gallery_page(),
    }


def main() -> None:
    """Write every page that is out of date, and name it."""
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: docs/reference/{path.name}")


if __name__ == "__main__":
    main()
