"""The `signals:` section in, signals out, ordered so that each depends only on earlier ones."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import replace
from typing import get_args

from pql.definition.model import Bound, Measure, Signal, Window
from pql.definition.names import COUNTED, NUMERIC_OF_LIMIT, RESERVED, Names, without_broken
from pql.definition.reading import Notes, a, described
from pql.located_yaml import Entry, Items, Leaf, Mapping, Node, did_you_mean, quoted

MEASURES: tuple[Measure, ...] = get_args(Measure)
_OPTIONS = ("last", "first", "per", "min", "max", "of", "title")
_DEPENDENT = ("share", "time_to")  # they read another signal, or a stage that does
_WINDOWED: tuple[Measure, ...] = (*COUNTED, "users")


def read_signals(notes: Notes, node: Node, names: Names) -> tuple[Signal, ...]:
    """Signals in dependency order; `names.signals` is filled with every declared name (None where unreadable)."""
    section = notes.mapping(node, "`signals`")
    entries = section.entries if section else ()
    names.signals.update({entry.key: None for entry in entries})
    names.measures.update({entry.key: measure for entry in entries if (measure := _written_measure(entry))})
    later = [entry for entry in entries if names.measures.get(entry.key) in _DEPENDENT]
    for entry in [e for e in entries if e not in later] + later:
        before = len(notes.problems)
        _check_name(notes, entry, names)
        signal = _read_signal(notes, entry, names)
        names.signals[entry.key] = signal if not any(p.level == "error" for p in notes.problems[before:]) else None
    ordered = without_broken({e.key: names.signals[e.key] for e in entries if e not in later})
    return (*ordered, *without_broken({e.key: names.signals[e.key] for e in later}))


def _written_measure(entry: Entry) -> Measure | None:
    """What the signal measures, as far as can be told before it is read."""
    keys = [e.key for e in entry.value.entries] if isinstance(entry.value, Mapping) else []
    found = [measure for measure in MEASURES if measure in keys]
    return found[0] if len(found) == 1 else None


def _check_name(notes: Notes, entry: Entry, names: Names) -> None:
    if entry.key in RESERVED:
        notes.error(entry.line, f"a signal cannot be called {quoted(entry.key)}: the word has a meaning of its own")
    else:
        notes.is_name(entry.line, "signal name", entry.key)


def _read_signal(notes: Notes, entry: Entry, names: Names) -> Signal | None:
    what = f"signal {quoted(entry.key)}"
    fields = notes.fields(entry.value, what, (*MEASURES, *_OPTIONS))
    measures = [m for m in MEASURES if m in fields]
    if len(measures) != 1:
        if isinstance(entry.value, Mapping) and (measures or len(fields) == len(entry.value.entries)):
            _note_measures(notes, entry, what, measures)
        return None
    measure = measures[0]
    title = notes.title(fields["title"].value, f"`title` of {what}") if "title" in fields else None
    base = Signal(entry.key, measure, title=title or "")
    signal = _read_measure(notes, fields[measure].value, base, f"`{measure}` of {what}", names)
    if measure == "share":
        signal = _read_limit(notes, entry, fields, signal, names)
    elif "of" in fields:
        notes.error(fields["of"].line, f"`of` belongs to `share`, {what} is {a(measure)}")
    window = _read_window(notes, entry, fields, measure, what)
    per_user = _read_per_user(notes, fields, measure, what, names)
    return None if signal is None else replace(signal, window=window, per_user=per_user)


def _note_measures(notes: Notes, entry: Entry, what: str, found: list[Measure]) -> None:
    if found:
        both = " and ".join(f"`{m}`" for m in found)
        notes.error(entry.line, f"{what} has {both}", "one signal is one measure: make two signals")
    else:
        notes.error(entry.line, f"{what} measures nothing", "give it one of " + ", ".join(f"`{m}`" for m in MEASURES))


# --- what is measured ---


def _read_measure(notes: Notes, node: Node, signal: Signal, what: str, names: Names) -> Signal | None:
    match signal.measure:
        case "attribute":
            attribute = notes.text(node, what)
            return None if attribute is None else replace(signal, attribute=attribute.removeprefix("account."))
        case "share":
            return _read_numerator(notes, node, signal, what, names)
        case "time_to":
            return _read_goal(notes, node, signal, what, names)
        case "distinct":
            return _read_distinct(notes, node, signal, what, names)
        case "sum" | "average":
            return _read_valued(notes, node, signal, what, names)
        case _:
            return _read_plain(notes, node, signal, what, names)


def _read_plain(notes: Notes, node: Node, signal: Signal, what: str, names: Names) -> Signal | None:
    events = notes.texts(node, what)
    if "any_event" in events:
        if len(events) > 1:
            notes.error(node.line, f"{what} names `any_event` beside others; it stands for all of them already")
        return replace(signal, events=_any_event(notes, node.line, names), any_event=True)
    unknown = [event for event in events if event not in names.events]
    for event in unknown:
        if event.partition(".")[0] in names.events:
            message = f"{what} cannot count {quoted(event)}: a property is counted by `distinct`"
            notes.error(node.line, message, "or name the event with `where:` and count that")
        else:
            notes.unknown(node.line, "event", event, [*names.events, "any_event"], _no_events(names))
    twice = {event for event in events if events.count(event) > 1}
    for event in sorted(twice):
        notes.error(node.line, f"{what} names {quoted(event)} twice")
    return replace(signal, events=events) if events and not unknown and not twice else None


def _any_event(notes: Notes, line: int, names: Names) -> tuple[str, ...]:
    active = tuple(name for name, event in names.events.items() if event is None or not event.passive)
    if not active:
        notes.error(line, "`any_event` stands for no event: none is declared that is not passive", "add `events:`")
    return active


def _no_events(names: Names) -> str:
    return "" if names.events else "declare it under `events:`"


def _read_valued(notes: Notes, node: Node, signal: Signal, what: str, names: Names) -> Signal | None:
    read = _read_plain(notes, node, signal, what, names)
    for event in names.named_events(read.events) if read else ():
        if event.match.value is None:
            message = f"{what} needs a value, but event {quoted(event.name)} has none"
            notes.error(
                node.line, message, f"say which property in its declaration: `{event.name}: {{event: …, value: …}}`"
            )
    return read


def _read_distinct(notes: Notes, node: Node, signal: Signal, what: str, names: Names) -> Signal | None:
    text = node.text if isinstance(node, Leaf) else ""
    event, dot, name = text.strip().partition(".")
    if not dot:
        return _read_plain(notes, node, signal, what, names)
    if not name:
        notes.error(node.line, f"{what} names no property after the dot")
        return None
    read = _read_plain(notes, Leaf(node.line, event, event), signal, what, names)
    return None if read is None else replace(read, property=name)


def _read_goal(notes: Notes, node: Node, signal: Signal, what: str, names: Names) -> Signal | None:
    goal = notes.text(node, what)
    if goal is None:
        return None
    if goal in names.events and goal in names.stages:
        notes.error(node.line, f"{what}: {quoted(goal)} is an event and a stage", "rename one of them")
    if goal in names.events:
        return replace(signal, events=(goal,))
    if goal in names.stages:
        return replace(signal, stage=goal)
    notes.unknown(node.line, "event or stage", goal, [*names.events, *names.stages])
    return None


def _read_numerator(notes: Notes, node: Node, signal: Signal, what: str, names: Names) -> Signal | None:
    name = notes.text(node, what)
    if name is None:
        return None
    if name not in names.signals:
        hint = f"declare a signal for it first: `{{attribute: {name}}}` or `{{count: {name}}}`"
        notes.unknown(node.line, "signal", name, names.signals, hint)
        return None
    if name == signal.name:
        notes.error(node.line, f"{what} is a share of itself")
    elif (measure := names.measures.get(name)) is not None and measure not in NUMERIC_OF_LIMIT:
        notes.error(node.line, f"{what}: {quoted(name)} is {a(measure)}; a share is taken of a count or an attribute")
    return replace(signal, numerator=name)


def _read_limit(
    notes: Notes, entry: Entry, fields: Dict[str, Entry], signal: Signal | None, names: Names
) -> Signal | None:
    if "of" not in fields:
        notes.error(
            entry.line, f"signal {quoted(entry.key)} does not say of which limit", "add `of:` with an attribute"
        )
        return signal
    limit = notes.text(fields["of"].value, f"`of` of signal {quoted(entry.key)}")
    named = names.signals.get(limit or "")
    if named is not None and named.attribute:
        limit = named.attribute
    elif named is not None:
        line = fields["of"].line
        notes.error(line, f"`of` must be an attribute, signal {quoted(named.name)} is {a(named.measure)}")
    return None if signal is None else replace(signal, denominator=limit)


# --- over which time, for whom ---


def _read_window(notes: Notes, entry: Entry, fields: Dict[str, Entry], measure: Measure, what: str) -> Window:
    given = [key for key in ("last", "first") if key in fields]
    if measure == "change" and given != ["last"]:
        notes.error(
            entry.line, f"{what} compares a window with the one before: it needs `last`", "for example `last: 7d`"
        )
        return Window()
    if not given:
        return Window()
    if len(given) == 2:
        notes.error(
            fields["first"].line, f"{what} has `last` and `first`", "one signal has one window: make two signals"
        )
        return Window()
    key = given[0]
    if measure not in (*_WINDOWED, "change"):
        notes.error(fields[key].line, f"{what} is {a(measure)}, which has no window", f"leave out `{key}`")
    days = notes.whole_days(fields[key].value, f"`{key}` of {what}")
    return Window("last" if key == "last" else "first", days) if days else Window()


def _read_per_user(notes: Notes, fields: Dict[str, Entry], measure: Measure, what: str, names: Names) -> Bound | None:
    ends = [key for key in ("min", "max") if key in fields]
    if "per" not in fields:
        if ends:
            hint = (
                "compare it where it is used: `{"
                + _signal_name(what)
                + ": {min: …}}`; or count people with `per: user`"
            )
            notes.error(fields[ends[0]].line, f"{what} has `{ends[0]}`, but a signal only measures", hint)
        return None
    notes.choice(fields["per"].value, f"`per` of {what}", ("user",))
    line = fields["per"].line
    if measure not in COUNTED:
        notes.error(line, f"{what} is {a(measure)}, which cannot be taken per user", did_you_mean("", COUNTED))
    if names.subject == "user":
        notes.error(line, f"{what}: the subject is a user already", "leave out `per`, compare it where it is used")
    if not ends:
        notes.error(line, f"{what} does not say what each user must reach", "add `min` (or `max`)")
        return None
    low, high = (notes.number(fields[k].value, f"`{k}` of {what}") if k in fields else None for k in ("min", "max"))
    if low is not None and high is not None and low > high:
        notes.error(
            fields["min"].line, f"in {what} `min` {described(fields['min'].value)} is above `max` {quoted(high)}"
        )
    return Bound(low, high)


def _signal_name(what: str) -> str:
    return what.split("`")[1]


def stage_titles(node: Node | None) -> dict[str, int]:
    """The titles of the `activation:` stages with their lines, before it is read."""
    titles: dict[str, int] = {}
    for item in node.items if isinstance(node, Items) else ():
        title = item.get("stage") if isinstance(item, Mapping) else None
        if isinstance(title, Leaf) and title.text.strip():
            titles.setdefault(title.text.strip(), title.line)
    return titles
