"""The `do:` of a play in, actions out; options stay as written, their templates are checked."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict
from typing import get_args

from pql.definition import durations
from pql.definition.model import Action, How, ReaderHours
from pql.definition.names import Names
from pql.definition.reading import Notes, described
from pql.definition.templates import OBJECTS, VALUES, is_template, read_template
from pql.located_yaml import Entry, Items, Leaf, Mapping, Node, did_you_mean, quoted

KINDS = ("slack", "crm_task", "crm_update", "webhook")
SLACK = "slack"  # the destinations that actions go to unless they say `destination:`
CRM = "hubspot"

# What `crm_update` can write without a template: property → one of these.
FIELDS = (
    "score",
    "activation_pct",
    "grade",
    "grade_10",
    "size",
    "reasons",
    "top_reason",
    "qualified",
    "qualified_at",
    "as_of",
    "definition",
    "title",
    "next_step",
    "score_delta_night",
    "score_delta_week",
)

TIMING: Dict[str, tuple[str, ...]] = {"how": get_args(How), "hours": get_args(ReaderHours)}

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BUSINESS_DAYS = re.compile(r"\d{1,2} business days?")
_DESTINATION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


def read_actions(notes: Notes, node: Node, names: Names) -> tuple[Action, ...]:
    """The actions in order; wrong ones are noted and left out."""
    read = (_read_action(notes, item, names) for item in notes.items(node, "`do`"))
    return tuple(action for action in read if action is not None)


def read_timing(notes: Notes, fields: Dict[str, Entry], of: str = "") -> dict[str, str]:
    """What is said of `how` and `hours`, of a play or of one of its Slack messages."""
    given = {key: notes.choice(fields[key].value, f"`{key}`{of}", TIMING[key]) for key in TIMING if key in fields}
    return {key: word for key, word in given.items() if word is not None}


def check_template(notes: Notes, line: int, text: str, what: str, names: Names) -> None:
    """Note what is wrong with a template, unknown names with the nearest known one."""
    reads = read_template(text)
    for fault in reads.faults:
        notes.error(line, f"the template in {what} is wrong: {fault}")
    for name in reads.names if not reads.faults else ():
        if name not in names.signals and name not in VALUES:
            known = [*names.signals, *VALUES, *(f"{owner}.name" for owner in OBJECTS)]
            notes.unknown(line, f"name in the template of {what}:", name, known)


def _read_action(notes: Notes, node: Node, names: Names) -> Action | None:
    section = notes.mapping(node, "an action")
    if section is None:
        return None
    if len(section.entries) != 1:
        found = " and ".join(quoted(e.key) for e in section.entries) or "nothing"
        notes.error(node.line, f"an action is one of {', '.join(KINDS)}, here is {found}", "one action per list item")
        return None
    entry = section.entries[0]
    before = len(notes.problems)
    match entry.key:
        case "slack":
            action = _read_slack(notes, entry, names)
        case "crm_task":
            action = _read_task(notes, entry, names)
        case "crm_update":
            action = _read_update(notes, entry, names)
        case "webhook":
            action = _read_webhook(notes, entry)
        case _:
            notes.unknown(entry.line, "action", entry.key, KINDS)
            return None
    return action if len(notes.problems) == before else None


def _read_slack(notes: Notes, entry: Entry, names: Names) -> Action:
    fields = notes.fields(entry.value, "`slack`", ("channel", "dm", "mention", "broadcast", *TIMING, "destination"))
    options: dict[str, object] = {}
    if "channel" in fields:
        options["channel"] = _channel(notes, fields["channel"].value, names)
    for key in ("dm", "mention"):
        if key in fields:
            options[key] = _person(notes, fields[key].value, f"`{key}` of `slack`")
    if "broadcast" in fields:
        options["broadcast"] = notes.boolean(fields["broadcast"].value, "`broadcast` of `slack`")
    options |= read_timing(notes, fields, " of `slack`")
    if isinstance(entry.value, Mapping) and not {"channel", "dm"} & set(fields):
        notes.error(
            entry.line, "`slack` says neither which `channel` nor whom to `dm`", 'for example `channel: "#pql"`'
        )
    return Action("slack", _destination(notes, fields, SLACK), options)


def _channel(notes: Notes, node: Node, names: Names) -> str:
    if isinstance(node, Leaf) and not node.text.strip():
        notes.error(node.line, "`channel` is empty", 'a value beginning with # needs quotes: `"#pql"`')
        return ""
    text = _template(notes, node, "`channel`", names)
    if text and not text.startswith(("#", "C", "G", "{{")):
        notes.error(node.line, f"`channel` must be a channel's name or id, not {quoted(text)}", f'`"#{text}"`?')
    return text


def _person(notes: Notes, node: Node, what: str) -> str:
    text = notes.text(node, what) or ""
    if text and text != "owner" and not _EMAIL.fullmatch(text):
        notes.error(
            node.line, f"{what} must be `owner` or an e-mail address, not {quoted(text)}", did_you_mean(text, ["owner"])
        )
    return text


def _read_task(notes: Notes, entry: Entry, names: Names) -> Action:
    known = ("due", "subject", "body", "fallback_owner", "destination")
    fields = notes.fields(entry.value, "`crm_task`", known, required=("subject",))
    options: dict[str, object] = {}
    for key in ("subject", "body"):
        if key in fields:
            options[key] = _template(notes, fields[key].value, f"`{key}` of `crm_task`", names)
    if "due" in fields:
        options["due"] = _due(notes, fields["due"].value)
    if "fallback_owner" in fields:
        address = notes.text(fields["fallback_owner"].value, "`fallback_owner`") or ""
        if address and not _EMAIL.fullmatch(address):
            notes.error(
                fields["fallback_owner"].line, f"`fallback_owner` must be an e-mail address, not {quoted(address)}"
            )
        options["fallback_owner"] = address
    return Action("crm_task", _destination(notes, fields, CRM), options)


def _due(notes: Notes, node: Node) -> str:
    text = notes.text(node, "`due`") or ""
    if text and not _BUSINESS_DAYS.fullmatch(text) and durations.days(text) is None:
        notes.error(node.line, f"`due` cannot be {quoted(text)}", "for example `1 business day` or `3d`")
    return text


def _read_update(notes: Notes, entry: Entry, names: Names) -> Action:
    section = notes.mapping(entry.value, "`crm_update`")
    if section is not None and not [e for e in section.entries if e.key != "destination"]:
        notes.error(entry.line, "`crm_update` writes no property", "for example `{pql_score: score}`")
    options: dict[str, object] = {}
    for prop in section.entries if section else ():
        if prop.key != "destination":
            options[prop.key] = _written_value(notes, prop, names)
    fields = {e.key: e for e in section.entries} if section else {}
    return Action("crm_update", _destination(notes, fields, CRM), options)


def _written_value(notes: Notes, prop: Entry, names: Names) -> object:
    """A field by name, a signal by name, a template, or a number or true/false as it stands."""
    node = prop.value
    what = f"CRM property {quoted(prop.key)}"
    if not isinstance(node, Leaf) or node.value is None:
        notes.error(node.line, f"{what} must be a field, a template, a number or true/false, not {described(node)}")
        return None
    if not isinstance(node.value, str):
        return node.value
    if is_template(node.value):
        return _template(notes, node, what, names)
    if node.value not in FIELDS and node.value not in names.signals:
        hint = f"for the text itself write `\"{{{{ '{node.value}' }}}}\"`"
        known = [*FIELDS, *names.signals]
        near = did_you_mean(node.value, known, list_all=False)
        notes.error(node.line, f"{what} is to be {quoted(node.value)}, which is no field or signal", near or hint)
    return node.value


def _read_webhook(notes: Notes, entry: Entry) -> Action:
    if isinstance(entry.value, Mapping):
        fields = notes.fields(entry.value, "`webhook`", ("destination",), required=("destination",))
        return Action("webhook", _destination(notes, fields, ""))
    name = notes.text(entry.value, "`webhook`") if not isinstance(entry.value, Items) else None
    if name is None or not _DESTINATION.fullmatch(name):
        hint = "an address is a secret: it is kept in a connection, never here"
        notes.error(entry.line, "`webhook` must be a destination's name in settings.yaml", hint)
    return Action("webhook", name or "")


def _destination(notes: Notes, fields: Dict[str, Entry], otherwise: str) -> str:
    if "destination" not in fields:
        return otherwise
    return notes.text(fields["destination"].value, "`destination`") or ""


def _template(notes: Notes, node: Node, what: str, names: Names) -> str:
    text = notes.text(node, what) or ""
    check_template(notes, node.line, text, what, names)
    return text
