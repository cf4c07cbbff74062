"""What is usual at this hour of the week goes by the clock on the wall, which a change of summer time moves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pql import pipeline, store
from pql.connections import from_environment
from pql.pipeline.health.volume import unusual
from pql.pipeline.project import Project
from pql.settings import Paths
from pql.store import sources
from pql.types import EVENT_COLUMNS, IngestReport

BERLIN = ZoneInfo("Europe/Berlin")
SETTINGS = "timezone: Europe/Berlin\nsources:\n  product: {kind: mixpanel}\n"
SWITCHES = {"spring": datetime(2026, 3, 30, tzinfo=BERLIN), "autumn": datetime(2026, 10, 26, tzinfo=BERLIN)}


@pytest.fixture
def project(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Project]:
    """A project in Berlin that reads Mixpanel."""
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    paths = Paths(
        settings=tmp_path / "settings.yaml",
        definitions=tmp_path,
        lake=str(tmp_path / "lake"),
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    with closing(pipeline.open_project(paths, from_environment({}))) as opened:
        yield opened


def office_hours(project: Project, monday: datetime) -> None:
    """Two hundred events an hour from eight to six by the clock in Berlin, on five Mondays."""
    rows = " UNION ALL ".join(
        f"SELECT 'e{week}-' || n AS event_id, 'Act' AS event, 'u' AS user_id, "
        f"TIMESTAMP '{start.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M}' + n * INTERVAL 18 SECOND AS occurred_at "
        "FROM range(2000) r(n)"
        for week in range(5)
        for start in [(monday - timedelta(weeks=week)).replace(hour=8)]
    )
    given = {"event_id", "event", "user_id", "occurred_at"}
    rest = {"ingested_at": "occurred_at", "properties": "'{}'"}
    columns = [
        name if name in given else f"CAST({rest.get(name, 'NULL')} AS {kind}) AS {name}"
        for name, kind in EVENT_COLUMNS.items()
    ]
    unit = {"source": "product", "unit": "u", "start": monday - timedelta(weeks=5), "end": monday + timedelta(days=1)}
    with closing(project.lake.connect()) as con:
        query = f"SELECT {', '.join(columns)} FROM ({rows})"
        project.lake.publish_events(con, query, exported_at=monday + timedelta(days=1), **unit)


def read_to(project: Project, to: datetime) -> None:
    """The source was read, and is complete, to that moment."""
    report = IngestReport("product", 1, 1, 0, to)
    with store.writing(project.engine) as conn:
        sources.record_read(conn, report, cursor={}, read_at=to, newest_at=to)


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_change_of_summer_time_is_no_drop(project: Project, switch: str) -> None:
    """PRODUCT-S5: on the Monday after it every hour is as usual by the clock, in the morning and after closing."""
    monday = SWITCHES[switch]
    office_hours(project, monday)
    told = {}
    for hour in (*range(8, 12), *range(17, 23)):
        as_of = monday.replace(hour=hour, minute=12).astimezone(ZoneInfo("UTC"))
        read_to(project, as_of)
        with closing(project.lake.connect()) as lake:
            if found := unusual(project, lake, as_of):
                told[hour] = str(found[0])
    assert told == {}
