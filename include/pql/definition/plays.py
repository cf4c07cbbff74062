"""The `plays:` section in, plays out: trigger → filter → actions (PRODUCT-A1)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping as Dict
from dataclasses import replace
from typing import get_args

from pql.definition.actions import TIMING, check_template, read_actions, read_timing
from pql.definition.conditions import LATER_PLAY, PLAY, read_condition
from pql.definition.model import Action, Play, Trigger, TriggerKind
from pql.definition.names import Names
from pql.definition.reading import Notes, described
from pql.located_yaml import Entry, Leaf, Mapping, Node, did_you_mean, quoted

TRIGGERS: tuple[TriggerKind, ...] = get_args(TriggerKind)
QUIET_DAYS = 7  # of a bare `gone_quiet`, and of a bare `stuck`
_KEYS = ("play", "id", "on", "if", "next", "do", *TIMING, "rearm", "at_most_every")


def read_plays(notes: Notes, node: Node, names: Names) -> tuple[Play, ...]:
    """The plays in order; wrong ones are noted and left out."""
    plays: list[Play] = []
    lines: dict[str, int] = {}
    for item in notes.items(node, "`plays`"):
        before = len(notes.problems)
        play = _read_play(notes, item, names)
        if play is not None and play.id in lines:
            hint = "give one of them an `id:` of its own"
            notes.error(
                item.line, f"play {quoted(play.title)} has the same id as the one in line {lines[play.id]}", hint
            )
        if play is not None:
            lines.setdefault(play.id, item.line)
        if play is not None and not any(p.level == "error" for p in notes.problems[before:]):
            plays.append(play)
    return tuple(plays)


def slug(title: str) -> str:
    """A title as an id: ASCII small letters and digits, joined by hyphens; "" if none are left.

    >>> slug("Ping the owner!"), slug("Über 5 Größen"), slug("🎯")
    ('ping-the-owner', 'uber-5-gro-en', '')
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c)).lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _read_play(notes: Notes, node: Node, names: Names) -> Play | None:
    fields = notes.fields(node, "a play", _KEYS, required=("play", "on", "do"))
    title = notes.text(fields["play"].value, "`play`") if "play" in fields else None
    what = f"play {quoted(title)}" if title else "a play"
    play_id = _read_id(notes, fields, title)
    trigger = _read_trigger(notes, fields["on"].value, names) if "on" in fields else None
    place = PLAY if trigger is None or trigger.kind == "newly_qualified" else LATER_PLAY
    filter_ = read_condition(notes, fields["if"].value, place, names) if "if" in fields else None
    next_ = notes.text(fields["next"].value, "`next`") if "next" in fields else None
    if next_:
        check_template(notes, fields["next"].value.line, next_, "`next`", names)
    actions = read_actions(notes, fields["do"].value, names) if "do" in fields else ()
    timing = read_timing(notes, fields)
    rearm, every = (_duration(notes, fields, key, what) for key in ("rearm", "at_most_every"))
    if title is None or play_id is None or trigger is None:
        return None
    if "rearm" in fields and trigger.kind == "newly_qualified":
        hint = "coming back is ruled by `return: {after: …}`"
        notes.error(fields["rearm"].line, f"`rearm` has no meaning for `newly_qualified` in {what}", hint)
    return Play(
        play_id,
        title,
        trigger,
        tuple(_timed(action, timing) for action in actions),
        filter_,
        next_ or "",
        1.0 if rearm is None else rearm,
        every,
        **timing,  # type: ignore[arg-type]  # read as one of its words
    )


def _read_id(notes: Notes, fields: Dict[str, Entry], title: str | None) -> str | None:
    if "id" in fields:
        written = notes.text(fields["id"].value, "`id` of a play")
        if written is not None and slug(written) != written:
            hint = f"for example {quoted(slug(written))}" if slug(written) else ""
            notes.error(fields["id"].line, f"`id` {quoted(written)} must be small letters, digits and hyphens", hint)
        return written
    if title is not None and not slug(title):
        notes.error(fields["play"].line, f"no id can be made from the title {quoted(title)}", "add an `id:`")
    return slug(title) if title else None


def _duration(notes: Notes, fields: Dict[str, Entry], key: str, what: str) -> float | None:
    return notes.days(fields[key].value, f"`{key}` of {what}") if key in fields else None


