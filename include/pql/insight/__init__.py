"""What people ask of the result and of a definition: why an account alerted, what the data says. It changes nothing."""

from pql.insight.checking.check_data import check_data
from pql.insight.previewing import Preview, choose_against, preview, read_draft
from pql.insight.whom import account_key
from pql.insight.why.explain import explain

__all__ = ["Preview", "account_key", "check_data", "choose_against", "explain", "preview", "read_draft"]
