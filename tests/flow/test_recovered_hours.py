"""Hours that failed, were cleared or ran twice at once: whoever they found is told once, says the sandbox's log."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before

from pql import pipeline
from pql.connections import from_environment
from pql.pipeline.project import ROOT
from pql.sandbox import connections
from pql.settings import Paths

MORNING = T0 + DAY + 9 * HOUR
BOTH = ["sqlite", "postgresql"]
on_both = pytest.mark.parametrize("ledger_url", BOTH, indirect=True)
# on PostgreSQL, too, where it is about several workers or all is tried at full size
on_both_if_large = pytest.mark.parametrize(
    "ledger_url", BOTH if os.environ.get("PQL_CHAOS") else BOTH[:1], indirect=True
)


@pytest.fixture
def told_of(story: Story, ledger_url: str) -> Story:
    """A story on SQLite and on PostgreSQL, its baseline and a night behind it; ada and bob are a day short."""
    story.paths = story.paths.model_copy(update={"ledger": ledger_url})
    story.run("nightly", T0)
    for user in ("ada", "bob"):
        story.happens(user, *days_before(T0 + DAY, 3, 2))
    story.run("nightly", T0 + DAY)
    return story


def holds(story: Story, *names: str) -> None:
    """Each of them has one message and one webhook, nobody else has any, and the ledger knows of nothing more."""
    assert story.told() == list(names)
    assert story.effects() == {"slack": len(names), "webhook": len(names)}
    rows = story.ledger()
    assert [row["state"] for row in rows["deliveries"]] == ["delivered"] * 2 * len(names)
    keys = [effect["key"] for effect in story.sandbox.effects()]
    assert sorted(keys) == sorted(row["key"] for row in rows["deliveries"])


def crash(*_: object, **__: object) -> None:
    """The machine goes down."""
    raise RuntimeError("the machine goes down in the deciding transaction")


@pytest.mark.parametrize("later_hours", [0, 1, 3], ids=["backfilled before any later hour", "after one", "after three"])
@on_both_if_large
def test_a_failed_hour_is_recovered_by_a_backfill(told_of: Story, monkeypatch: Any, later_hours: int) -> None:
    """SEM-D1, D2, D7: what a failed live hour found is announced once, not suppressed, whenever it is done again."""
    story = told_of
    story.happens("ada", MORNING - HOUR / 2, file="nine")
    with monkeypatch.context() as goes_down:
        goes_down.setattr("pql.outbox.enqueue", crash)
        with pytest.raises(RuntimeError):
            story.run("hourly", MORNING)
    assert story.deliver() == {}
    for later in range(later_hours):
        story.run("hourly", MORNING + (later + 1) * HOUR)
        story.deliver()
    story.run("hourly", MORNING)  # the backfill: the same moment, whatever time it is
    story.deliver()
    story.run("hourly", MORNING + 4 * HOUR)
    story.deliver()
    holds(story, "ada")


@on_both_if_large
def test_a_backfill_of_the_whole_day_adds_nothing(told_of: Story) -> None:
    """SEM-D2, D7: every hour and the night done again, with reprocessing, leave the ledger's deliveries as they are."""
    story = told_of
    for user in ("ada", "bob"):
        story.happens(user, MORNING - HOUR / 2, file="nine")
    for hour in range(3):
        story.run("hourly", MORNING + hour * HOUR)
        story.deliver()
    before = {name: story.ledger()[name] for name in ("deliveries", "delivery_causes", "episodes", "occurrences")}
    story.now += 20 * HOUR
    for at, kind in ((T0 + DAY, "nightly"), *((MORNING + hour * HOUR, "hourly") for hour in range(3))):
        story.run(kind, at)
        story.deliver()
    assert {name: story.ledger()[name] for name in before} == before
    holds(story, "ada", "bob")


@on_both_if_large
def test_a_live_run_cleared_and_done_again_five_times(told_of: Story) -> None:
    """SEM-D2, D7: each time it finds the stays open: no new effect."""
    story = told_of
    story.happens("ada", MORNING - HOUR / 2, file="nine")
    announced = []
    for _ in range(6):
        announced.append(story.run("hourly", MORNING)["announced"])
        story.deliver()
    assert announced == [1, 0, 0, 0, 0, 0]
    holds(story, "ada")


@on_both
def test_two_runs_of_one_hour_at_once_in_threads(told_of: Story) -> None:
    """SEM-D2: one of them decides, the other finds it decided; both deliver, and each message is there once."""
    story = told_of
    for user in ("ada", "bob"):
        story.happens(user, MORNING - HOUR / 2, file="nine")
    story.now = MORNING

    def once(_: int) -> int:
        return hour(story.paths, story.sandbox.url)

    with ThreadPoolExecutor(2) as pool:
        announced = list(pool.map(once, range(2)))
    assert sorted(announced) == [0, 2]
    holds(story, "ada", "bob")


@on_both_if_large
def test_two_runs_of_one_hour_at_once_in_processes(told_of: Story) -> None:
    """SEM-D2: the same with processes, which share nothing but lake and ledger."""
    story = told_of
    for user in ("ada", "bob"):
        story.happens(user, MORNING - HOUR / 2, file="nine")
    story.now = MORNING
    code = (
        "import sys; from pql.settings import Paths; from tests.flow.test_recovered_hours import hour;"
        "print(hour(Paths.model_validate_json(sys.argv[1]), sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, story.paths.model_dump_json(), story.sandbox.url]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    announced = [int(each.communicate(timeout=240)[0].splitlines()[-1]) for each in running]
    assert sorted(announced) == [0, 2]
    holds(story, "ada", "bob")


def hour(paths: Paths, sandbox: str) -> int:
    """The hour of nine, read, evaluated, decided and delivered; how many it announced."""
    project = pipeline.open_project(paths, from_environment(connections(sandbox)))
    try:
        summary = pipeline.run(project, "hourly", as_of=MORNING, now=MORNING)
        pipeline.deliver(project, clock=lambda: MORNING)
        return int(summary["announced"])
    finally:
        project.close()
