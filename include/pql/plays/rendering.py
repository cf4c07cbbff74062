"""A template and one subject's values in, text out: Jinja2 in its sandbox, values only.

Nothing is escaped here: each destination escapes for its own system.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pql.definition.templates import FILTERS

UNKNOWN = "unknown"


def _finalize(value: object) -> object:
    """What a person reads: whole numbers without decimals, and "unknown" for what nobody knows."""
    if value is None or isinstance(value, Undefined):
        return UNKNOWN
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
    return value


_ENVIRONMENT = ImmutableSandboxedEnvironment(autoescape=False, finalize=_finalize)
_ENVIRONMENT.filters = {name: _ENVIRONMENT.filters[name] for name in FILTERS}
_ENVIRONMENT.globals = {}


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def render(text: str, values: Mapping[str, Any]) -> str:
    """The text with its values filled in; "" when it cannot be (a filter on something unknown): never raises.

    >>> render("They use {{ seats_used_pct }} % of {{ account.plan }}", {"seats_used_pct": 80.0, "account": {}})
    'They use 80 % of unknown'
    >>> render("{{ seats_used_pct|round }} %", {"seats_used_pct": None})
    ''
    """
    try:
        return _compiled(text).render(values).strip()
    except (TemplateError, TypeError, ValueError, ArithmeticError):
        return ""
