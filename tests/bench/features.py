"""Evaluation: a generated company in, what a night costs beside the bare query of the same aggregates out.

Each measurement runs in a process of its own over the same company; the functions it calls return the seconds of what
they are about, reading what is read. The bare query and pandas read daily usage as a plain table by day; the lake keeps
the same rows in an order of its own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import duckdb
import pandas as pd
from tests.bench.big_company import HOUR, NIGHT, Company, found_company
from tests.bench.figure import Figure
from tests.bench.process import Measured, measured

from pql import features, pipeline
from pql.definition.model import Definition
from pql.usage import needs_of

MOMENTS = 30
ROUNDS = 3  # each runs everything that is compared once, in turn; a ratio is the median of the rounds


def measure(say: Callable[[str], None], *, scale: float = 1.0) -> list[Figure]:
    """Every figure about evaluation, of a company of `scale` × 100,000 accounts."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder:
        home = Path(folder) / "company"
        say(f"generating {int(100_000 * scale):,} accounts")
        company = found_company(home, scale)
        _write_plainly(company)

        def run(name: str, **arguments: int) -> Measured:
            say(f"measuring: {name.replace('_', ' ')}")
            return measured(f"{__name__}:{name}", home=str(home), **arguments)

        pandas, many = run("pandas_group_by"), run("feature_query", moments=MOMENTS)
        rounds = [
            Round(
                run("bare_query", ours=0),
                run("bare_query", ours=1),
                run("feature_query", moments=1),
                run("evaluation", hourly=0),
                run("evaluation", hourly=1),
            )
            for _ in range(ROUNDS if scale >= 0.1 else 1)
        ]
    return _figures(pandas, many, rounds)


@dataclass(frozen=True)
class Round:
    """What is compared, measured one after the other."""

    bare: Measured  # of a plain table
    bare_of_lake: Measured
    one: Measured
    nightly: Measured
    hourly: Measured


def _figures(pandas: Measured, many: Measured, rounds: list[Round]) -> list[Figure]:
    bare, one = [r.bare for r in rounds], [r.one for r in rounds]
    nightly, hourly = [r.nightly for r in rounds], [r.hourly for r in rounds]
    base, ours = _typical(bare), _typical(one)
    rows = f"{bare[0].result['rows']:,} rows of usage, {bare[0].result['accounts']:,} accounts"
    found = [
        Figure("Bare DuckDB query of 15 signals", base, "s", "", None, f"{rows}, from Parquet by day, {_cpu(bare)}")
    ]
    note = f"{_told(one)}: with who belongs to whom, attributes, stages and when they were reached"
    found.append(_at_most("Feature query of one moment ÷ bare query", _ratio(one, bare), 1.5, note))
    lake = [r.bare_of_lake for r in rounds]
    note = f"{_told(lake)}: a bare query gains by the order of our files, too"
    found.append(Figure("… ÷ bare query of the lake's own files", _ratio(one, lake), "×", "", None, note))
    slower, more = _seconds(pandas) / ours, pandas.peak_mib / max(r.one.peak_mib for r in rounds)
    found.append(_at_least("Plain pandas group-by ÷ feature query", slower, 1.7, f"{_seconds(pandas):.2f} s"))
    note = f"{pandas.peak_mib:,.0f} and {one[0].peak_mib:,.0f} MiB"
    found.append(_at_least("Memory of the pandas group-by ÷ of the feature query", more, 4, note))
    note = f"{_told(nightly)}: three moments, scores, the snapshot written"
    found.append(_at_most("Nightly evaluation ÷ bare query", _ratio(nightly, bare), 4, note))
    note = f"{nightly[0].result['evaluated']:,} accounts evaluated"
    peak = max(r.nightly.peak_mib for r in rounds)
    found.append(_at_most("Peak memory of the nightly evaluation", peak, 1536, note, "MiB"))
    note = f"{_told(hourly)}: {hourly[0].result['evaluated']:,} accounts evaluated"
    found.append(_at_least("Nightly evaluation ÷ hourly evaluation", _ratio(nightly, hourly), 3, note))
    note = f"{_seconds(many):.2f} s, {many.peak_mib:,.0f} MiB"
    found.append(_at_most(f"{MOMENTS} moments in one pass ÷ one moment", _seconds(many) / ours, 6, note))
    return found


