"""CRM search: a search request and the objects of a type in, one page of matching objects out.

Limits after https://developers.hubspot.com/docs/guides/api/crm/search: 5 filter groups of 6 filters, 18 filters in all,
one sort, 200 results a page, 10,000 results a query.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

from pql.sandbox.crm import Crm, View
from pql.sandbox.crm_schema import HubSpotError, Property, instant

MAX_RESULTS, MAX_PAGE = 10_000, 200
Filter = Mapping[str, Any]


def search(crm: Crm, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to POST /crm/v3/objects/{kind}/search."""
    groups = [_filters(crm, kind, group) for group in body.get("filterGroups") or []]
    if len(groups) > 5 or any(len(group) > 6 for group in groups) or sum(map(len, groups)) > 18:
        raise _invalid("Too many filters: at most 5 filterGroups of 6 filters each and 18 filters in total are allowed")
    limit, after = _whole(body.get("limit", 10), "limit"), _whole(body.get("after") or 0, "after")
    if not 0 < limit <= MAX_PAGE:
        raise _invalid(f"The limit parameter must be between 1 and {MAX_PAGE}")
    if after + limit > MAX_RESULTS:
        raise _invalid(f"The requested page is beyond the maximum of {MAX_RESULTS} results of a query")
    found = [crm.view(kind, object_id) for object_id in crm.ids(kind)]
    found = [view for view in found if _matches(crm, kind, view, groups) and _has_text(view, body.get("query"))]
    _sort(crm, kind, found, body.get("sorts") or [])
    page = found[after : after + limit]
    answer: dict[str, Any] = {
        "total": len(found),
        "results": [crm.render(view, kind, body.get("properties")) for view in page],
    }
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit), "link": "?after=" + str(after + limit)}}
    return answer


def _filters(crm: Crm, kind: str, group: object) -> list[Filter]:
    filters = group.get("filters") if isinstance(group, dict) else None
    if not isinstance(filters, list):
        raise _invalid(
            "Invalid input JSON: Cannot build FilterGroup, some of required attributes are not set [filters]"
        )
    for one in filters:
        if not isinstance(one, dict) or not one.get("propertyName") or not one.get("operator"):
            text = "Cannot build Filter, some of required attributes are not set [propertyName, operator]"
            raise _invalid(f"Invalid input JSON on line 1, column 18: {text}")
        if one["propertyName"] not in crm.schema.of(kind):
            raise _invalid(
                f"There was a problem with the request. Property {one['propertyName']} does not exist on {kind}"
            )
        if one["operator"] not in OPERATORS:
            raise _invalid(f"Invalid input JSON: {one['operator']} is not a valid operator: {sorted(OPERATORS)}")
        if one["operator"] in ("IN", "NOT_IN") and not isinstance(one.get("values"), list):
            raise _invalid(f"operator {one['operator']} requires values")
    return filters


def _matches(crm: Crm, kind: str, view: View, groups: list[list[Filter]]) -> bool:
    properties, known = view["properties"], crm.schema.of(kind)

    def holds(one: Filter) -> bool:
        value = properties.get(one["propertyName"]) or ""
        return OPERATORS[one["operator"]](known[one["propertyName"]], value, one)

    return not groups or any(all(holds(one) for one in group) for group in groups)


def _has_text(view: View, query: object) -> bool:
    text = " ".join(view["properties"].get(name) or "" for name in ("name", "domain", "email", "firstname", "lastname"))
    return not query or all(word in text.lower() for word in str(query).lower().split())


def _sort(crm: Crm, kind: str, found: list[View], sorts: list[Any]) -> None:
    if len(sorts) > 1:
        raise _invalid("Only one sort is allowed")
    for one in sorts:
        name = one if isinstance(one, str) else one.get("propertyName", "")
        if name not in crm.schema.of(kind):
            raise _invalid(f"There was a problem with the request. Property {name} does not exist on {kind}")
        prop = crm.schema.of(kind)[name]
        down = isinstance(one, dict) and one.get("direction") == "DESCENDING"
        found.sort(key=lambda view: _comparable(prop, view["properties"].get(name) or ""), reverse=down)


def _comparable(prop: Property, value: object) -> tuple[float, str]:
    """Numbers and dates compare as such, text without regard to case."""
    text = str(value)
    if prop.type in ("datetime", "date") and (at := instant(text)):
        return at.timestamp(), ""
    if prop.type == "number":
        try:
            return float(text), ""
        except ValueError:
            return float("-inf"), ""
    return 0.0, text.lower()


def _compare(test: Callable[[tuple[float, str], tuple[float, str]], bool]) -> Callable[[Property, str, Filter], bool]:
    return lambda prop, value, one: bool(value) and test(_comparable(prop, value), _comparable(prop, one.get("value")))


def _between(prop: Property, value: str, one: Filter) -> bool:
    low, high = _comparable(prop, one.get("value")), _comparable(prop, one.get("highValue"))
    return bool(value) and low <= _comparable(prop, value) <= high


def _in(prop: Property, value: str, one: Filter) -> bool:
    return bool(value) and _comparable(prop, value) in [_comparable(prop, wanted) for wanted in one["values"]]


def _token(prop: Property, value: str, one: Filter) -> bool:
    words = value.lower().replace("@", " ").replace(".", " ").split()
    return any(fnmatch.fnmatchcase(word, str(one.get("value", "")).lower()) for word in [*words, value.lower()])


OPERATORS: dict[str, Callable[[Property, str, Filter], bool]] = {
    "EQ": _compare(lambda a, b: a == b),
    "NEQ": lambda prop, value, one: not _compare(lambda a, b: a == b)(prop, value, one),
    "LT": _compare(lambda a, b: a < b),
    "LTE": _compare(lambda a, b: a <= b),
    "GT": _compare(lambda a, b: a > b),
    "GTE": _compare(lambda a, b: a >= b),
    "BETWEEN": _between,
    "IN": _in,
    "NOT_IN": lambda prop, value, one: not _in(prop, value, one),
    "HAS_PROPERTY": lambda _, value, __: bool(value),
    "NOT_HAS_PROPERTY": lambda _, value, __: not value,
    "CONTAINS_TOKEN": _token,
    "NOT_CONTAINS_TOKEN": lambda prop, value, one: not _token(prop, value, one),
}


def _whole(value: object, name: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise _invalid(f"Invalid input JSON on line 1, column 2: {name} must be a whole number") from None


def _invalid(message: str) -> HubSpotError:
    return HubSpotError(400, "VALIDATION_ERROR", message)
