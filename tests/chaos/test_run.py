"""The table of guarantees: every row names tests that exist, and nothing counts as passed that was not run."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos import ledgers, results, soaks
from tests.chaos.history import Anomaly
from tests.chaos.results import Result
from tests.chaos.rows import ROWS, SOAK, Row
from tests.chaos.soak import Outcome
from tests.chaos.stories import LEDGERS, ROOT, judged, read

ROW = Row("two", "a fault", "one effect", ("tests/a/test_a.py::test_one", "tests/a/test_a.py::test_two"))
REPORT = """<testsuites><testsuite>
<testcase file="tests/a/test_a.py" name="test_one[sqlite-slack]">
<properties><property name="effects" value="1000"/></properties></testcase>
<testcase file="tests/a/test_a.py" name="test_one[postgresql-slack]">
<properties><property name="effects" value="1000"/></properties>
<system-out>everything delivered 12 s after the scheduler was started again</system-out></testcase>
<testcase file="tests/a/test_a.py" name="test_two[sqlite]">{}</testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_names_tests_that_exist(row: Row) -> None:
    """A test that is renamed would silently not be run."""
    assert row.tests or row.name == SOAK
    for test in row.tests:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_a_row_passes_when_all_its_tests_do() -> None:
    """The ledgers it ran on and its figures, added up, are told with it."""
    told = judged(ROW, read(REPORT.format("")), "")
    assert (told.state, told.ledgers) == ("passed", ("SQLite", "PostgreSQL"))
    printed = "everything delivered 12 s after the scheduler was started again"
    assert told.figures == ("3 cases", "2,000 effects", printed)


@pytest.mark.parametrize(
    ("second", "state"),
    [
        ("<failure>no</failure>", "failed"),
        ("<error>no</error>", "failed"),
        ("<skipped>no data</skipped>", "passed, 1 of 3 skipped"),
    ],
)
def test_a_row_does_not_pass_when_one_of_its_tests_did_not(second: str, state: str) -> None:
    """Failed, broken or skipped: it is said."""
    assert judged(ROW, read(REPORT.format(second)), "").state == state


def test_a_test_that_was_not_found_is_a_failure() -> None:
    """Nor does a row pass of which pytest ran nothing."""
    one = [case for case in read(REPORT.format("")) if case.test.endswith("test_one")]
    assert judged(ROW, one, "").state == "failed"
    assert judged(ROW, [], "").state == "not run"


def test_where_effects_are_not_the_matter_they_are_not_counted() -> None:
    """Stand-ins that answer anything make effects nobody decided: a row about secrets counts its cases only."""
    cases = [replace(case, figures=(("foreign", "2"),)) for case in read(REPORT.format(""))]
    assert "2 foreign" in " ".join(judged(replace(ROW, tests=()), cases[:1], "").figures)
    assert judged(replace(ROW, tests=(), of_effects=False), cases[:1], "").figures == ("1 cases",)


def test_the_page_shows_what_was_not_run(tmp_path: Path) -> None:
    """A row without a result says so; what is kept is read back as it was."""
    known = {"two": Result("passed", "2026-03-02", ("SQLite",), ("1,000 effects",), "", "two cores")}
    other = Row("other", "another | fault", "nothing", ("tests/a/test_b.py::test_it",))
    results.write([ROW, other], known, tmp_path / "page.md", tmp_path / "kept.json")
    assert results.read(tmp_path / "kept.json") == known
    page = (tmp_path / "page.md").read_text()
    assert "**1 of 2 rows passed" in page
    assert "| a fault | one effect | passed | 2026-03-02 | SQLite | 1,000 effects | fixed in the tests |" in page
    assert "| another \\| fault | nothing | **not run** |  |  |  |  |" in page


def outcome(*anomalies: Anomaly) -> Outcome:
    """What came of a soak in which the judge found these."""
    return Outcome(anomalies, {"delivered": 10}, {"slack": 10}, {"sent": 2}, 1, 12, 0, 3.0, 60.0)


def test_a_soak_that_found_something_fails_its_row_and_names_its_seed() -> None:
    """One of many is enough; the others do not outvote it."""
    done = [(1, "sqlite", outcome()), (2, "postgresql", outcome(Anomaly("doubled", "pql-1 has 2 effects")))]
    told = soaks.told(done, 2, soaks.FULL)
    assert told.state == "failed"
    assert "seed 2 on PostgreSQL: 1 doubled" in told.figures
    assert told.output == "seed 2 on PostgreSQL: doubled: pql-1 has 2 effects"


def test_fewer_or_smaller_soaks_than_promised_do_not_simply_pass() -> None:
    """The row says what was left out."""
    done = [(1, "sqlite", outcome())]
    assert soaks.told(done, 1, soaks.FULL).state == "passed"
    assert soaks.told(done, 40, soaks.FULL).state == "passed, 1 of 40 soaks in the time given"
    assert soaks.told(done, 1, 1000).state == "passed, at a smaller size"
    found = [(1, "sqlite", outcome(Anomaly("doubled", "pql-1 has 2 effects")))]
    assert soaks.told(found, 1, 1000).state == "failed, at a smaller size"


@pytest.mark.parametrize("kind", LEDGERS)
def test_there_is_a_ledger_of_each_kind_to_soak(kind: str) -> None:
    """They are asked for by name."""
    assert callable(getattr(ledgers, kind))


def test_a_smaller_success_does_not_paint_over_what_a_larger_run_found() -> None:
    """Nor does a part of a row: only what was run whole, or failed, takes the place of another result."""
    whole, part, failed = (Result(state, "2026-03-02") for state in ("passed", "passed, at a smaller size", "failed"))
    assert results.replaced(failed, part) == failed
    assert results.replaced(whole, part) == whole
    assert results.replaced(part, part) == results.replaced(results.NOT_RUN, part) == part
    assert results.replaced(failed, whole) == whole
    assert results.replaced(whole, failed) == failed
    small = Result("failed, at a smaller size", "2026-03-02")
    assert results.replaced(small, part) == results.replaced(whole, small) == small
