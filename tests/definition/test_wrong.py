"""What a wrong definition is told: everything at once, each at its line, with what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pql.definition import load, parse
from pql.definition.model import Problem

WRONG = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
MARK = "  #! "  # what is expected stands behind the line it is expected at


def expected(text: str) -> list[tuple[int, str]]:
    """(line, message) for every mark in the file."""
    lines = enumerate(text.splitlines(), start=1)
    return [(number, message) for number, line in lines for message in line.split(MARK)[1:]]


def told(problem: Problem) -> tuple[int, str]:
    level = "" if problem.level == "error" else "warning: "
    return problem.line, level + problem.message + (f" — {problem.hint}" if problem.hint else "")


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_every_mistake_is_told_once_at_its_line(file: Path) -> None:
    """A wrong file is refused with exactly the messages marked in it (PRODUCT-D10)."""
    text = file.read_text()
    plain = "\n".join(line.split(MARK)[0] for line in text.splitlines())
    definition, problems = parse(plain, file.name)
    assert definition is None
    assert sorted(map(told, problems)) == sorted(expected(text))


@pytest.mark.parametrize("misspelt", ["critera", "qualifies"])
def test_who_qualifies_is_not_missing_where_its_key_is_misspelt(misspelt: str) -> None:
    """One mistake, one message: at the line where it is."""
    text = f"definition: d\nevents: {{sent: Sent}}\nsignals: {{n: {{count: sent}}}}\n{misspelt}: {{n: {{min: 1}}}}\n"
    _, problems = parse(text, "d.yaml")
    assert [problem.line for problem in problems] == [4]
    assert "did you mean" in problems[0].hint


def test_a_problem_reads_as_file_line_and_proposal() -> None:
    """A problem is one line: file, line, what is wrong, what was probably meant."""
    text = "definition: d\nevents: {message_sent: Message Sent}\nsignals: {messages: {count: mesage_sent}}\n"
    _, problems = parse(text + "qualify: {messages: {min: 1}}", "new-business.yaml")
    assert str(problems[0]) == ("new-business.yaml:3: unknown event `mesage_sent` — did you mean `message_sent`?")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("just words", 1, "a definition must be a mapping (`key: value`), not `just words`"),
        ("- a\n- b", 1, "a definition must be a mapping (`key: value`), not a list"),
        ("definition: d\ntitle: a: b\n", 2, "this is not YAML: mapping values are not allowed here"),
        ("definition: d\ntitle: 'open\n", 2, "this is not YAML: found unexpected end of stream"),
        ("a: \x00", 1, "the file holds a character that YAML does not allow"),
        ("a: 1\n---\nb: 2\n", 2, "this is not YAML: but found another document"),
        ("a: *b", 1, "this is not YAML: found undefined alias 'b'"),
        ("a: &x [*x]", 1, "nested more than 40 levels deep (or an alias that contains itself)"),
        ("[" * 1500, 1, "the file is nested too deeply to be read"),
        ("a: " + "9" * 5000, 1, "is not a number that can be used"),
        ("a: .inf", 1, "`.inf` is not a number that can be used"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_text_that_is_no_definition_is_told_so(text: str, line: int, message: str) -> None:
    """What is not YAML, or not a mapping, is one clear problem and no traceback."""
    definition, problems = parse(text, "x.yaml")
    assert definition is None
    assert any(p.line == line and message in p.message for p in problems), problems


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a:\n  b: 1\n    c: 2\n", 3, "the line is indented too far"),
        ("a:\n    b: {c: 1}\n  d: 2\n", 3, "the indentation of this line, or of one before it, does not fit"),
        ("a:\n  - x\n  y: 1\n", 3, "the indentation of this line, or of one before it, does not fit"),
        ("a: {b: 1}}\n", 1, "a bracket is closed here that was not opened"),
        ("a: {b: 1\nc: 2\n", 2, "was not closed, or a comma is missing"),
        ("a:\n  b: 1\n  c\n  d: 2\n", 4, "lacks its `:`"),
    ],
    ids=["too far", "too little", "item", "closed twice", "never closed", "no colon"],
)
def test_what_yaml_says_in_its_own_words_is_said_in_plain_ones(text: str, line: int, hint: str) -> None:
    """Indentation, brackets and colons: what is usually the matter stands behind what the YAML reader says."""
    (problem,) = parse(text, "x.yaml")[1]
    assert (problem.line, hint in problem.hint) == (line, True), problem


def test_aliases_that_unfold_to_billions_are_refused() -> None:
    """A file of aliases upon aliases is refused before it is unfolded."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    _, problems = parse("\n".join(rows), "laughs.yaml")
    assert "more than 50000 values" in problems[0].message


def test_a_name_declared_wrongly_is_not_reported_again_where_it_is_used() -> None:
    """One mistake is one problem, however often its name is used."""
    text = """\
definition: d
events: {login: {evnt: Login}}
signals: {logins: {count: login}, days: {active_days: login, last: 7d}}
activation: [{stage: One, when: {logins: {min: 1}}}]
score: {value: [{signal: days, points: 1, per: 1}]}
qualify: {all: [{logins: {min: 1}}, {days: {min: 1}}]}
"""
    _, problems = parse(text, "x.yaml")
    assert [(p.line, p.message) for p in problems] == [(2, "unknown key `evnt` in event `login`")]


def test_a_wrong_file_leaves_the_others_usable(tmp_path: Path) -> None:
    """Loading a folder gives the definitions that are right and the problems of those that are not."""
    (tmp_path / "good.yaml").write_text(
        "definition: good\nevents: {a: A}\nsignals: {n: {count: a}}\nqualify: {n: {min: 1}}"
    )
    (tmp_path / "bad.yaml").write_text("definition: bad\nqualify: {m: {min: 1}}")
    loaded = load(tmp_path)
    assert [d.id for d in loaded.definitions] == ["good"]
    assert [(Path(p.path).name, p.line) for p in loaded.errors] == [("bad.yaml", 2)]
