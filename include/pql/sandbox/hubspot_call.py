"""One request to the simulated HubSpot: what its path, query and body say, or HubSpot's own complaint about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import QueryParams

from pql.sandbox.crm import Crm
from pql.sandbox.crm_schema import SINGULAR, TYPE_IDS, HubSpotError

MAX_BATCH = 100
Json = dict[str, Any]


class Call:
    """One request: path parts, query, and JSON body."""

    def __init__(self, query: QueryParams, parts: Mapping[str, str], body: Any) -> None:
        self.query, self.parts, self._body = query, parts, body

    @property
    def kind(self) -> str:
        """The object type the path names."""
        return object_type(self.parts["kind"])

    @property
    def body(self) -> Json:
        """The JSON object sent."""
        if not isinstance(self._body, dict):
            raise invalid("Invalid input JSON on line 1, column 1: expected an object")
        return self._body

    def inputs(self, most: int = MAX_BATCH) -> list[Json]:
        """The rows of a batch."""
        rows = self.body.get("inputs")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise invalid("Invalid input JSON on line 1, column 2: Some required fields were not set: [inputs]")
        if len(rows) > most:
            raise invalid(
                f"The maximum number of inputs supported in a batch request is {most}. Found {len(rows)}.",
            )
        return rows

    def wanted(self) -> list[str] | None:
        """Names of the properties asked for in the query."""
        return [name for text in self.query.getlist("properties") for name in text.split(",")] or None


def object_type(name: str) -> str:
    """The plural name of an object type, from its plural, singular or numeric name."""
    plural = {singular: plural for plural, singular in SINGULAR.items()} | TYPE_IDS
    kind = plural.get(name.lower(), name.lower())
    if kind not in SINGULAR:
        raise invalid(f"Unable to infer object type from: {name}")
    return kind


def number(text: str) -> int:
    """A whole number in a query."""
    if not text.isdigit():
        raise invalid(f"{text} was not a whole number")
    return int(text)


def invalid(message: str) -> HubSpotError:
    """The 400 for a request that cannot be understood."""
    return HubSpotError(400, "VALIDATION_ERROR", message)


Handler = Callable[[Crm, Call], tuple[int, Json]]  # gives (HTTP status, body)
