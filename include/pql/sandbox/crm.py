"""The simulated CRM: the simulation's records with everything clients have written laid over them.

State comes from two sources only, the seed and the effects log, so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pql.sandbox.crm_records import Record, records, stamp
from pql.sandbox.crm_schema import (
    ASSOCIATIONS,
    CREATED,
    DEFAULTS,
    MODIFIED,
    SINGULAR,
    HubSpotError,
    Property,
    Schema,
    invalid_values,
)
from pql.sandbox.effects import Effect
from pql.sandbox.world import World

FIRST_TASK = 50_000_000_001

View = dict[str, Any]  # {"id", "properties", "created", "modified"}; instants in seconds
Link = tuple[str, str]  # (type, id)


class Crm:
    """Objects, their properties and associations. Callers hold `world.lock`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.schema = Schema()
        self._overlay: dict[Link, list[tuple[float, dict[str, str]]]] = {}
        self._created: dict[Link, View] = {}
        self._links: dict[Link, list[tuple[Link, int]]] = {}
        self._unique: dict[tuple[str, str, str], str] = {}  # (type, property, value) → id
        self._base: tuple[int, dict[Link, Record]] = (-1, {})
        self._back: dict[Link, list[Link]] = {}
        for effect in world.effects.all("hubspot"):
            self._apply(effect)

    # -- reading ------------------------------------------------------------------------------------------------

    def ids(self, kind: str) -> list[str]:
        """Ids of all objects of a type, ascending."""
        made = [i for t, i in self._created if t == kind]
        return sorted([i for t, i in self._simulated() if t == kind] + made, key=int)

    def view(self, kind: str, object_id: str) -> View:
        """An object with all its properties as they are now; HubSpotError 404 if there is none."""
        key = (kind, object_id)
        if key in self._created:
            made = self._created[key]
            found = {**made, "properties": dict(made["properties"])}
        elif key in self._simulated():
            found = _state(self._simulated()[key], self.world.company_s())
        else:
            raise HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found", context={"id": [object_id]})
        for at, properties in self._overlay.get(key, []):
            found["properties"].update(properties)
            found["modified"] = max(found["modified"], at)
        if kind == "deals":  # HubSpot works these out from the stage
            stage = found["properties"].get("dealstage", "")
            closed, won = str(stage.startswith("closed")).lower(), str(stage == "closedwon").lower()
            found["properties"].update({"hs_is_closed": closed, "hs_is_closed_won": won})
        system = {
            "hs_object_id": object_id,
            CREATED.get(kind, "createdate"): stamp(found["created"]),
            MODIFIED.get(kind, "hs_lastmodifieddate"): stamp(found["modified"]),
        }
        found["properties"].update(system)
        return found

    def find(self, kind: str, object_id: str, id_property: str | None) -> str:
        """The id of the object meant, by id or by the value of a unique property."""
        if not id_property or id_property == "hs_object_id":
            return str(self.view(kind, object_id)["id"])
        self.unique(kind, id_property)
        found = self._unique.get((kind, id_property, object_id)) or self._simulated_by(kind, id_property, object_id)
        if found is None:
            raise HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found", context={id_property: [object_id]})
        return found

    def unique(self, kind: str, name: str) -> Property:
        """The property, if its values are unique; else HubSpotError 400."""
        prop = self.schema.of(kind).get(name)
        if prop is None or not prop.unique:
            raise HubSpotError(
                400, "VALIDATION_ERROR", f"{name} is not a unique property of {kind}. idProperty must be one."
            )
        return prop

    def render(self, view: View, kind: str, wanted: Iterable[str] | None) -> dict[str, Any]:
        """As the API gives it: the properties asked for (or the type's default ones) and the system's own."""
        known = self.schema.of(kind)
        system = ("hs_object_id", CREATED.get(kind, "createdate"), MODIFIED.get(kind, "hs_lastmodifieddate"))
        listed = [*(wanted or DEFAULTS[kind]), *system]
        return {
            "id": view["id"],
            "properties": {name: view["properties"].get(name) or None for name in sorted(set(listed)) if name in known},
            "createdAt": stamp(view["created"]),
            "updatedAt": stamp(view["modified"]),
            "archived": False,
        }

    def linked(self, kind: str, object_id: str, to_kind: str) -> list[tuple[str, list[int]]]:
        """(id, association type ids) of the associated objects of another type, by id."""
        found: dict[str, list[int]] = {}
        default = ASSOCIATIONS.get((kind, to_kind), ())
        for to_type, to_id in self._simulated_links((kind, object_id)):
            if to_type == to_kind:
                found[to_id] = list(default)
        for (to_type, to_id), type_id in self._links.get((kind, object_id), []):
            if to_type == to_kind and type_id not in found.setdefault(to_id, []):
                found[to_id].append(type_id)
        return sorted(found.items(), key=lambda item: int(item[0]))

    # -- writing ------------------------------------------------------------------------------------------------

    def create(self, kind: str, given: object, links: Sequence[tuple[Link, int]]) -> View:
        """Create an object with its associations; HubSpotError 400 if a value is wrong or a unique one is taken."""
        properties = self.schema.checked(kind, given, creating=True)
        self._refuse_taken(kind, properties, None)
        made = sum(1 for t, _ in self._created if t == kind)
        object_id = str(
            FIRST_TASK + made + 10_000_000 * ("tasks", "companies", "contacts", "deals", "meetings").index(kind)
        )
        what = {
            "key": self._key(kind, properties),
            "object": kind,
            "id": object_id,
            "properties": properties,
            "links": [[*to, t] for to, t in links],
        }
        self._apply(self.world.record("hubspot", f"{SINGULAR[kind]}.created", what))
        return self.view(kind, object_id)

    def update(self, kind: str, object_id: str, given: object) -> View:
        """Change properties of an object."""
        before = self.view(kind, object_id)["properties"]
        properties = self.schema.checked(kind, given, creating=False)
        self._refuse_taken(kind, properties, object_id)
        what = {"key": self._key(kind, before | properties), "object": kind, "id": object_id, "properties": properties}
        self._apply(self.world.record("hubspot", f"{SINGULAR[kind]}.updated", what))
        return self.view(kind, object_id)

    def upsert(self, kind: str, value: str, id_property: str, given: object) -> tuple[View, bool]:
        """Create or update by a unique property: (object, whether it is new)."""
        self.unique(kind, id_property)
        if not isinstance(given, dict):
            given = {}
        try:
            return self.update(kind, self.find(kind, value, id_property), {**given, id_property: value}), False
        except HubSpotError as error:
            if error.status != 404:
                raise
        return self.create(kind, {**given, id_property: value}, ()), True

    def link(self, from_: Link, to: Link, type_id: int | None) -> int:
        """Associate two objects that exist; returns the association's type id."""
        for kind, object_id in (from_, to):
            self.view(kind, object_id)
        allowed = association_types(from_[0], to[0])
        if type_id is not None and type_id not in allowed:
            text = f"One or more associations are not valid: type {type_id} is not valid from {from_[0]} to {to[0]}"
            raise HubSpotError(400, "VALIDATION_ERROR", text)
        chosen = type_id or allowed[0]
        if all(chosen not in types or other != to[1] for other, types in self.linked(*from_, to[0])):
            what = {"object": from_[0], "id": from_[1], "to": [*to, chosen]}
            self._apply(self.world.record("hubspot", "associated", what))
        return chosen

    def add_property(self, kind: str, prop: Property) -> Property:
        """Create a custom property."""
        what = {"object": kind, "name": prop.name, "type": prop.type, "unique": prop.unique, "label": prop.label}
        self._apply(
            self.world.record("hubspot", "property.created", what | {"group": prop.group, "options": prop.options})
        )
        return self.schema.of(kind)[prop.name]

    # -- inside -------------------------------------------------------------------------------------------------

    def _key(self, kind: str, properties: Mapping[str, str]) -> str | None:
        """The value of a client's own unique property, if it writes one: its delivery key."""
        known = self.schema.of(kind)
        return next((value for name, value in properties.items() if known[name].unique and known[name].custom), None)

    def _apply(self, effect: Effect) -> None:
        at = datetime.fromisoformat(effect["at"]).timestamp()
        key = (effect["object"], effect.get("id", ""))
        if effect["action"] == "property.created":
            names = ("name", "type", "unique", "label", "group")
            prop = Property(**{n: effect[n] for n in names}, options=tuple(effect["options"]), custom=True)
            self.schema.add(effect["object"], prop)
        elif effect["action"] == "associated":
            self._join(key, tuple(effect["to"][:2]), effect["to"][2])
        elif effect["action"].endswith(".created"):
            self._created[key] = {"id": key[1], "properties": {}, "created": at, "modified": at}
            self._write(key, at, effect["properties"])
            for to_kind, to_id, type_id in effect["links"]:
                self._join(key, (to_kind, to_id), type_id)
        else:
            self._write(key, at, effect["properties"])

    def _write(self, key: Link, at: float, properties: Mapping[str, str]) -> None:
        self._overlay.setdefault(key, []).append((at, dict(properties)))
        for name, value in properties.items():
            if value and self.schema.of(key[0])[name].unique:
                self._unique[key[0], name, value] = key[1]

    def _join(self, from_: Link, to: Any, type_id: int) -> None:
        back = ASSOCIATIONS[to[0], from_[0]]
        place = ASSOCIATIONS[from_[0], to[0]].index(type_id)
        self._links.setdefault(from_, []).append((to, type_id))
        self._links.setdefault(to, []).append((from_, back[place]))

    def _refuse_taken(self, kind: str, properties: Mapping[str, str], own_id: str | None) -> None:
        for name, value in properties.items():
            if not value or not self.schema.of(kind)[name].unique:
                continue
            holder = self._unique.get((kind, name, value)) or self._simulated_by(kind, name, value)
            if holder not in (None, own_id):
                raise invalid_values([(name, "CONFLICTING_UNIQUE_VALUE", f"{holder} already has that value.")])

    def _simulated(self) -> Mapping[Link, Record]:
        now = self.world.company_s()
        if self._base[0] != now:
            self._base = (now, records(self.world.seed, now))
            self._back = {}
        return self._base[1]

    def _simulated_by(self, kind: str, name: str, value: str) -> str | None:
        if kind != "contacts" or name != "email":
            return None
        wanted = value.lower()
        return next(
            (r.id for (t, _), r in self._simulated().items() if t == kind and r.changes[0][1]["email"] == wanted), None
        )

    def _simulated_links(self, key: Link) -> list[Link]:
        existing = self._simulated()
        if not self._back:
            for link, record in existing.items():
                for to in record.links:
                    if to in existing:
                        self._back.setdefault(link, []).append(to)
                        self._back.setdefault(to, []).append(link)
        return self._back.get(key, [])


def association_types(from_kind: str, to_kind: str) -> tuple[int, ...]:
    """The association type ids from one type to another; HubSpotError 400 if they cannot be associated."""
    types = ASSOCIATIONS.get((from_kind, to_kind))
    if types is None:
        raise HubSpotError(400, "VALIDATION_ERROR", f"No association between {from_kind} and {to_kind} is defined")
    return types


def _state(record: Record, now: int) -> View:
    properties: dict[str, str] = {}
    modified = record.created_at
    for at, change in record.changes:
        if at <= now:
            properties.update(change)
            modified = at
    return {"id": record.id, "properties": properties, "created": record.created_at, "modified": modified}
