"""A condition as written in, a `Condition` out; what may be asked depends on the place it stands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pql.definition.by_size import ACTIVATION_PCT
from pql.definition.comparisons import Comparison, read_comparison
from pql.definition.model import All, Any, Compare, Condition, Not, Operand, Signal
from pql.definition.names import CRITERIA, DELTA_OPERANDS, KNOWN_ATTRIBUTES, LOGIC, OPERANDS, USAGE, Names, is_attribute
from pql.definition.reading import Notes, a
from pql.located_yaml import Entry, Items, Leaf, Mapping, Node, did_you_mean, quoted


@dataclass(frozen=True)
class Place:
    """Where a condition stands and what it may ask there."""

    words: str  # "a stage", for messages
    operands: tuple[str, ...] = ()  # of names.OPERANDS
    criteria: bool = False
    attributes: bool = True
    usage_only: bool = False
    no_deltas: str = "a change of the score is news for a play, not a state"  # why it may not ask for them


_DECLARE = "declare a signal for it and compare it, for example `{logins: {min: 1}}`"

STAGE = Place("a stage", attributes=False, usage_only=True)
CRITERION = Place("a criterion", operands=("activation_pct", "stage", "size"))
QUALIFY = Place("`qualify`", operands=("activation_pct", "score", "grade", "stage", "size"), criteria=True)
PLAY = Place("a play's `if`", operands=OPERANDS, criteria=True)  # on `newly_qualified`
LATER_PLAY = Place(  # on anything else: whether it fires is decided before the nightly snapshots are looked at (SEM-S3)
    "a play's `if`",
    operands=tuple(operand for operand in OPERANDS if operand not in DELTA_OPERANDS),
    criteria=True,
    no_deltas="it is known only `on: newly_qualified`; for a change of the score write `on: {score_up: 20, in: 7d}`",
)


def read_condition(notes: Notes, node: Node, place: Place, names: Names) -> Condition | None:
    """The condition; None if any part of it is wrong."""
    if isinstance(node, Leaf):
        return _read_word(notes, node, place, names)
    if isinstance(node, Items):
        notes.error(
            node.line, f"a list in {place.words} does not say how its members combine", "write `all: […]` or `any: […]`"
        )
        return None
    if not node.entries:
        notes.error(node.line, f"a condition in {place.words} is empty")
        return None
    parts = [_read_entry(notes, entry, place, names) for entry in node.entries]
    whole = tuple(part for part in parts if part is not None)
    if len(whole) < len(parts):
        return None
    return whole[0] if len(whole) == 1 else All(whole)


def _read_word(notes: Notes, node: Leaf, place: Place, names: Names) -> Condition | None:
    word = node.text.strip()
    if place.criteria and word in names.criteria:
        return Compare("criterion", word)
    if word in CRITERIA:
        _note_criterion(notes, node.line, word, place)
    elif word in names.signals or is_attribute(word) or word in OPERANDS:
        notes.error(node.line, f"{quoted(word)} is not compared with anything", f"for example `{{{word}: {{min: 1}}}}`")
    elif not word or node.value is None:
        notes.error(node.line, f"a condition in {place.words} is empty")
    else:
        near = did_you_mean(word, [*(names.criteria if place.criteria else ()), *names.signals], list_all=False)
        kind = "criterion" if place.criteria else "signal"
        notes.error(node.line, f"unknown {kind} {quoted(word)}", near or _DECLARE)
    return None


def _note_criterion(notes: Notes, line: int, word: str, place: Place) -> None:
    if place.criteria:
        notes.error(line, f"criterion {quoted(word)} is not defined", f"add `{word}:` under `criteria:`")
    else:
        notes.error(line, f"{place.words} cannot ask for the criterion {quoted(word)}", "ask for it in `qualify`")


def _read_entry(notes: Notes, entry: Entry, place: Place, names: Names) -> Condition | None:
    if entry.key in LOGIC:
        return _read_logic(notes, entry, place, names)
    if entry.key in names.signals:
        return _read_signal(notes, entry, place, names)
    if entry.key in OPERANDS:
        return _read_operand(notes, entry, place, names)
    if is_attribute(entry.key):
        return _read_attribute(notes, entry, place)
    if entry.key in CRITERIA:
        notes.error(entry.line, f"{quoted(entry.key)} is a criterion and is not compared", f"write just `{entry.key}`")
        return None
    attributes = KNOWN_ATTRIBUTES if place.attributes else ()
    near = did_you_mean(entry.key, [*names.signals, *LOGIC, *place.operands, *attributes], list_all=False)
    hint = f"declare it under `signals:`; if it is an attribute, as `{entry.key}: {{attribute: {entry.key}}}`"
    notes.error(entry.line, f"unknown signal {quoted(entry.key)}", near or hint)
    return None


def _read_logic(notes: Notes, entry: Entry, place: Place, names: Names) -> Condition | None:
    if entry.key == "not":
        inner = read_condition(notes, entry.value, place, names)
        return None if inner is None else Not(inner)
    members = notes.items(entry.value, f"`{entry.key}` in {place.words}")
    parts = [read_condition(notes, member, place, names) for member in members]
    whole = tuple(part for part in parts if part is not None)
    if not parts or len(whole) < len(parts):
        return None
    return All(whole) if entry.key == "all" else Any(whole)


# --- operands ---


def _read_signal(notes: Notes, entry: Entry, place: Place, names: Names) -> Condition | None:
    signal = names.signals[entry.key]
    if signal is None:  # declared, but wrongly: said once, there; what is wrong here is said here all the same
        read_comparison(notes, entry.value, quoted(entry.key), numeric=False)
        return None
    if place.usage_only and signal.measure not in USAGE:
        allowed = ", ".join(USAGE)
        message = f"{place.words} cannot look at {quoted(signal.name)}: {a(signal.measure)} has no history day by day"
        notes.error(entry.line, message, f"a stage is about usage: {allowed}")
        return None
    read = signal_comparison(notes, entry.value, signal)
    return None if read is None else read.compare("signal", signal.name)


def signal_comparison(notes: Notes, node: Node, signal: Signal) -> Comparison | None:
    """A comparison with a signal: anything for attributes, numbers for everything measured."""
    return read_comparison(notes, node, quoted(signal.name), numeric=signal.measure != "attribute")


def _read_attribute(notes: Notes, entry: Entry, place: Place) -> Condition | None:
    if not place.attributes:
        notes.error(
            entry.line, f"{place.words} cannot look at the attribute {quoted(entry.key)}", "a stage is about usage"
        )
        return None
    read = read_comparison(notes, entry.value, quoted(entry.key), numeric=False)
    return None if read is None else read.compare("attribute", entry.key)


def _read_operand(notes: Notes, entry: Entry, place: Place, names: Names) -> Condition | None:
    if entry.key not in place.operands:
        hint = _where_else(entry.key, place)
        notes.error(entry.line, f"{place.words} cannot ask for {quoted(entry.key)}", hint)
        return None
    readers: dict[str, Callable[[Notes, Entry, Names], Condition | None]] = {
        "stage": _read_stage,
        "size": _read_size,
        "activation_pct": _read_activation,
        "grade": _read_grade,
    }
    return readers.get(entry.key, _read_number)(notes, entry, names)


def _where_else(operand: str, place: Place) -> str:
    if operand in ("score", "grade"):
        return "points alone are not a criterion: ask for them in `qualify`"
    return place.no_deltas if operand in DELTA_OPERANDS else ""


def _read_stage(notes: Notes, entry: Entry, names: Names) -> Condition | None:
    title = notes.text(entry.value, "`stage`")
    if title is None or title in names.stages:
        return None if title is None else Compare("stage", title)
    notes.unknown(entry.value.line, "stage", title, names.stages, "declare it under `activation:`")
    return None


def _read_size(notes: Notes, entry: Entry, names: Names) -> Condition | None:
    wanted = notes.texts(entry.value, "`size`")
    if names.sizes is None:
        notes.error(entry.line, "`size` is asked for, but the definition has no `size:` section")
        return None
    unknown = [size for size in wanted if size not in names.sizes]
    for size in unknown if names.sizes else ():
        notes.unknown(entry.value.line, "size", size, names.sizes)
    return None if unknown or not wanted else Compare("size", one_of=wanted)


def _read_number(notes: Notes, entry: Entry, names: Names) -> Condition | None:
    read = read_comparison(notes, entry.value, quoted(entry.key), numeric=True)
    operand: Operand = "score" if entry.key == "score" else _delta(entry.key)
    return None if read is None else read.compare(operand)


def _delta(key: str) -> Operand:
    return "score_delta_night" if key == "score_delta_night" else "score_delta_week"


_LETTERS = [f"{fit}{engagement}" for fit in "ABCD" for engagement in "1234"]


def _read_grade(notes: Notes, entry: Entry, names: Names) -> Condition | None:
    """`grade: [A1, B1]` is the letter grid, `grade: {min: 7}` the grade from 1 to 10 (SEM-S2)."""
    if isinstance(entry.value, Mapping):
        read = read_comparison(notes, entry.value, "`grade`", numeric=True, low=1, high=10)
        return None if read is None else read.compare("grade")
    letters = notes.texts(entry.value, "`grade`")
    unknown = [letter for letter in letters if letter not in _LETTERS]
    for letter in unknown:
        hint = "A1 to D4 are fit and engagement; `{min: 7}` compares the grade from 1 to 10"
        notes.error(entry.value.line, f"unknown grade {quoted(letter)}", hint)
    return None if unknown or not letters else Compare("grade", one_of=letters)


def _read_activation(notes: Notes, entry: Entry, names: Names) -> Condition | None:
    if not names.stages:
        notes.error(entry.line, "`activation_pct` is asked for, but the definition has no stages", "add `activation:`")
        return None
    by_size = entry.value.get("min") if isinstance(entry.value, Mapping) else None
    if isinstance(by_size, Mapping) or (isinstance(by_size, Leaf) and by_size.value == "by_size"):
        return _read_by_size(notes, entry, by_size, names)
    read = read_comparison(notes, entry.value, "`activation_pct`", numeric=True, low=0, high=100)
    return None if read is None else read.compare("activation_pct")


def _read_by_size(notes: Notes, entry: Entry, node: Node, names: Names) -> Condition | None:
    notes.fields(entry.value, "`activation_pct` by size", ("min",))
    if names.sizes is None:
        notes.error(node.line, "`by_size` needs sizes", "add a `size:` section")
        return None
    if not names.sizes:  # the section is there, but wrong: said there
        return None
    table = _written_table(notes, node, names.sizes) if isinstance(node, Mapping) else _built_in(notes, node, names)
    return Compare("activation_pct", by_size=table) if table else None


def _built_in(notes: Notes, node: Node, names: Names) -> tuple[tuple[str, float], ...] | None:
    row = ACTIVATION_PCT[names.complexity]
    foreign = [size for size in names.sizes or () if size not in row]
    if foreign:
        own = ", ".join(f"{size}: …" for size in names.sizes or ())
        message = f"`by_size` knows {', '.join(row)}, not {', '.join(quoted(size) for size in foreign)}"
        notes.error(node.line, message, f"give a table of your own: `{{min: {{{own}}}}}`")
        return None
    return tuple((size, row[size]) for size in names.sizes or ())


def _written_table(notes: Notes, node: Mapping, sizes: tuple[str, ...]) -> tuple[tuple[str, float], ...] | None:
    fields = notes.fields(node, "`activation_pct` by size", sizes, required=sizes)
    table = []
    for size in sizes:
        pct = notes.number(fields[size].value, f"`{size}`", 0, 100) if size in fields else None
        table += [(size, pct)] if pct is not None else []
    return tuple(table) if len(table) == len(sizes) else None
