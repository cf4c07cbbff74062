"""A Mixpanel export to measure with: how many lines in, one gzipped NDJSON file as Mixpanel sends it out."""

from __future__ import annotations

import gzip
import shutil
from datetime import date
from pathlib import Path

import duckdb

FIRST = date(2026, 3, 1)
DAYS = 30
BROKEN = (
    '{"event": "Report viewed", "properties": {"time": 17723',  # cut off
    '{"event": "", "properties": {"time": 1772323200, "distinct_id": "user-1"}}',
    '{"event": "Report viewed", "properties": {"distinct_id": "user-1"}}',
)
_EVENTS = (
    "Report viewed",
    "Dashboard opened",
    "Query run",
    "Chart shared",
    "Teammate invited",
    "Signed up",
    "$mp_web_page_view",
)
_URL = "https://app.example.com/w/{}/reports/{}?tab=overview&from=last-30-days"


def write(path: Path, lines: int, *, broken: bool = False) -> int:
    """Write so many lines over 30 days, one in 200 of them twice, in the order of time; how many bytes unzipped.

    About 650 bytes a line: what the JavaScript library sends by itself and a few properties of the product's own.
    `broken`: with three lines that cannot be used, in the middle.
    """
    plain = path.with_suffix(".plain")
    con = duckdb.connect()
    con.execute(f"COPY ({_select(lines)}) TO '{plain}' (FORMAT json)")
    con.close()
    if broken:
        _put_in_the_middle(plain, BROKEN)
    size = plain.stat().st_size
    with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    plain.unlink()
    return size


def distinct(lines: int) -> int:
    """How many events so many lines are: one in 200 repeats the one before."""
    return lines - lines // 200


def _select(lines: int) -> str:
    """Line n is a function of n alone; users come from a skewed choice of one in a hundred lines."""
    users = max(lines // 100, 10)
    events = "[" + ", ".join(f"'{name}'" for name in _EVENTS) + "]"
    return f"""
    WITH numbered AS (
        SELECT CASE WHEN i % 200 = 199 THEN i - 1 ELSE i END AS n FROM range({lines}) AS r(i)
    ), drawn AS (
        SELECT n, hash(n) AS h, (hash(n * 7 + 1) % {users}) * (hash(n * 7 + 2) % {users}) // {users} AS u,
               epoch(TIMESTAMP '{FIRST}')::BIGINT + n * 86400 * {DAYS} // {lines} AS moment
        FROM numbered
    )
    SELECT {events}[1 + (h % {len(_EVENTS)})::INT] AS event,
           {{
             'time': moment,
             'distinct_id': CASE WHEN u % 4 = 0 THEN '$device:' || md5(u::VARCHAR) ELSE 'user-' || u END,
             '$insert_id': md5('i' || n)[:16],
             '$device_id': md5(u::VARCHAR),
             '$user_id': CASE WHEN u % 4 = 0 THEN NULL ELSE 'user-' || u END,
             '$email': CASE WHEN u % 4 = 0 THEN NULL ELSE 'person.' || u || '@company-' || u // 12 || '.example' END,
             '$browser': ['Chrome', 'Safari', 'Firefox', 'Edge'][1 + (u % 4)::INT],
             '$browser_version': 100 + (u % 30),
             '$os': ['Windows', 'Mac OS X', 'Linux', 'iOS'][1 + (u % 4)::INT],
             '$screen_height': 1080, '$screen_width': 1920,
             '$city': ['Berlin', 'São Paulo', 'München', 'New York', '東京'][1 + (u % 5)::INT],
             '$region': 'Region ' || u % 50,
             'mp_country_code': ['DE', 'BR', 'DE', 'US', 'JP'][1 + (u % 5)::INT],
             '$current_url': format('{_URL}', u // 12, h % 1000),
             '$initial_referrer': '$direct', '$initial_referring_domain': '$direct',
             '$lib_version': '2.55.1', 'mp_lib': 'web',
             'mp_processing_time_ms': moment * 1000 + 1200 + h % 500,
             'org_id': 'company-' || u // 12,
             'plan': ['free', 'team', 'business'][1 + (u // 12 % 3)::INT],
             'seats': 1 + u // 12 % 80,
             'duration_s': round((h % 100000) / 700.0, 2),
             'is_admin': u % 9 = 0,
             'report_type': ['funnel', 'retention', 'flow', 'trend'][1 + (h % 4)::INT]
           }} AS properties
    FROM drawn ORDER BY n
    """


def _put_in_the_middle(path: Path, lines: tuple[str, ...]) -> None:
    whole = path.with_suffix(".whole")
    half = path.stat().st_size // 2
    with path.open("rb") as source, whole.open("wb") as target:
        written = 0
        while written < half:
            written += target.write(source.readline())
        target.write("".join(line + "\n" for line in lines).encode())
        shutil.copyfileobj(source, target, 1 << 20)
    whole.replace(path)