def _seconds(run: Measured) -> float:
    return float(run.result["seconds"])


def _typical(runs: list[Measured]) -> float:
    return median(map(_seconds, runs))


def _ratio(above: list[Measured], below: list[Measured]) -> float:
    return median(_seconds(a) / _seconds(b) for a, b in zip(above, below, strict=True))


def _cpu(runs: list[Measured]) -> str:
    return f"{median(run.cpu_seconds for run in runs):.1f} s of CPU"


def _told(runs: list[Measured]) -> str:
    return f"{_typical(runs):.2f} s, {_cpu(runs)}"


def _at_most(name: str, value: float, aim: float, note: str, unit: str = "×") -> Figure:
    return Figure(name, value, unit, f"≤ {aim:g}", value <= aim, note)


def _at_least(name: str, value: float, aim: float, note: str) -> Figure:
    return Figure(name, value, "×", f"≥ {aim:g}", value >= aim, note)


def _write_plainly(company: Company) -> None:
    """The lake's usage as a plain table by day, one file per event: what somebody without this project would query."""
    with closing(duckdb.connect()) as con:
        for folder in sorted(Path(company.paths.lake).glob("usage_daily/match=*")):
            rows = f"read_parquet('{folder}/*.parquet', hive_partitioning = false)"
            name = company.home / "plain" / f"{folder.name.removeprefix('match=')}.parquet"
            name.parent.mkdir(exist_ok=True)
            con.execute(f"COPY (FROM {rows} ORDER BY day) TO '{name}' (FORMAT parquet, COMPRESSION zstd)")


# --- what is run in a process of its own ---------------------------------------------------------------------------

Result = dict[str, float | int]

# Two levels, days as bits: the shape that was fastest of all tried.
_BARE = """
WITH did AS (
    SELECT account_hint, raw_id, match, count, (DATE '{today}' - day)::INTEGER AS age FROM {usage}
    WHERE day <= DATE '{today}'),
people AS (
    SELECT account_hint, raw_id, bit_or(1::HUGEINT << age) AS days,
           bit_or(1::HUGEINT << age) FILTER (match = '{message_sent}') AS writing,
           bit_or(1::HUGEINT << age) FILTER (match = '{report_opened}') AS reports,
           count(*) FILTER (match = '{teammate_invited}' AND age < 90) AS inviting,
           sum(count) FILTER (match = '{message_sent}' AND age < 90) AS messages,
           sum(count) FILTER (match = '{message_sent}' AND age < 7) AS messages_week,
           sum(count) FILTER (match = '{message_sent}' AND age < 30) AS messages_month,
           sum(count) FILTER (match = '{file_uploaded}' AND age < 30) AS files_month,
           sum(count) FILTER (match = '{call_ended}' AND age < 14) AS calls,
           sum(count) FILTER (match = '{teammate_invited}' AND age < 90) AS invites,
           sum(count) FILTER (match = '{pricing_viewed}' AND age < 7) AS saw_pricing,
           sum(count) FILTER (age < 30) AS actions_month
    FROM did GROUP BY account_hint, raw_id)
SELECT account_hint, {sums},
       bit_count(bit_or(writing) & {week}) AS message_days, bit_count(bit_or(days) & {month}) AS active_days,
       bit_count(bit_or(reports) & {quarter}) AS report_days,
       count(*) FILTER (days & {week} <> 0) AS people_week, count(*) FILTER (days & {month} <> 0) AS people_month,
       count(*) FILTER (writing & {fortnight} <> 0) AS writers, count(*) FILTER (inviting > 0) AS inviters
FROM people GROUP BY account_hint
"""
_SUMS = (
    "messages", "messages_week", "messages_month", "files_month", "calls", "invites", "saw_pricing", "actions_month",
)  # fmt: skip
_TODAY = (NIGHT - timedelta(days=1)).date()


def _big(company: Company) -> Definition:
    project = company.open()
    try:
        return project.definition("big")
    finally:
        project.close()


def _keys(company: Company) -> dict[str, str]:
    return {event.name: event.match.key for event in _big(company).events}


