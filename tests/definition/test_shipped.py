"""The definitions that come with the project: the demo company's and the two real-data examples."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pql.definition import lint, load, parse
from pql.settings import FilesSource, load_settings

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "include" / "definitions"
EXAMPLES = DEFINITIONS / "examples"
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not there: {DATA}")


@pytest.mark.parametrize(
    ("folder", "ids"),
    [
        (DEFINITIONS, ["hand-raiser", "new-business", "usage-limit"]),
        (EXAMPLES / "sparkify", ["upgrade"]),
        (EXAMPLES / "relax", ["adopted-teams", "adopted-users"]),
    ],
    ids=["demo", "sparkify", "relax"],
)
def test_shipped_definitions_are_free_of_problems_and_warnings(folder: Path, ids: list[str]) -> None:
    """What we ship is what we would write: no errors and no warnings, several side by side (PRODUCT-D6)."""
    loaded = load(folder)
    assert loaded.problems == ()
    assert [definition.id for definition in loaded.definitions] == ids
    own, of_project = folder / "settings.yaml", folder.parent / "settings.yaml"
    settings = load_settings(own if own.exists() else of_project)
    assert [str(problem) for d in loaded.definitions for problem in lint(d, settings=settings)] == []


def test_the_relax_example_tells_a_habit_now_from_a_habit_ever() -> None:
    """Adopted is three login days of seven: per user at T for teams (SEM-W2), a sticky stage for users (SEM-A1)."""
    loaded = load(EXAMPLES / "relax")
    habit = loaded.definition("adopted-teams").signal("habitual_users")
    users = loaded.definition("adopted-users")
    assert (habit.measure, habit.window.days, habit.per_user and habit.per_user.min) == ("active_days", 7, 3)
    assert users.subject == "user"
    assert [stage.name for stage in users.stages] == ["First login", "Adopted"]


@needs_data
def test_the_mapped_columns_are_in_the_real_files() -> None:
    """Every column that the examples' mappings name is there, so nothing is silently empty."""
    with (DATA / "sparkify" / "2018-11-01-events.json").open() as lines:
        columns = {"pages": set(json.loads(lines.readline()))}
    for source, file in (("users", "takehome_users.csv"), ("logins", "takehome_user_engagement.csv")):
        with (DATA / "relax" / file).open(encoding="latin-1") as lines:
            columns[source] = set(next(csv.reader(lines)))
    for example in ("sparkify", "relax"):
        for name, source in load_settings(EXAMPLES / example / "settings.yaml").sources.items():
            assert isinstance(source, FilesSource)
            for emit in source.emits:
                named = {emit.event, emit.time, emit.user, emit.account, *emit.where, *(emit.properties or [])} - {None}
                assert named | {*emit.user_traits.values()} <= columns[name], name


@needs_data
def test_the_sketch_of_the_language_is_understood_whole() -> None:
    """The language's sketch parses, but for the one event it does not declare."""
    text = (DATA.parent / "definition-sketch.yaml").read_text()
    _, problems = parse(text, "sketch.yaml")
    assert [p.message.split(":")[0] for p in problems] == ["unknown event `integration_connected`"]
    event = "  integration_connected: Integration Connected\n"
    complete = text.replace("  message_sent: Message Sent", event + "  message_sent: Message Sent")
    definition, problems = parse(complete, "sketch.yaml")
    assert problems == ()
    assert definition is not None
    assert len(definition.signals) == 16
