"""A company far bigger than any data set that may be shipped: 100,000 accounts and 10 million rows of daily usage.

All but the last days are written straight into the lake as the parts it would have built, their raw events long
pruned; the last days are raw events, so that an intraday moment can cut them. Chance is a hash of who, when and what:
the same scale gives the same company, whatever the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pql import pipeline, store
from pql.lake import Lake
from pql.lake.daily_tables import LINKS, PRESENCE, TRAITS, DailyTable, usage_tables
from pql.lake.parts import FOLDER, Index, Stored
from pql.lake.prepare import set_kept_since
from pql.lake.storage import Storage
from pql.pipeline.project import Project
from pql.settings import Paths
from pql.store import marks
from pql.usage import needs_of

ACCOUNTS = 100_000
FIRST_DAY = date(2026, 8, 1)
DAYS = 90
RAW_DAYS = 9  # the last so many days are there as events
NIGHT = datetime(2026, 10, 30, tzinfo=UTC)  # the midnight after the last whole day
HOUR = NIGHT + timedelta(hours=14)
TOUCHED = 0.05  # of the accounts are marked in an hour

EVENTS = {  # on how many of a user's active days it happens
    "message_sent": 0.85,
    "file_uploaded": 0.35,
    "comment_added": 0.4,
    "report_opened": 0.35,
    "call_ended": 0.3,
    "pricing_viewed": 0.08,
    "teammate_invited": 0.1,
    "integration_connected": 0.07,
}

SETTINGS = "own_domains: [relay.example]\n"
DEFINITION = """
definition: big
title: A big company's new business
status: live
only: {plan: [trial, free]}
events:
  message_sent: message_sent
  file_uploaded: file_uploaded
  comment_added: comment_added
  report_opened: report_opened
  call_ended: call_ended
  pricing_viewed: pricing_viewed
  teammate_invited: teammate_invited
  integration_connected: integration_connected
size:
  by: employees
  from: {small: 0, mid: 50, large: 500}
  unknown: small
signals:
  messages: {count: message_sent, last: 90d}
  messages_week: {count: message_sent, last: 7d}
  messages_month: {count: message_sent, last: 30d}
  files_month: {count: file_uploaded, last: 30d}
  calls: {count: call_ended, last: 14d}
  invites: {count: teammate_invited, last: 90d}
  saw_pricing: {count: pricing_viewed, last: 7d}
  actions_month: {count: any_event, last: 30d}
  message_days: {active_days: message_sent, last: 7d}
  active_days: {active_days: any_event, last: 30d}
  report_days: {active_days: report_opened, last: 90d}
  people_week: {users: any_event, last: 7d}
  people_month: {users: any_event, last: 30d}
  writers: {users: message_sent, last: 14d}
  inviters: {users: teammate_invited, last: 90d}
  employees: {attribute: employees}
activation:
  - {stage: Sent ten messages, when: {messages: {min: 10}}}
  - {stage: Invited two teammates, when: {invites: {min: 2}}}
  - {stage: Three people, when: {people_month: {min: 3}}}
  - {stage: A habit, when: {all: [{message_days: {min: 3}}, {people_week: {min: 2}}]}}
criteria:
  fit: {any: [{employees: {min: 5}}, {employees: {exists: false}}]}
  value: {any: [{message_days: {min: 4}}, {people_week: {min: 3}}]}
  intent: {saw_pricing: {min: 1}}
score:
  fit:
    - {signal: employees, between: [50, 5000], points: 15}
  value:
    max: 50
    lines:
      - {signal: messages_month, points: 1, per: 20, max: 12}
      - {signal: message_days, points: 2, per: 1, max: 14}
      - {signal: active_days, points: 1, per: 2, max: 10}
      - {signal: people_week, points: 3, per: 1, max: 15}
      - {signal: files_month, points: 1, per: 10, max: 5}
      - {signal: report_days, points: 1, per: 5, max: 5}
      - {signal: writers, points: 1, per: 2, max: 6}
      - {signal: calls, points: 1, per: 5, max: 5}
  intent:
    - {signal: saw_pricing, min: 1, points: 20, half_life: 7d}
    - {signal: invites, points: 3, per: 1, max: 12}
    - {signal: inviters, min: 2, points: 5}
qualify:
  all: [fit, intent, {any: [value, {activation_pct: {min: by_size}}]}]
plays:
  - play: Tell sales
    on: newly_qualified
    do: [{webhook: zapier}]
