"""The ledger: the only state there is. Small, relational, transactional (SQLite or PostgreSQL)."""

from pql.store.engine import clock_ahead, connect, decided, deciding, reading, writing
from pql.store.schema import is_current, migrate

__all__ = ["clock_ahead", "connect", "decided", "deciding", "is_current", "migrate", "reading", "writing"]
