"""What people ask of the result: why an account did or did not alert. Reads lake and ledger, changes neither."""

from pql.insight.explain import explain
from pql.insight.whom import account_key

__all__ = ["account_key", "explain"]
