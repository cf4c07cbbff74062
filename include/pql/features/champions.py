"""The most engaged users of accounts at one moment: the lake's views in, up to n rows per account out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from pql.definition.model import Definition
from pql.features.clock import clock, microseconds
from pql.features.identity import make_identity
from pql.features.rows import listed, make_slots
from pql.features.scratch import Scratch
from pql.features.wants import active_keys


def champions(
    con: duckdb.DuckDBPyConnection,
    as_of: datetime,
    account_keys: Collection[str],
    definition: Definition,
    n: int = 3,
    days: int = 30,
    *,
    timezone: str = "UTC",
    free_mail_domains: Collection[str] = (),
) -> pd.DataFrame:
    """Columns account_key, user_id, name, email, actions, days; the most engaged first, at most `n` per account.

    Engaged is: most actions (named events that are not passive) in the `days` local days up to `as_of`, then most days
    with one. `name` falls back to the CRM contact's, then to the e-mail, then to the user id.
    """
    moments = microseconds([as_of])
    ticking = clock(moments, timezone)
    first_day = np.datetime64(int(ticking.window_day[0]) - days + 1, "D")
    keys = listed(active_keys(definition))
    with Scratch(con) as scratch:
        make_identity(scratch, moments, free_mail_domains)
        scratch.put("f_wanted", {"account_key": pa.array(sorted(account_keys), pa.string())})
        make_slots(scratch, ticking)
        scratch.make("f_named", _NAMED)
        return con.execute(_CHAMPIONS.format(keys=keys), [str(first_day), n]).df()


_NAMED = """
SELECT h.user_id, h.email, coalesce(nullif(trim(t.value ->> '$'), ''), nullif(c.name, ''), h.email, h.user_id) AS name
FROM f_home h LEFT JOIN f_user_trait t ON t.user_id = h.user_id AND t.name = 'name'
     LEFT JOIN (SELECT id, min(name) AS name FROM f_contact GROUP BY id) c ON c.id = h.contact_id
"""

_CHAMPIONS = """
WITH did AS (
    SELECT a.account_key, a.user_id, sum(u.count)::BIGINT AS actions, count(DISTINCT u.day)::BIGINT AS days
    FROM f_assign a JOIN f_wanted USING (account_key)
         JOIN usage u ON u.raw_id = a.raw_id AND u.account_hint IS NOT DISTINCT FROM a.account_hint
         JOIN f_slot g ON g.day = u.day AND g.seg = u.seg
    WHERE u.match IN ({keys}) AND u.day >= $1::DATE
    GROUP BY ALL HAVING sum(u.count) > 0)
SELECT d.account_key, d.user_id, p.name, p.email, d.actions, d.days
FROM did d JOIN f_named p USING (user_id)
QUALIFY row_number() OVER (PARTITION BY d.account_key ORDER BY d.actions DESC, d.days DESC, d.user_id) <= $2
ORDER BY d.account_key, d.actions DESC, d.days DESC, d.user_id
"""
