"""The pages that the code writes: commands, DAGs, gallery, settings and ledger in, `docs/reference/*.md` out.

`make docs` writes them; `tests/docs/test_generated.py` fails when one is out of date.
"""

from __future__ import annotations

import ast
import atexit
import inspect
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

REFERENCE = Path(__file__).parent / "reference"
DAGS = Path(__file__).parents[1] / "dags"
GENERATED = "<!-- Written by `make docs` from the code. Change it there. -->"
GROUPS = {  # heading → modules of the commands, in the order in which one meets them
    "Writing a definition": ("authoring", "new", "preview"),
    "From sources to decisions": ("computing",),
    "Why": ("inspecting",),
    "From the outbox to people": ("alerting", "deliveries", "storms", "reconcile"),
    "Keeping house": ("prune", "forget"),
}
LEDGER = """What the project remembers, in SQLite or PostgreSQL: scores can be computed again from the
[lake](../../ARCHITECTURE.md#the-lake), this cannot. `python -m pql.orchestration.init` (or `pql init`) creates the
tables and brings them to the newest version. Moments are stored in UTC without an offset. Read from it what you like;
write through the [command line](cli.md) only, whose transactions keep the rows in step."""
DAG_ORDER = ("hourly_signals", "nightly_scores", "deliver", "approve_storm", "deliveries_by_hand")


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
        "project's own `include/` is used, with `.pql/` beside it for lake and ledger. An option counts before a",
        "variable, and a folder named with `--home` before all variables: only options beside it take something from",
        "elsewhere.",
        "",
        *_table(p for p in root.params if not p.name.endswith("_completion")),
    ]
    commands = {name: root.get_command(None, name) for name in root.list_commands(None)}
    rooms = {name: command.callback.__module__.rpartition(".")[2] for name, command in commands.items()}
    if strange := set(rooms.values()) - {module for modules in GROUPS.values() for module in modules}:
        raise RuntimeError(f"GROUPS lacks the modules {sorted(strange)}")
    for heading, modules in GROUPS.items():
        lines += ["", f"## {heading}"]
        for name, command in commands.items():
            if rooms[name] in modules:
                lines += ["", *_command(name, command)]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(
        ["pql", name, *map(_usage, arguments), "[options]" if len(command.params) > len(arguments) else ""]
    )
    text = inspect.cleandoc(command.help)
    lines = [f"### `pql {name}`", "", "```", usage.strip(), "```", "", text, "", *_table(command.params)]
    for inner, below in getattr(command, "commands", {}).items():
        lines += ["", *_command(f"{name} {inner}", below)]
    return lines


