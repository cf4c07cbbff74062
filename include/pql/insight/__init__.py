"""What people ask of the result and of a definition: why an account alerted, what the data says. It changes nothing."""

from pql.insight.check_data import check_data
from pql.insight.explain import explain
from pql.insight.whom import account_key

__all__ = ["account_key", "check_data", "explain"]