"""


@dataclass(frozen=True)
class Company:
    """Where the generated project is."""

    home: Path

    @property
    def paths(self) -> Paths:
        return Paths(
            settings=self.home / "settings.yaml",
            definitions=self.home / "definitions",
            lake=str(self.home / "lake"),
            ledger=f"sqlite:///{self.home / 'ledger.db'}",
        )

    def open(self) -> Project:
        """The project; it connects to nothing."""
        return pipeline.open_project(self.paths, _no_connection)


def _no_connection(name: str) -> None:
    raise LookupError(name)


def found_company(home: Path, scale: float = 1.0) -> Company:
    """Make the company below `home`, with `scale` × 100,000 accounts; about half a minute at full scale."""
    (home / "definitions").mkdir(parents=True)
    (home / "settings.yaml").write_text(SETTINGS + "destinations:\n  zapier: {kind: webhook, connection: zapier}\n")
    (home / "definitions" / "big.yaml").write_text(DEFINITION)
    company = Company(home)
    pipeline.init(company.paths)
    project = company.open()
    con = project.lake.connect()
    _live(con, max(int(ACCOUNTS * scale), 40))
    _write_history(project, con)
    _publish_last_days(project.lake, con)
    _file_companies(project.lake, con)
    project.lake.prepare(con, needs_of(project.definition("big")), [NIGHT])
    _mark(project, con)
    con.close()
    project.close()
    return company


# --- what everybody does -------------------------------------------------------------------------------------------


def _chance(*of: str) -> str:
    """A number in [0, 1) that depends on these expressions only."""
    return f"((hash({', '.join(of)}) >> 12)::DOUBLE / {2**52})"


def _live(con: duckdb.DuckDBPyConnection, accounts: int) -> None:
    """Tables `users` and `did`: a row per user, day and event, `started` being when it happened first."""
    con.execute(
        f"""CREATE TEMP TABLE users AS
            WITH a AS (
                SELECT a, CASE WHEN c < 0.6 THEN 1 + c / 0.3
                               WHEN c < 0.9 THEN 3 + (c - 0.6) / 0.075
                               WHEN c < 0.99 THEN 7 + (c - 0.9) / 0.0069 ELSE 20 + (c - 0.99) / 0.0002 END::INTEGER AS n
                FROM (SELECT range AS a, {_chance("range", "'size'")} AS c FROM range({accounts})))
            SELECT 'acct-' || lpad(a::VARCHAR, 7, '0') AS account, md5(a || '-' || u) AS who,
                   greatest(0, {_chance("a", "u", "'since'")} * 1.6 - 0.6) * {DAYS} AS since,
                   0.03 + 0.27 * pow({_chance("a", "u", "'eager'")}, 2) AS eager
            FROM a, LATERAL (SELECT unnest(range(n)) AS u)"""
    )
    events = " UNION ALL ".join(f"SELECT '{name}' AS event, {share} AS share" for name, share in EVENTS.items())
    con.execute(
        f"""CREATE TEMP TABLE did AS
            WITH days AS (
                SELECT account, who, d, {_chance("who", "d", "'hour'")} AS h FROM users, range({DAYS + 1}) t(d)
                WHERE d >= since AND {_chance("who", "d", "'day'")} < eager)
            SELECT account, who, DATE '{FIRST_DAY}' + d::INTEGER AS day, event,
                   1 + ({_chance("who", "d", "event", "'n'")} * 4)::INTEGER AS n,
                   (DATE '{FIRST_DAY}' + d::INTEGER)::TIMESTAMP + to_microseconds(
                       ((h * 0.9 + {_chance("who", "d", "event", "'at'")} * 0.05) * 86400e6)::BIGINT) AS started
            FROM days, ({events}) e WHERE {_chance("who", "d", "event", "'if'")} < share"""
    )


# --- into the lake -------------------------------------------------------------------------------------------------


def _write_history(project: Project, con: duckdb.DuckDBPyConnection) -> None:
    """The days whose raw events are gone, as parts of the daily tables."""
    raw_from = FIRST_DAY + timedelta(days=DAYS - RAW_DAYS)
    days = [FIRST_DAY + timedelta(days=n) for n in range(DAYS - RAW_DAYS)]
    storage = Storage(project.paths.lake)
    definition = project.definition("big")
    of_key = {event.match.key: event.name for event in definition.events}
    old = f"day < DATE '{raw_from}'"
    for table in usage_tables(needs_of(definition)):
        key = table.name.removeprefix("match=")
        query = f"""SELECT '{key}' AS match, day, 0 AS seg, who AS raw_id, account AS account_hint, NULL AS item,
                           n AS count, NULL AS value_sum, 0 AS value_n, started AS first_at, {_LAST} AS last_at,
                           0 AS sessions, 0.0 AS minutes
                    FROM did WHERE event = '{of_key[key]}' AND {old}"""
        _put(storage, con, table, query, days)
    query = f"""SELECT day, 0 AS seg, who AS raw_id, account AS account_hint, min(started) AS first_at,
                       max({_LAST}) AS last_at, sum(n) AS events, max({_LAST}) + INTERVAL 5 MINUTE AS newest_ingested_at
                FROM did WHERE {old} GROUP BY ALL"""
    _put(storage, con, PRESENCE, query, days)
    _put(storage, con, LINKS, 'SELECT NULL AS day, NULL AS anonymous_id, NULL AS user_id, NULL AS "at" LIMIT 0', days)
    query = f"""SELECT min(day) AS day, 'user' AS kind, who AS id, 'email' AS name,
                       to_json(who || '@' || any_value(account) || '.test') AS value, min(started) AS "at"
                FROM did WHERE {old} GROUP BY who"""
    _put(storage, con, TRAITS, query, days)
    set_kept_since(storage, raw_from)


_LAST = "started + to_microseconds(60_000_000 * (n - 1))"


def _put(storage: Storage, con: duckdb.DuckDBPyConnection, table: DailyTable, query: str, days: list[date]) -> None:
    typed = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in table.columns.items())
    with storage.staging() as folder:
        staged = folder / "part.parquet"
        con.execute(
            f"COPY (SELECT {typed} FROM ({query}) ORDER BY {table.order}) "
            f"TO '{staged}' (FORMAT parquet, COMPRESSION zstd)"
        )
        storage.publish(staged, f"{FOLDER}/{table.name}/history.parquet")
    rows = con.execute(f"SELECT count(*) FROM ({query})").fetchone()
    assert rows is not None
    index = Index({day: Stored("generated", "history") for day in days}, {"history": (frozenset(days), rows[0])})
    storage.write(f"{FOLDER}/{table.name}/index.json", index.to_json())


def _publish_last_days(lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
    """Raw events of the last whole days and of the day that an hourly moment cuts."""
    for n in range(DAYS - RAW_DAYS, DAYS + 1):
        day = datetime.combine(FIRST_DAY + timedelta(days=n), datetime.min.time(), UTC)
        lake.publish_events(
            con,
            f"""SELECT md5(who || event || started || i) AS event_id, event, who AS user_id,
                       NULL::VARCHAR AS anonymous_id, account AS account_hint,
                       started + to_microseconds(60_000_000 * i) AS occurred_at,
                       started + to_microseconds(60_000_000 * i) AS ingested_at, '{{"browser": "x"}}' AS properties,
                       NULL::VARCHAR AS user_traits, NULL::VARCHAR AS account_traits
                FROM (SELECT *, unnest(range(n)) AS i FROM did WHERE day = DATE '{day:%Y-%m-%d}')""",
            source="product",
            unit=f"{day:%Y-%m-%d}",
            start=day,
            end=day + timedelta(days=1),
            exported_at=day + timedelta(days=1),
        )


def _file_companies(lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
    """A CRM that knows two accounts in five, their plan and size, and who owns them."""
    lake.file_crm(
        con,
        f"""SELECT 'c' || account AS id, upper(account) AS name, account || '.test' AS domain,
                   (pow(10, 4 * {_chance("account", "'employees'")}))::BIGINT AS employees,
                   'o' || (hash(account) % 20) AS owner_id, NULL::VARCHAR AS lifecycle_stage,
                   NULL::TIMESTAMP AS became_customer_at, account AS external_account_id, NULL::BOOLEAN AS not_a_fit,
                   NULL::TIMESTAMP AS snooze_until, TIMESTAMP '2026-01-01' AS created_at,
                   TIMESTAMP '2026-01-01' AS updated_at, false AS archived,
                   json_object('plan', CASE WHEN hash(account) % 3 = 0 THEN 'paid' ELSE 'trial' END) AS properties
            FROM (SELECT DISTINCT account FROM users) WHERE hash(account, 'crm') % 5 < 2""",
        source="crm",
        object="accounts",
        kind="snapshot",
        filed_at=NIGHT - timedelta(days=60),
    )
    lake.file_crm(
        con,
        """SELECT 'o' || range AS id, 'rep' || range || '@relay.example' AS email, 'Rep ' || range AS name,
                  false AS archived FROM range(20)""",
        source="crm",
        object="owners",
        kind="snapshot",
        filed_at=NIGHT - timedelta(days=60),
    )


def _mark(project: Project, con: duckdb.DuckDBPyConnection) -> None:
    """What an hour's ingest marks: two people of each touched account."""
    people = con.execute(
        f"SELECT who FROM users WHERE {_chance('account', chr(39) + 'touched' + chr(39))} < {TOUCHED} "
        "QUALIFY row_number() OVER (PARTITION BY account ORDER BY who) <= 2"
    ).fetchall()
    with store.deciding(project.engine) as connection:
        marks.mark(connection, ["big"], [(f"user:{who}", HOUR - timedelta(minutes=30)) for (who,) in people])