def _timed(action: Action, timing: Dict[str, str]) -> Action:
    """A Slack message with the play's `how` and `hours` where it has none of its own; nothing else ever waits."""
    if action.kind != "slack":
        return action
    options = {**timing, **action.options}
    return replace(action, options={name: said for name, said in options.items() if (name, said) != ("how", "instant")})


# --- triggers ---


def _read_trigger(notes: Notes, node: Node, names: Names) -> Trigger | None:
    if isinstance(node, Leaf):
        return _read_bare_trigger(notes, node)
    section = notes.mapping(node, "`on`")
    kinds = [e for e in section.entries if e.key in TRIGGERS] if section else []
    if section is None:
        return None
    if len(kinds) != 1:
        found = " and ".join(quoted(e.key) for e in (kinds or section.entries)) or "nothing"
        unknown = section.entries[0].key if section.entries and not kinds else ""
        hint = did_you_mean(unknown, TRIGGERS) if unknown else "make a play for each"
        notes.error(node.line, f"`on` must be one trigger, here is {found}", hint)
        return None
    return _read_kind(notes, kinds[0], section, names)


def _read_bare_trigger(notes: Notes, node: Leaf) -> Trigger | None:
    word = node.text.strip()
    match word:
        case "newly_qualified" | "left":
            return Trigger("newly_qualified" if word == "newly_qualified" else "left")
        case "gone_quiet" | "stuck":
            return Trigger("gone_quiet" if word == "gone_quiet" else "stuck", in_days=QUIET_DAYS)
        case "score_up" | "score_down":
            notes.error(node.line, f"`{word}` does not say by how many points", f"for example `{{{word}: 20, in: 7d}}`")
        case "stage":
            notes.error(node.line, "`stage` does not say which one", "for example `{stage: A habit}`")
        case "near_limit":
            notes.error(
                node.line, "`near_limit` does not say of what", "for example `{near_limit: seats_used_pct, min: 80}`"
            )
        case _:
            notes.error(node.line, f"unknown trigger {described(node)}", did_you_mean(word, TRIGGERS))
    return None


def _read_kind(notes: Notes, entry: Entry, section: Mapping, names: Names) -> Trigger | None:
    match entry.key:
        case "score_up" | "score_down":
            fields = notes.fields(section, f"`{entry.key}`", (entry.key, "in"), required=("in",))
            by = notes.number(entry.value, f"`{entry.key}`", 1)
            days = notes.whole_days(fields["in"].value, "`in`") if "in" in fields else None
            kind: TriggerKind = "score_up" if entry.key == "score_up" else "score_down"
            return Trigger(kind, by=by, in_days=days) if by is not None and days else None
        case "gone_quiet" | "stuck":
            notes.fields(section, f"`{entry.key}`", (entry.key,))
            days = notes.whole_days(entry.value, f"`{entry.key}`")
            return Trigger("gone_quiet" if entry.key == "gone_quiet" else "stuck", in_days=days) if days else None
        case "stage":
            notes.fields(section, "`stage`", ("stage",))
            return _read_stage(notes, entry.value, names)
        case "near_limit":
            return _read_limit(notes, entry, section, names)
        case _:
            notes.error(entry.line, f"`{entry.key}` takes nothing", f"write `on: {entry.key}`")
            return None


def _read_stage(notes: Notes, node: Node, names: Names) -> Trigger | None:
    title = notes.text(node, "`stage`")
    if title is not None and title not in names.stages:
        notes.unknown(node.line, "stage", title, names.stages, "declare it under `activation:`")
    return Trigger("stage", stage=title) if title in names.stages else None


def _read_limit(notes: Notes, entry: Entry, section: Mapping, names: Names) -> Trigger | None:
    fields = notes.fields(section, "`near_limit`", ("near_limit", "min"), required=("min",))
    name = notes.text(entry.value, "`near_limit`")
    least = notes.number(fields["min"].value, "`min` of `near_limit`") if "min" in fields else None
    if name is None:
        return None
    if name not in names.signals:
        notes.unknown(entry.line, "signal", name, names.signals, "declare it under `signals:`")
        return None
    return Trigger("near_limit", signal=name, min=least) if least is not None else None