def _usage(argument: Any) -> str:
    name = argument.name.upper() + (" …" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _table(params: Iterator[Any] | Sequence[Any]) -> list[str]:
    rows = [(_spelled(p), _default(p), p.help) for p in params if not getattr(p, "hidden", False)]
    if not rows:
        return ["It has no options."]
    return ["| | default | |", "|---|---|---|", *("| " + " | ".join(_cell(c) for c in row) + " |" for row in rows)]


def _spelled(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return ", ".join(f"`{opt}`" for opt in (*param.opts, *param.secondary_opts))


def _default(param: Any) -> str:
    value = param.default
    if param.secondary_opts and value is not None:
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
    what = _says(task)
    each = f" One for each {task.map_index_template.strip('{} ').removesuffix('_name')}." if task.is_mapped else ""
    outlets = ", ".join(f"`{asset.name}`" for asset in task.outlets)
    pool = "" if task.pool == "default_pool" else f"`{task.pool}`"
    return f"| `{task.task_id}` | {_cell(what)}{each} | {pool} | {outlets} |"


def _says(task: Any) -> str:
    """What a task says of itself: its function, else the first paragraph of its own class."""
    from pql.orchestration import by_hand_tasks, deliver_tasks, signal_tasks, storm_tasks

    rooms = (signal_tasks, deliver_tasks, storm_tasks, by_hand_tasks)  # a mapped task no longer says its function
    found = next((getattr(room, task.task_id) for room in rooms if hasattr(room, task.task_id)), None)
    if hasattr(found, "function"):
        return inspect.getdoc(found.function) or ""
    return (task.doc_md or inspect.getdoc(type(task)) or "").partition("\n\n")[0]


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


# --- the settings --------------------------------------------------------------------------------------------------


def settings_page() -> str:
    """`docs/reference/settings.md`: its prose as it is, its tables of keys from the models."""
    page = (REFERENCE / "settings.md").read_text()
    tables = r"(<!-- keys of (\w+), written by `make docs` from the code -->\n)(.*?)(<!-- end -->)"
    return re.sub(tables, lambda m: m[1] + _keys(m[2]) + m[4], page, flags=re.DOTALL)


def _keys(name: str) -> str:
    from pql.settings import model

    one, words = getattr(model, name), _words(inspect.getsource(getattr(model, name)))
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for key, info in one.model_fields.items():
        value = info.get_default(call_default_factory=True)
        default = value if isinstance(value, str) and value else json.dumps(value, default=str)
        lines.append(f"| `{key}` | {'*required*' if info.is_required() else f'`{default}`'} | {_cell(words[key])} |")
    return "\n".join(lines) + "\n"


def _words(source: str) -> dict[str, str]:
    """Key → the text that stands below it in the class; a key without one is missing."""
    body = ast.parse(source).body[0].body  # type: ignore[attr-defined]  # a class has one
    pairs = [(key, word) for key, word in pairwise(body) if isinstance(key, ast.AnnAssign)]
    return {
        key.target.id: inspect.cleandoc(word.value.value).replace("\n", " ")
        for key, word in pairs
        if isinstance(word, ast.Expr) and isinstance(key.target, ast.Name) and isinstance(word.value, ast.Constant)
    }


# --- the ledger ----------------------------------------------------------------------------------------------------


def ledger_page() -> str:
    """`docs/reference/ledger.md`: every table and column, what it means, and what may not stand there twice."""
    from pql.store import meanings
    from pql.store.tables import metadata

    lines = ["# The tables of the ledger", "", GENERATED, "", LEDGER]
    for table in metadata.tables.values():
        lines += ["", f"## `{table.name}`", "", meanings.TABLES[table.name], ""]
        lines += ["| column | type | NULL | meaning |", "|---|---|---|---|"]
        for column in table.columns:
            points = "".join(f" (`{key.target_fullname}`)" for key in column.foreign_keys)
            row = (f"`{column.name}`", _type(column.type), "yes" if column.nullable else "")
            lines.append(f"| {' | '.join(row)} | {_cell(meanings.meaning(table.name, column.name))}{points} |")
        lines += ["", "Unique: " + " · ".join(_guards(table)) + "."]
    return "\n".join(lines) + "\n"


def _type(given: Any) -> str:
    names = {"BIGINT": "integer", "DATETIME": "UTC", "BOOLEAN": "yes/no", "VARCHAR": "text"}
    name, _, length = str(given).partition("(")
    return names.get(name, name.lower() if name != "JSON" else name) + (f" ≤ {length.rstrip(')')}" if length else "")


def _guards(table: Any) -> list[str]:
    """What may not stand in the table twice, the primary key first."""
    from sqlalchemy import UniqueConstraint

    keys = [[column.name for column in table.primary_key.columns]]
    named = sorted(table.constraints, key=lambda c: str(c.name))
    keys += [[c.name for c in each.columns] for each in named if isinstance(each, UniqueConstraint)]
    guards = [", ".join(f"`{name}`" for name in names) for names in keys]
    for index in sorted(table.indexes, key=lambda i: str(i.name)):
        if index.unique:
            where = index.dialect_options["postgresql"]["where"]
            names = ", ".join(f"`{column.name}`" for column in index.columns)
            guards.append(f"{names}{f' where `{where}`' if where is not None else ''}")
    return guards


# --- what answers mean ---------------------------------------------------------------------------------------------

ERRORS = """What each answer of a vendor means for a delivery. The clients go by this table
(`include/pql/clients/meanings.py`), and this page is written from it.

| means | then |
|---|---|
| sent | the receipt is kept |
| not sent | surely no effect: it is tried again after 30 s, 5 min, 30 min, 2 h, 5 h and 10 h |
| not sent, waits | surely no effect: it is tried again after half a minute, which uses up no attempt |
| ambiguous | it may have happened: it is [looked for](../explanation/what-is-guaranteed.md) before it is sent again |
| never will be | dead at once, with the reason; `pql deliveries retry` when it is put right |

An answer with a `Retry-After` that means *not sent* is tried again after that time, and no attempt is used up.

An answer that is in no row is ambiguous wherever the effect could have happened. What fails *before* the request that
has the effect (looking up a channel, a person, an owner) is not sent, whatever the answer was, or never will be."""
SYSTEMS = {
    "slack": ("Slack", "the `error` of Slack's answer; without one, the HTTP status"),
    "http": ("HubSpot", "the HTTP status"),
    "hubspot row": ("HubSpot, one row of a batch", "the `category` of the row's error in a 207"),
    "webhook": ("Webhooks", "the HTTP status, or what keeps the receiver from being called"),
    "transport": ("No answer at all", "the class of the failure; every system"),
}
MEANS = {"delivered": "sent", "not_sent": "not sent", "ambiguous": "ambiguous", "rejected": "never will be"}


def errors_page() -> str:
    """`docs/reference/delivery-errors.md`: rows of one meaning stand together."""
    from pql.clients.meanings import TABLE

    lines = ["# Delivery errors", "", GENERATED, "", ERRORS]
    for system, (title, answer) in SYSTEMS.items():
        lines += ["", f"## {title}", "", f"Answer: {answer}.", ""]
        lines += ["| answer | means | why | what to do |", "|---|---|---|---|"]
        together: dict[tuple[str, str, str], list[str]] = {}
        for row in (row for row in TABLE if row.system == system):
            means = MEANS[row.outcome] + (", waits" if row.wait == "told" else "")
            code = "anything else" if row.code == "*" else f"`{row.code}`"
            together.setdefault((means, row.why, row.advice), []).append(code)
        for (means, why, advice), codes in together.items():
            lines.append(f"| {', '.join(codes)} | {means} | {_cell(why)} | {_cell(advice)} |")
    return "\n".join(lines) + "\n"


# --- all -----------------------------------------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """Each generated page and what should stand in it."""
    return {
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "dags.md": dags_page(),
        REFERENCE / "gallery.md": gallery_page(),
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "ledger.md": ledger_page(),
        REFERENCE / "delivery-errors.md": errors_page(),
    }


def main() -> None:
    """Write every page that is out of date, and name it."""
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: docs/reference/{path.name}")


if __name__ == "__main__":
    main()
