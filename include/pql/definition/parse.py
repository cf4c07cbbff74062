"""The text of a definition in, the definition and everything wrong with it out; no input makes it raise."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Dict
from dataclasses import replace
from datetime import date
from typing import Literal, cast

from pql.definition.by_size import ACTIVATION_PCT
from pql.definition.conditions import CRITERION, QUALIFY, STAGE, read_condition
from pql.definition.entry import read_attribute_values, read_exclude, read_size, size_names
from pql.definition.events import read_events
from pql.definition.model import (
    All,
    Compare,
    Condition,
    Definition,
    Exclude,
    NamedEvent,
    Problem,
    Score,
    Stage,
)
from pql.definition.names import CRITERIA, Names
from pql.definition.places import places
from pql.definition.plays import read_plays
from pql.definition.reading import Notes
from pql.definition.rules_hash import rules_hash
from pql.definition.score import read_score
from pql.definition.signals import read_signals, stage_titles
from pql.located_yaml import Entry, Leaf, Mapping, Node, compose, quoted

KEYS = (
    "definition",
    "title",
    "status",
    "priority",
    "subject",
    "complexity",
    "reviewed",
    "events",
    "only",
    "exclude",
    "size",
    "signals",
    "activation",
    "criteria",
    "score",
    "qualify",
    "alive",
    "leave",
    "return",
    "stale",
    "plays",
)
STATUSES = ("draft", "live", "retired")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

Parsed = tuple[Definition | None, tuple[Problem, ...]]
Vocabulary = Sequence[NamedEvent]


def parse(text: str, path: str, vocabulary: Vocabulary | None = None, unreadable: Collection[str] = ()) -> Parsed:
    """The definition written in `text` (None if it has errors) and all its problems, by line.

    `path` is only for messages. `vocabulary` is the events that all definitions of a folder share; `unreadable` names
    those of them that are declared wrongly there, so that their uses are not called unknown here.
    """
    notes = Notes(path)
    tree, faults = compose(text)
    for fault in faults:
        notes.error(fault.line, fault.message, fault.hint)
    definition = _Sections(notes, tree, vocabulary or (), unreadable).definition() if tree is not None else None
    problems = tuple(sorted(notes.problems, key=lambda p: p.line))
    failed = definition is None or any(problem.level == "error" for problem in problems)
    return (None if failed else definition), problems


def parse_vocabulary(text: str, path: str) -> tuple[dict[str, NamedEvent | None] | None, tuple[Problem, ...]]:
    """The shared events of a vocabulary file by name (None where one is wrong) and all its problems.

    None in place of the events if the file cannot be read at all.
    """
    notes = Notes(path)
    tree, faults = compose(text)
    for fault in faults:
        notes.error(fault.line, fault.message, fault.hint)
    fields = notes.fields(tree, "a vocabulary", ("events",), required=("events",)) if tree is not None else {}
    events = read_events(notes, fields["events"].value) if "events" in fields else {}
    problems = tuple(sorted(notes.problems, key=lambda p: p.line))
    return (dict(events) if "events" in fields else None), problems


class _Sections:
    """Reads the sections in the order in which they need each other's names."""

    def __init__(self, notes: Notes, tree: Node, vocabulary: Vocabulary, unreadable: Collection[str]) -> None:
        self.notes = notes
        self.tree = tree
        self.vocabulary = vocabulary
        self.unreadable = unreadable
        self.fields: Dict[str, Entry] = notes.fields(tree, "a definition", KEYS, required=("definition",))
        self.names = Names(
            subject=cast(Literal["account", "user"], self.choice("subject", ("account", "user"))),
            complexity=cast(Literal["simple", "moderate", "complex"], self.choice("complexity", tuple(ACTIVATION_PCT))),
            stages=stage_titles(self.node("activation")),
            sizes=size_names(self.node("size")),
        )

    def definition(self) -> Definition | None:
        if not isinstance(self.tree, Mapping):
            return None
        head = self.identity()
        self.events()
        signals = read_signals(self.notes, self.fields["signals"].value, self.names) if "signals" in self.fields else ()
        size = read_size(self.notes, self.fields["size"].value, self.names) if "size" in self.fields else None
        stages = self.stages()
        criteria = self.criteria()
        score = read_score(self.notes, self.fields["score"].value, self.names) if "score" in self.fields else Score()
        qualify = self.qualify(criteria)
        only, exclude = self.entry_rules()
        plays = read_plays(self.notes, self.fields["plays"].value, self.names) if "plays" in self.fields else ()
        after = {key: self.after(key, low, default) for key, low, default in _AFTER}
        alive = self.notes.whole_days(self.fields["alive"].value, "`alive`") if "alive" in self.fields else 14
        if qualify is None:
            return None
        read = Definition(
            id=head["definition"],
            title=head["title"],
            status=cast(Literal["draft", "live", "retired"], self.choice("status", STATUSES)),
            priority=self.priority(),
            subject=self.names.subject,
            complexity=self.names.complexity,
            events=self.used_events({name for signal in signals for name in signal.events}),
            signals=signals,
            stages=stages,
            criteria=criteria,
            score=score,
            qualify=qualify,
            size=size,
            only=only,
            exclude=exclude,
            alive_days=alive or 14,
            leave_after_days=after["leave"],
            return_after_days=after["return"],
            stale_after_days=after["stale"],
            plays=plays,
            reviewed=self.reviewed(),
            path=self.notes.path,
            lines=tuple(places(self.tree)),
        )
        return replace(read, rules_hash=rules_hash(read))

    def node(self, key: str) -> Node | None:
        return self.fields[key].value if key in self.fields else None

    # --- the head ---

    def identity(self) -> dict[str, str]:
        written = self.node("definition")
        name = self.notes.text(written, "`definition`") if written is not None else None
        if name is not None and written is not None and not _ID.fullmatch(name):
            proposal = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_")
            hint = f"for example {quoted(proposal)}" if _ID.fullmatch(proposal) else ""
            message = f"`definition` {quoted(name)} must be small letters, digits, - and _ (at most 63)"
            self.notes.error(written.line, message, hint)
        title_node = self.node("title")
        title = self.notes.text(title_node, "`title`") if title_node is not None else None
        name = name or ""
        return {"definition": name, "title": title or name.replace("-", " ").replace("_", " ").capitalize()}

    def choice(self, key: str, options: Sequence[str]) -> str:
        node = self.node(key)
        return (self.notes.choice(node, f"`{key}`", options) if node is not None else None) or options[0]

    def priority(self) -> int:
        node = self.node("priority")
        value = self.notes.whole(node, "`priority`", 0, 1_000_000) if node is not None else None
        return 100 if value is None else value

    def reviewed(self) -> date | None:
        node = self.node("reviewed")
        if node is None:
            return None
        try:
            return date.fromisoformat(node.text.strip() if isinstance(node, Leaf) else "")
        except ValueError:
            self.notes.error(node.line, "`reviewed` must be a date", "for example `2026-01-31`")
            return None

    def after(self, key: str, low: float, default: float) -> float:
        node = self.node(key)
        if node is None:
            return default
        fields = self.notes.fields(node, f"`{key}`", ("after",), required=("after",))
        days = self.notes.days(fields["after"].value, f"`{key}: after`", low) if "after" in fields else None
        return default if days is None else days

    # --- events ---

    def events(self) -> None:
        shared = {**dict.fromkeys(self.unreadable), **{event.name: event for event in self.vocabulary}}
        self.names.events.update(shared)
        node = self.node("events")
        own = read_events(self.notes, node) if node is not None else {}
        for entry in node.entries if isinstance(node, Mapping) else ():
            if entry.key in shared:
                message = f"event {quoted(entry.key)} is in the shared vocabulary already"
                self.notes.error(entry.line, message, "use that one, or choose another name")
        self.names.events.update(own)

    def used_events(self, used: set[str]) -> tuple[NamedEvent, ...]:
        """All but the shared passive ones that nothing here reads (others count as activity: SEM-M2)."""
        shared = {event.name for event in self.vocabulary}
        events = (event for event in self.names.events.values() if event is not None)
        return tuple(e for e in events if e.name in used | {"signed_up"} or e.name not in shared or not e.passive)

    # --- activation, criteria, qualify ---

    def stages(self) -> tuple[Stage, ...]:
        node = self.node("activation")
        read: list[Stage] = []
        seen: set[str] = set()
        for item in self.notes.items(node, "`activation`") if node is not None else ():
            fields = self.notes.fields(item, "a stage", ("stage", "when", "weight"), required=("stage", "when"))
            title = self.notes.text(fields["stage"].value, "`stage`") if "stage" in fields else None
            when = read_condition(self.notes, fields["when"].value, STAGE, self.names) if "when" in fields else None
            weight = self.notes.number(fields["weight"].value, "`weight`", 0, 1000) if "weight" in fields else 1.0
            if weight == 0:
                self.notes.error(fields["weight"].line, "a stage of weight 0 does nothing", "leave the stage out")
            if title in seen:
                self.notes.error(item.line, f"stage {quoted(title)} is there twice", "give each its own title")
            if title is not None and when is not None and weight:
                seen.add(title)
                read.append(Stage(title, when, float(weight)))
        return tuple(read)

    def criteria(self) -> tuple[tuple[str, Condition], ...]:
        node = self.node("criteria")
        section = self.notes.mapping(node, "`criteria`") if node is not None else None
        known = self.notes.fields(section, "`criteria`", CRITERIA) if section is not None else {}
        self.names.criteria.update({name: known[name].line for name in CRITERIA if name in known})
        read = [
            (name, read_condition(self.notes, known[name].value, CRITERION, self.names))
            for name in CRITERIA
            if name in known
        ]
        return tuple((name, condition) for name, condition in read if condition is not None)

    def qualify(self, criteria: tuple[tuple[str, Condition], ...]) -> Condition | None:
        node = self.node("qualify")
        if node is not None:
            return read_condition(self.notes, node, QUALIFY, self.names)
        meant = " ".join(problem.hint for problem in self.notes.problems)  # a misspelt key is not missing as well
        if "criteria" not in self.fields and not any(quoted(key) in meant for key in ("criteria", "qualify")):
            hint = "add `criteria:` (fit, value, intent) or `qualify:`"
            self.notes.error(1, "nothing says who qualifies", hint)
        asked = tuple(Compare("criterion", name) for name, _ in criteria)
        if "criteria" in self.fields and not asked and not self.names.criteria:
            self.notes.error(self.fields["criteria"].line, "`criteria` is empty: nothing says who qualifies")
        return (asked[0] if len(asked) == 1 else All(asked)) if asked else None

    def entry_rules(self) -> tuple[tuple[tuple[str, tuple[str | int | float | bool, ...]], ...], Exclude]:
        only, exclude = self.node("only"), self.node("exclude")
        return (
            read_attribute_values(self.notes, only, "`only`") if only is not None else (),
            read_exclude(self.notes, exclude) if exclude is not None else Exclude(),
        )


# key, least (exclusive of nothing; a stale time of 0 would make everything news), default: SEM-Q4, SEM-D3
_AFTER = (("leave", 0.0, 14.0), ("return", 0.0, 90.0), ("stale", 1.0, 7.0))
