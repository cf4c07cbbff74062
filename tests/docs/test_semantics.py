"""docs/reference/semantics.md: every settled rule, where it lives, and a test that holds it."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from pql.pipeline.project import ROOT

PAGE = (ROOT / "docs" / "reference" / "semantics.md").read_text()
RULES = [
    f"{group}{number}"
    for group, last in {"T": 6, "W": 4, "M": 4, "A": 2, "S": 3, "Q": 5, "D": 7, "C": 1}.items()
    for number in range(1, last + 1)
]
SECTIONS = dict(re.findall(r"^### SEM-([A-Z]\d+) (.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE))
ROOMS = {"Code": ROOT / "include" / "pql", "Test": ROOT}


def cited(text: str) -> set[str]:
    """The rules cited in the text, as `SEM-D3` or one after the other: `SEM-D6, D7`."""
    runs = re.findall(r"SEM-([A-Z]\d+(?:, (?:SEM-)?[A-Z]\d+)*)", text)
    return set(chain.from_iterable(re.findall(r"[A-Z]\d+", run) for run in runs))


def files(rule: str, kind: str) -> list[str]:
    line = re.search(rf"{kind}: ((?:`[^`]+`(?:, )?)+)", SECTIONS[rule])
    assert line is not None, f"SEM-{rule} does not say its {kind}"
    return re.findall(r"`([^`]+)`", line[1])


def test_the_page_has_exactly_the_settled_rules() -> None:
    """No rule is missing, and none is invented, in the order of their numbers."""
    assert re.findall(r"^### SEM-([A-Z]\d+) ", PAGE, re.MULTILINE) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_lives_where_the_page_says(rule: str) -> None:
    """Every file that is named exists, and every test file that is named cites the rule."""
    for kind, room in ROOMS.items():
        for path in files(rule, kind):
            assert (room / path).is_file(), f"SEM-{rule}: there is no {path}"
    for path in files(rule, "Test"):
        assert rule in cited((ROOT / path).read_text()), f"{path} does not cite SEM-{rule}"


def test_no_other_rule_is_cited() -> None:
    """Code and tests cite rules that are on the page."""
    sources = [*(ROOT / "include").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    strange = {path.name: cited(path.read_text()) - set(RULES) for path in sources}
    assert {name: rules for name, rules in strange.items() if rules} == {}
