"""A template's text in, the names it reads out, or what is wrong with it. Rendering is the plays' business.

Templates are Jinja2 restricted to values: `{{ … }}`, `{% if %}`, arithmetic and a few filters; no calls, no loops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, TemplateError, nodes

FILTERS = (
    "round",
    "int",
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "default",
    "join",
    "length",
    "first",
    "truncate",
)

# What a template may name beside the definition's signals: the same words as on the alert (types.Alert).
VALUES = (
    "score",
    "score_delta_night",
    "score_delta_week",
    "activation_pct",
    "grade",
    "grade_10",
    "size",
    "employees",
    "trial_day",
    "top_reason",
    "reasons",
    "headline",
    "definition",
    "title",
    "as_of",
    "owner_email",
    "owner_name",
    "next_step",
)
OBJECTS = ("account", "user")  # `account.x` is any attribute of the account, `user.x` of the user

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.CondExpr,
    nodes.If,
    nodes.Compare,
    nodes.Operand,
    nodes.Add,
    nodes.Sub,
    nodes.Div,
    nodes.Concat,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Keyword,
    nodes.Test,
)
_TESTS = ("none", "defined", "number", "string")


@dataclass(frozen=True)
class Reads:
    """What a template reads: bare names, attributes ("plan", "user.role"), and what is wrong with it."""

    names: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def read_template(text: str) -> Reads:
    """What the template reads; never raises.

    >>> read_template("Call {{ account.name }}: {{ seats_used_pct|round }} %")
    Reads(names=('seats_used_pct',), attributes=('name',), faults=())
    >>> read_template("{{ oops").faults
    ("unexpected end of template, expected 'end of print statement'",)
    """
    try:
        tree = Environment(autoescape=False).parse(text)  # noqa: S701 — parsed only; destinations escape for their system
    except (TemplateError, RecursionError) as error:
        return Reads(faults=(str(error).rstrip(".") or "nested too deeply",))
    try:
        found = list(_walk(tree))
    except RecursionError:
        return Reads(faults=("nested too deeply",))
    by_kind = {kind: tuple(dict.fromkeys(t for k, t in found if k == kind)) for kind in ("name", "attribute", "fault")}
    return Reads(by_kind["name"], by_kind["attribute"], by_kind["fault"])


def _walk(node: nodes.Node) -> Iterator[tuple[str, str]]:
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Getattr):
            yield _attribute(child)
            continue
        if isinstance(child, nodes.Name):
            yield (
                ("name", child.name)
                if child.name not in OBJECTS
                else ("fault", f"`{child.name}` needs a field: `{child.name}.name`")
            )
        elif isinstance(child, nodes.Filter) and child.name not in FILTERS:
            yield "fault", f"filter `{child.name}` is not available, only {', '.join(FILTERS)}"
        elif isinstance(child, nodes.Test) and child.name not in _TESTS:
            yield "fault", f"test `{child.name}` is not available, only {', '.join(_TESTS)}"
        elif not isinstance(child, _ALLOWED):
            yield "fault", f"a template cannot hold `{type(child).__name__.lower()}`: values, filters and `if` only"
        yield from _walk(child)


def _attribute(node: nodes.Getattr) -> tuple[str, str]:
    owner = node.node
    if not isinstance(owner, nodes.Name) or owner.name not in OBJECTS:
        return "fault", f"`.{node.attr}` can only follow {' or '.join(f'`{name}`' for name in OBJECTS)}"
    if node.attr.startswith("_"):
        return "fault", f"`{owner.name}.{node.attr}` is not an attribute"
    return "attribute", node.attr if owner.name == "account" else f"user.{node.attr}"


def is_template(text: str) -> bool:
    """Whether the text has anything to fill in."""
    return "{{" in text or "{%" in text
