"""One account computed alone is what it is among all others."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.conftest import FREE
from tests.features.test_oracle import DEFINITIONS, a_moment, worlds

from pql.features import build
from pql.insight.why.nearby import narrow


@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_an_account_narrowed_to_is_computed_as_among_all(data: st.DataObject) -> None:
    """Whatever identity does (hints, e-mails, CRM companies, merges, SEM-W3), nothing that counts is left out."""
    world = data.draw(worlds())
    moments = data.draw(st.lists(a_moment(world.timezone), min_size=1, max_size=3, unique=True))
    definition = DEFINITIONS["account"]
    options = {"timezone": world.timezone, "free_mail_domains": FREE}
    whole = build(world.tables(definition, moments), definition, moments, **options)
    for key in sorted(set(whole["account_key"])):
        lake = world.tables(definition, moments)
        narrow(lake, key)
        alone = build(lake, definition, moments, accounts={key}, **options)
        among = whole[whole["account_key"] == key].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, among, check_exact=True)
