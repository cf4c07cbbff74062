"""The table behind the board: snapshots and the ledger's states in, one narrow row per subject or per account out."""

from __future__ import annotations

from datetime import datetime

import duckdb

from pql.insight.board.snapshots import Standing, compared_with
from pql.insight.board.states import States
from pql.pipeline.project import Project

_READ = {  # columns of a snapshot that the board reads, with their type; a missing one is empty
    "subject_key": "VARCHAR",
    "account_key": "VARCHAR",
    "attr.name": "VARCHAR",
    "domain": "VARCHAR",
    "is_free_mail": "BOOLEAN",
    "size": "VARCHAR",
    "size_unknown": "BOOLEAN",
    "attr.employees": "DOUBLE",
    "attr.owner_name": "VARCHAR",
    "attr.owner_email": "VARCHAR",
    "attr.plan": "VARCHAR",
    "activation_pct": "BIGINT",
    "score": "BIGINT",
    "grade": "VARCHAR",
    "grade_10": "BIGINT",
    "qualified": "BOOLEAN",
}


def fill(
    con: duckdb.DuckDBPyConnection,
    project: Project,
    standings: tuple[Standing, ...],
    states: States,
    *,
    account_key: str | None = None,
    once: bool = False,
) -> None:
    """Make the table `shown` on `con`: of every definition each subject's newest row; of one account, if given.

    With `once`, of each account only the row of the definition that got furthest with it.
    """
    con.register("open_episodes", states.episodes)
    con.register("blocked_accounts", states.blocked)
    hours = [_scored(project, s, "hourly", at) for s in standings for at in s.hours]
    nights = [_scored(project, s, "nightly", s.night) for s in standings if s.night is not None]
    before = [_night(project, s, night) for s in standings for night in _nights_needed(project, s)]
    con.execute(f"CREATE TEMP TABLE hours AS {_union(hours, _NO_SCORES)} {_NEWEST}")
    con.execute(f"CREATE TEMP VIEW nights AS {_union(nights, _NO_SCORES)}")
    con.execute(f"CREATE TEMP VIEW earlier AS {_union(before, _NO_NIGHTS)}")
    con.execute(_SCORED)
    con.execute("SET VARIABLE account_key = $key", {"key": account_key})
    con.execute(f"CREATE TEMP TABLE chosen AS {_STATED} {_ONCE if once else ''}")
    con.execute(_SHOWN)


_NO_SCORES = "SELECT {} WHERE false".format(  # the columns with their types, for what no snapshot has
    ", ".join(
        [
            "NULL::VARCHAR AS definition",
            "NULL::BIGINT AS priority",
            "NULL::TIMESTAMP AS as_of, NULL::TIMESTAMP AS night, NULL::TIMESTAMP AS week",
            *(f'NULL::{kind} AS "{name}"' for name, kind in _READ.items()),
        ]
    )
)
_NO_NIGHTS = (
    "SELECT NULL::VARCHAR AS definition, NULL::TIMESTAMP AS at, NULL::VARCHAR AS subject_key, NULL::BIGINT AS score "
    "WHERE false"
)
_NEWEST = "QUALIFY row_number() OVER (PARTITION BY definition, subject_key ORDER BY as_of DESC) = 1"
_SCORED = """
CREATE TEMP VIEW scored AS
SELECT * FROM hours
UNION ALL BY NAME
SELECT n.* FROM nights n ANTI JOIN hours h ON h.definition = n.definition AND h.subject_key = n.subject_key
"""
_STATED = """
SELECT
  s.*, e.since,
  CASE
    WHEN b.account_key IS NOT NULL THEN 'blocked'
    WHEN e.silent THEN 'silent'
    WHEN e.subject_key IS NOT NULL THEN 'announced'
    WHEN s.qualified THEN 'qualified'
    ELSE 'not qualified'
  END AS state,
  list_position(['announced', 'silent', 'qualified', 'blocked', 'not qualified'], state) AS furthest
FROM scored s
LEFT JOIN open_episodes e ON e.definition = s.definition AND e.subject_key = s.subject_key
LEFT JOIN blocked_accounts b ON b.account_key = s.account_key
WHERE getvariable('account_key') IS NULL OR s.account_key = getvariable('account_key')
"""
_ONCE = """
QUALIFY row_number() OVER (PARTITION BY s.account_key ORDER BY furthest, s.score DESC, s.priority, s.subject_key) = 1
"""
_SHOWN = """
CREATE TEMP TABLE shown AS
SELECT
  s.definition, s.priority, s.subject_key, s.account_key, s.as_of, s.since, s.state, s.furthest,
  coalesce(nullif(s."attr.name", ''), CASE WHEN s.is_free_mail THEN NULL ELSE nullif(s.domain, '') END,
           regexp_replace(s.account_key, '^[^:]*:', '')) AS name,
  coalesce(s.domain, '') AS domain,
  coalesce(s.size, '') AS size, coalesce(s.size_unknown, false) AS size_unknown, s."attr.employees" AS employees,
  coalesce(nullif(s."attr.owner_name", ''), s."attr.owner_email", '') AS owner, coalesce(s."attr.plan", '') AS plan,
  s.activation_pct, s.score, s.grade, s.grade_10, s.qualified,
  s.score - last_night.score AS delta_night, s.score - last_week.score AS delta_week
FROM chosen s
LEFT JOIN earlier last_night
  ON last_night.definition = s.definition AND last_night.subject_key = s.subject_key AND last_night.at = s.night
LEFT JOIN earlier last_week
  ON last_week.definition = s.definition AND last_week.subject_key = s.subject_key AND last_week.at = s.week
"""


def _nights_needed(project: Project, standing: Standing) -> list[datetime]:
    """The nights that deltas are taken against, as far as there are snapshots of them."""
    wanted = {night for _, at in standing.moments for night in compared_with(project, at)}
    return sorted(wanted & set(project.lake.list_scores(standing.definition.id, "nightly")))


def _scored(project: Project, standing: Standing, kind: str, at: datetime) -> str:
    """One snapshot's columns; BY NAME makes up for those it does not have."""
    night, week = compared_with(project, at)
    names = ", ".join(_text(name) for name in _READ)
    uri = project.lake.scores_uri(standing.definition.id, kind, at)
    return f"""
        SELECT {_text(standing.definition.id)} AS definition, {standing.definition.priority}::BIGINT AS priority,
               {_at(at)} AS as_of, {_at(night)} AS night, {_at(week)} AS week, COLUMNS(lambda name: name IN ({names}))
        FROM read_parquet({_text(uri)})
    """  # noqa: S608  # our own words and quoted paths


def _night(project: Project, standing: Standing, at: datetime) -> str:
    uri = project.lake.scores_uri(standing.definition.id, "nightly", at)
    return f"""
        SELECT {_text(standing.definition.id)} AS definition, {_at(at)} AS at, subject_key, score
        FROM read_parquet({_text(uri)})
    """  # noqa: S608  # as above


def _union(parts: list[str], nothing: str) -> str:
    return " UNION ALL BY NAME ".join([nothing, *parts])


def _at(moment: datetime) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f}'"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
