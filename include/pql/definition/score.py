"""The `score:` section in, groups of score lines out (SEM-S1, SEM-S2)."""

from __future__ import annotations

from collections.abc import Mapping as Dict

from pql.definition.comparisons import Comparison
from pql.definition.conditions import signal_comparison
from pql.definition.model import Score, ScoreGroup, ScoreLine, Signal
from pql.definition.names import USAGE, Names
from pql.definition.reading import Notes, a
from pql.located_yaml import Entry, Items, Mapping, Node, quoted

_SHORT = ("min", "between", "is", "in", "exists")  # `max` is the cap of a line's points
_LINE = ("signal", "points", "per", "max", "half_life", "when", "title", *_SHORT)
_SETTINGS = ("scale", "grades")


def read_score(notes: Notes, node: Node, names: Names) -> Score:
    """The score; groups and lines that are wrong are left out (and noted)."""
    section = notes.mapping(node, "`score`")
    groups = []
    scale, fit_cuts, engagement_cuts = Score().scale, Score().fit_cuts, Score().engagement_cuts
    for entry in section.entries if section else ():
        if entry.key == "scale":
            scale = _read_scale(notes, entry.value) or scale
        elif entry.key == "grades":
            fields = notes.fields(entry.value, "`grades`", ("fit", "engagement"))
            fit_cuts = _read_cuts(notes, fields, "fit") or fit_cuts
            engagement_cuts = _read_cuts(notes, fields, "engagement") or engagement_cuts
        elif notes.is_name(entry.line, "group of points", entry.key):
            groups.append(_read_group(notes, entry, names))
    return Score(tuple(groups), scale, fit_cuts, engagement_cuts)


def _read_scale(notes: Notes, node: Node) -> tuple[int, int] | None:
    if not isinstance(node, Items) or len(node.items) != 2:
        notes.error(node.line, "`scale` must be two whole numbers", "for example `[0, 100]`")
        return None
    low, high = (notes.whole(end, "an end of `scale`") for end in node.items)
    if low is None or high is None:
        return None
    if low >= high:
        notes.error(node.line, f"`scale` must ascend, not go from {quoted(low)} to {quoted(high)}")
    return low, high


def _read_cuts(notes: Notes, fields: Dict[str, Entry], name: str) -> tuple[float, float, float] | None:
    if name not in fields:
        return None
    node = fields[name].value
    items = node.items if isinstance(node, Items) else ()
    read = [notes.number(item, f"a cut of `{name}`", 0, 100) for item in items]
    cuts = [cut for cut in read if cut is not None]
    if len(read) != 3 or (len(cuts) == 3 and not cuts[0] > cuts[1] > cuts[2]):
        notes.error(node.line, f"`grades: {name}` must be three falling percentages", "for example `[75, 50, 25]`")
        return None
    return (cuts[0], cuts[1], cuts[2]) if len(cuts) == 3 else None


def _read_group(notes: Notes, entry: Entry, names: Names) -> ScoreGroup:
    what = f"points for {quoted(entry.key)}"
    if isinstance(entry.value, Items):
        return ScoreGroup(entry.key, _read_lines(notes, entry.value, entry.key, names))
    fields = notes.fields(entry.value, what, ("max", "lines"), required=("lines",))
    cap = notes.number(fields["max"].value, f"`max` of {what}", 0) if "max" in fields else None
    lines = _read_lines(notes, fields["lines"].value, entry.key, names) if "lines" in fields else ()
    return ScoreGroup(entry.key, lines, cap)


def _read_lines(notes: Notes, node: Node, group: str, names: Names) -> tuple[ScoreLine, ...]:
    read = (_read_line(notes, item, group, names) for item in notes.items(node, f"points for {quoted(group)}"))
    return tuple(line for line in read if line is not None)


def _read_line(notes: Notes, node: Node, group: str, names: Names) -> ScoreLine | None:
    what = f"a line of {quoted(group)}"
    fields = notes.fields(node, what, _LINE, required=("signal", "points"))
    if not isinstance(node, Mapping):
        return None
    signal = _read_signal(notes, fields, what, names)
    points = notes.number(fields["points"].value, "`points`", -100_000, 100_000) if "points" in fields else None
    if points == 0:
        notes.error(fields["points"].line, f"{what} gives 0 points", "leave the line out")
    per, cap = (notes.number(fields[key].value, f"`{key}`") if key in fields else None for key in ("per", "max"))
    _check_units(notes, fields, per, cap)
    half_life = _read_half_life(notes, fields, signal)
    title = notes.title(fields["title"].value, "`title`") if "title" in fields else None
    comparison = _read_when(notes, node, fields, signal) if signal else None
    if signal is None or points is None:
        return None
    when = comparison.compare("signal", signal.name) if comparison else None
    return ScoreLine(group, signal.name, points, when, per, cap, half_life, title or "")


def _read_signal(notes: Notes, fields: Dict[str, Entry], what: str, names: Names) -> Signal | None:
    name = notes.text(fields["signal"].value, f"`signal` of {what}") if "signal" in fields else None
    if name is None or name in names.signals:
        return names.signals.get(name or "")
    notes.unknown(fields["signal"].line, "signal", name, names.signals, "declare it under `signals:`")
    return None


def _check_units(notes: Notes, fields: Dict[str, Entry], per: float | None, cap: float | None) -> None:
    if per is not None and per <= 0:
        notes.error(fields["per"].line, "`per` must be more than 0")
    if cap is not None and cap <= 0:
        notes.error(
            fields["max"].line, "`max` must be more than 0", "it caps the points either way, also negative ones"
        )
    if "max" in fields and "per" not in fields:
        hint = "for a range of the signal write `between: [50, 1000]` or `when: {max: 1000}`"
        notes.error(fields["max"].line, "`max` caps the points of a line with `per`, this one has none", hint)


def _read_half_life(notes: Notes, fields: Dict[str, Entry], signal: Signal | None) -> float | None:
    if "half_life" not in fields:
        return None
    entry = fields["half_life"]
    if signal is not None and signal.measure not in USAGE:
        message = f"{quoted(signal.name)} is {a(signal.measure)}: it has no newest event to fade from"
        notes.error(entry.line, message, "leave out `half_life`")
    days = notes.days(entry.value, "`half_life`")
    if days == 0:
        notes.error(entry.line, "`half_life` must be more than 0")
    return days


def _read_when(notes: Notes, node: Mapping, fields: Dict[str, Entry], signal: Signal) -> Comparison | None:
    short = [entry for key, entry in fields.items() if key in _SHORT]
    if "when" not in fields:
        return signal_comparison(notes, Mapping(node.line, tuple(short)), signal) if short else None
    if short:
        notes.error(short[0].line, f"`{short[0].key}` and `when` both compare the signal", "put all of it into `when`")
    return signal_comparison(notes, fields["when"].value, signal)
