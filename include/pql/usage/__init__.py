"""Events → daily usage of named events: which stored tables a definition needs, and the query that builds each."""

from pql.usage.needs import Need, needs_of, session_need, value_need
from pql.usage.query import EVENTS, daily_usage
from pql.usage.sql import compile_for_duckdb

__all__ = ["EVENTS", "Need", "compile_for_duckdb", "daily_usage", "needs_of", "session_need", "value_need"]
