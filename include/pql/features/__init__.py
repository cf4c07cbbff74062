"""Usage, identity and CRM at moments → one row per subject: the public face of the room."""

from pql.features.build import build
from pql.features.champions import champions
from pql.features.identity import identities, identity, resolve_marks

__all__ = ["build", "champions", "identities", "identity", "resolve_marks"]
