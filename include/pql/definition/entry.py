"""Who can enter and how big they are: `only:`, `exclude:`, `size:` in, their parts of the definition out (SEM-W4)."""

from __future__ import annotations

import re
from itertools import pairwise

from pql.definition.model import Exclude, Scalar, Size
from pql.definition.names import KNOWN_ATTRIBUTES, Names
from pql.definition.reading import Notes
from pql.located_yaml import Entry, Items, Mapping, Node, did_you_mean, quoted

_DOMAIN = re.compile(r"(?=.{3,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_ACCOUNT_KEY = re.compile(r"(org|crm|domain|user):.+")

AttributeValues = tuple[tuple[str, tuple[Scalar, ...]], ...]


def read_attribute_values(notes: Notes, node: Node, what: str) -> AttributeValues:
    """attribute → values, as in `only: {plan: [free, trial]}`."""
    section = notes.mapping(node, what)
    read = []
    for entry in section.entries if section else ():
        check_attribute(notes, entry.line, entry.key)
        values = notes.scalars(entry.value, f"`{entry.key}` in {what}")
        if values:
            read.append((entry.key, values))
    return tuple(read)


def check_attribute(notes: Notes, line: int, name: str) -> None:
    """Warn about a name that is nearly, but not quite, an attribute that every project has."""
    near = did_you_mean(name, KNOWN_ATTRIBUTES, list_all=False)
    if near and name not in KNOWN_ATTRIBUTES and "." not in name and _much_alike(name):
        notes.warn(line, f"attribute {quoted(name)} is none of those every project has", near)


def _much_alike(name: str) -> bool:
    return any(abs(len(name) - len(known)) <= 1 and name[:3] == known[:3] for known in KNOWN_ATTRIBUTES)


def read_exclude(notes: Notes, node: Node) -> Exclude:
    """Domains, attribute values and accounts that never qualify."""
    fields = notes.fields(node, "`exclude`", ("domains", "attributes", "accounts"))
    domains = notes.texts(fields["domains"].value, "`domains`") if "domains" in fields else ()
    for domain in domains:
        if not _DOMAIN.fullmatch(domain.lower()):
            notes.error(
                _line_of(fields["domains"], domain), f"{quoted(domain)} is not a domain", "for example `acme.test`"
            )
    attributes: AttributeValues = ()
    if "attributes" in fields:
        attributes = read_attribute_values(notes, fields["attributes"].value, "`exclude: attributes`")
    accounts = notes.texts(fields["accounts"].value, "`accounts`") if "accounts" in fields else ()
    for account in accounts:
        if not _ACCOUNT_KEY.fullmatch(account):
            hint = "for example `org:4711`, `crm:987`, `domain:acme.test` or `user:42`"
            notes.error(_line_of(fields["accounts"], account), f"{quoted(account)} is not an account's key", hint)
    return Exclude(tuple(domain.lower() for domain in domains), attributes, accounts)


def _line_of(entry: Entry, text: str) -> int:
    members = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
    return next((m.line for m in members if getattr(m, "text", "").strip() == text), entry.line)


# --- sizes ---


def size_names(node: Node | None) -> tuple[str, ...] | None:
    """The names of the sizes before the section is read; None without a section, () if it cannot be told."""
    if node is None:
        return None
    bounds = node.get("from") if isinstance(node, Mapping) else None
    return tuple(entry.key for entry in bounds.entries) if isinstance(bounds, Mapping) else ()


def read_size(notes: Notes, node: Node, names: Names) -> Size | None:
    """Sizes as ascending lower bounds on an attribute or a signal (SEM-Q2)."""
    if isinstance(node, Mapping) and node.get("unknown") is None:
        notes.error(node.line, "`size` does not say as what an account of unknown size counts", "add `unknown: small`")
    fields = notes.fields(node, "`size`", ("by", "from", "unknown"))
    for key in ("by", "from"):
        if key not in fields and isinstance(node, Mapping):
            notes.error(node.line, f"`size` has no `{key}`", "for example `by: employees`, `from: {small: 0, mid: 50}`")
    by = notes.text(fields["by"].value, "`by` of `size`") if "by" in fields else None
    bounds = _read_bounds(notes, fields["from"].value) if "from" in fields else ()
    unknown = notes.text(fields["unknown"].value, "`unknown` of `size`") if "unknown" in fields else None
    if unknown is not None and bounds and unknown not in dict(bounds):
        notes.unknown(fields["unknown"].line, "size", unknown, dict(bounds))
    if by is None or unknown is None or not bounds:
        return None
    if by not in names.signals:
        check_attribute(notes, fields["by"].line, by)
    return Size(by, "signal" if by in names.signals else "attribute", bounds, unknown)


def _read_bounds(notes: Notes, node: Node) -> tuple[tuple[str, float], ...]:
    section = notes.mapping(node, "`from` of `size`")
    read = []
    for entry in section.entries if section else ():
        notes.is_name(entry.line, "size", entry.key)
        bound = notes.number(entry.value, f"the lower bound of {quoted(entry.key)}")
        read += [(entry.key, bound, entry.line)] if bound is not None else []
    if section is not None and not section.entries:
        notes.error(section.line, "`from` of `size` names no size", "for example `{small: 0, mid: 50, large: 500}`")
    if read and len(read) == len(section.entries if section else ()):
        _check_ascending(notes, read)
    return tuple((name, bound) for name, bound, _ in read)


def _check_ascending(notes: Notes, read: list[tuple[str, float, int]]) -> None:
    if read[0][1] > 0:
        notes.error(
            read[0][2], f"the first size must begin at 0, not {quoted(read[0][1])}: below it there would be none"
        )
    for (lower, bound, _), (upper, next_bound, line) in pairwise(read):
        if next_bound <= bound:
            message = (
                f"sizes must ascend: {quoted(upper)} begins at {next_bound:g}, {quoted(lower)} before it at {bound:g}"
            )
            notes.error(line, message)