def bare_query(home: str, ours: int) -> Result:
    """The signals of one moment by hand, straight from the plain files or `ours`, for whoever the rows name."""
    company = Company(Path(home))
    keys = _keys(company)
    files = f"{company.paths.lake}/usage_daily/match=*/*.parquet" if ours else f"{home}/plain/*.parquet"
    usage = f"read_parquet('{files}', hive_partitioning = false)"
    masks = {name: str((1 << days) - 1) for name, days in _WINDOWS.items()}
    sums = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
    con = duckdb.connect()
    began = time.perf_counter()
    found = con.execute(_BARE.format(usage=usage, today=_TODAY, sums=sums, **keys, **masks)).fetchnumpy()
    seconds = time.perf_counter() - began
    rows = con.execute(f"SELECT count(*) FROM {usage}").fetchone()
    assert rows is not None
    return {"seconds": seconds, "rows": rows[0], "accounts": len(found["account_hint"])}


_WINDOWS = {"week": 7, "fortnight": 14, "month": 30, "quarter": 90}


def pandas_group_by(home: str) -> Result:
    """The same signals as one writes them in pandas."""
    company = Company(Path(home))
    keys = _keys(company)
    columns = ["match", "day", "raw_id", "account_hint", "count"]
    files = sorted(str(path) for path in (company.home / "plain").glob("*.parquet"))
    began = time.perf_counter()
    did = pd.concat([pd.read_parquet(file, columns=columns, partitioning=None) for file in files], ignore_index=True)
    age = (pd.Timestamp(_TODAY) - pd.to_datetime(did["day"])).dt.days
    did = did.assign(age=age)[age >= 0]

    def of(event: str | None, days: int) -> pd.DataFrame:
        chosen = did["age"] < days
        return did[chosen & (did["match"] == keys[event])] if event else did[chosen]

    def total(event: str | None, days: int) -> pd.Series:
        return of(event, days).groupby("account_hint")["count"].sum()

    def different(event: str | None, days: int, what: str) -> pd.Series:
        return of(event, days).groupby("account_hint")[what].nunique()

    found = pd.DataFrame(
        {
            "messages": total("message_sent", 90),
            "messages_week": total("message_sent", 7),
            "messages_month": total("message_sent", 30),
            "files_month": total("file_uploaded", 30),
            "calls": total("call_ended", 14),
            "invites": total("teammate_invited", 90),
            "saw_pricing": total("pricing_viewed", 7),
            "actions_month": total(None, 30),
            "message_days": different("message_sent", 7, "day"),
            "active_days": different(None, 30, "day"),
            "report_days": different("report_opened", 90, "day"),
            "people_week": different(None, 7, "raw_id"),
            "people_month": different(None, 30, "raw_id"),
            "writers": different("message_sent", 14, "raw_id"),
            "inviters": different("teammate_invited", 90, "raw_id"),
        }
    ).fillna(0)
    return {"seconds": time.perf_counter() - began, "accounts": len(found)}


def feature_query(home: str, moments: int) -> Result:
    """`features.build` for the last nights; preparing the lake's views is not in the seconds."""
    project = Company(Path(home)).open()
    definition = project.definition("big")
    nights = [NIGHT - timedelta(days=n) for n in range(moments)]
    con = project.lake.connect()
    project.lake.prepare(con, needs_of(definition), nights)
    began = time.perf_counter()
    found = features.build(con, definition, nights, timezone="UTC", free_mail_domains=project.free_mail_domains)
    seconds = time.perf_counter() - began
    con.close()
    project.close()
    return {"seconds": seconds, "rows": len(found)}


def evaluation(home: str, hourly: int) -> Result:
    """`pipeline.evaluate`, from reading the marks to the snapshot being written."""
    project = Company(Path(home)).open()
    at = HOUR if hourly else NIGHT
    began = time.perf_counter()
    found = pipeline.evaluate(
        project, "big", as_of=at, now=at + timedelta(hours=1), kind="hourly" if hourly else "nightly"
    )
    seconds = time.perf_counter() - began
    project.close()
    return {"seconds": seconds, "evaluated": found["evaluated"]}
