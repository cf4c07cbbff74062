"""The Mixpanel source: which days a run fetches, whose an event is, and what late and duplicate lines do."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pql.clients.http import RemoteError
from pql.settings import MixpanelSource
from pql.sources.mixpanel import days_to_export
from pql.types import Connection

SETTINGS = {"kind": "mixpanel", "account": "org_id", "history_days": 3, "lookback_days": 5}
T = datetime(2026, 3, 5, 12, tzinfo=UTC)


class Fake:
    """A Mixpanel that answers any export with the lines whose day was asked for."""

    def __init__(self, loopback: Any) -> None:
        self.loopback = loopback
        self.connection = Connection("mixpanel_default", host=loopback.url, login="svc", password="x")
        self.lines: list[str] = []
        loopback.script = self._answer

    def add(self, event: str, at: datetime, **properties: Any) -> None:
        properties = {"$insert_id": f"i{len(self.lines)}", "distinct_id": "ann", **properties}
        self.lines.append(json.dumps({"event": event, "properties": {"time": int(at.timestamp()), **properties}}))

    def _answer(self, seen: Any) -> Any:
        first, last = seen.body["from_date"], seen.body["to_date"]

        def day(line: str) -> str:
            try:
                return datetime.fromtimestamp(json.loads(line)["properties"]["time"], UTC).date().isoformat()
            except (ValueError, KeyError, TypeError, OverflowError):
                return first

        body = "".join(line + "\n" for line in self.lines if first <= day(line) <= last)
        return self.loopback.answer(gzip.compress(body.encode()), 200, {"Content-Encoding": "gzip"})

    def spans(self) -> list[tuple[str, str]]:
        return [(seen.body["from_date"], seen.body["to_date"]) for seen in self.loopback.seen]


@pytest.fixture
def mixpanel(loopback: Any) -> Fake:
    return Fake(loopback)


def span(exported: dict[str, str], as_of: str, now: str, mode: Any = "hourly", **settings: Any) -> Any:
    chosen = MixpanelSource.model_validate(SETTINGS | settings)
    known = {date.fromisoformat(day): datetime.fromisoformat(at + "Z") for day, at in exported.items()}
    found = days_to_export(
        chosen, known, as_of=datetime.fromisoformat(as_of + "Z"), now=datetime.fromisoformat(now + "Z"), mode=mode
    )
    return found and (found[0].isoformat(), found[1].isoformat())


FULL = {f"2026-03-{n:02}": f"2026-03-{n + 1:02}T00:05" for n in range(1, 5)}


def test_the_first_read_loads_the_history_in_one_ranged_call() -> None:
    """60 calls an hour are not spent on one call a day."""
    assert span({}, "2026-03-05T12:00", "2026-03-05T12:05") == ("2026-03-03", "2026-03-05")
    assert span(FULL, "2026-03-05T12:00", "2026-03-05T12:05", "history") == ("2026-03-03", "2026-03-05")


def test_an_hour_whose_day_was_exported_after_it_ended_is_skipped() -> None:
    """72 hours that were waiting cost one call a day, not 72."""
    known = FULL | {"2026-03-05": "2026-03-05T20:00"}
    assert span(known, "2026-03-05T12:00", "2026-03-05T20:30") is None
    assert span(known, "2026-03-05T21:00", "2026-03-05T21:05") == ("2026-03-05", "2026-03-05")


def test_midnight_belongs_to_the_day_that_ended() -> None:
    """SEM-T3: the hour that ends at midnight needs the day just ended, not the one that begins."""
    known = FULL | {"2026-03-05": "2026-03-05T23:05"}
    assert span(known, "2026-03-06T00:00", "2026-03-06T00:05") == ("2026-03-05", "2026-03-05")


def test_a_night_reads_the_lookback_again_until_it_is_settled() -> None:
    """PRODUCT-S4: late data is picked up for the lookback's days; a day exported after that is final."""
    known = FULL | {"2026-03-05": "2026-03-06T00:01", "2026-03-01": "2026-03-06T00:01"}
    assert span(known, "2026-03-06T00:00", "2026-03-06T00:05", "nightly") == ("2026-03-01", "2026-03-05")
    long_after = {day: "2026-04-01T00:00" for day in known}
    assert span(long_after, "2026-03-06T00:00", "2026-04-02T00:00", "nightly") is None


def test_days_missed_in_an_outage_are_made_up_for() -> None:
    """Whatever lies between the newest exported day and today is fetched too, and a day cut short is finished."""
    known = {"2026-02-20": "2026-02-20T18:00"}
    assert span(known, "2026-03-05T12:00", "2026-03-05T12:05") == ("2026-02-20", "2026-03-05")


def test_days_are_mixpanels_own() -> None:
    """An older project counts its days in its own time zone, so that is where today is looked up."""
    known = {f"2026-03-{n:02}": f"2026-03-{n + 1:02}T05:05" for n in range(1, 4)}
    assert span(known, "2026-03-05T03:00", "2026-03-05T03:05", timezone="America/New_York") == (
        "2026-03-04",
        "2026-03-04",
    )


def test_one_person_under_two_ids(reader: Any, mixpanel: Fake) -> None:
    """SEM-W3: anonymous and known ids come apart, and every row that names both joins them."""
    at = T - timedelta(hours=3)
    mixpanel.add("Seen", at, distinct_id="$device:d1", **{"$device_id": "d1"})
    mixpanel.add("Both", at, distinct_id="ann", **{"$device_id": "d1", "$user_id": "ann"})
    mixpanel.add("Rewritten", at, distinct_id="ann", **{"$distinct_id_before_identity": "d2"})
    mixpanel.add("Server", at, distinct_id="bob")
    mixpanel.add("$identify", at, distinct_id="cid", **{"$identified_id": "cid", "$anon_id": "d3"})
    mixpanel.add("$create_alias", at, distinct_id="old", alias="new")
    mixpanel.add("$merge", at, distinct_id="m2", **{"$distinct_ids": ["m1", "m2"]})
    mixpanel.add("Original", at, distinct_id="d4", **{"$device_id": "d4"})
    reader.read(SETTINGS, connection=mixpanel.connection, now=T)
    assert reader.events("event, user_id, anonymous_id") == [
        ("$create_alias", "new", "old"),
        ("$identify", "cid", "d3"),
        ("$merge", "m2", "m1"),
        ("Both", "ann", "d1"),
        ("Original", None, "d4"),
        ("Rewritten", "ann", "d2"),
        ("Seen", None, "d1"),
        ("Server", "bob", None),
    ]


def test_accounts_and_traits_come_from_the_mapped_properties(reader: Any, mixpanel: Fake) -> None:
    """The e-mail is always a trait; a group key may be a list; numbers stay numbers."""
    mixpanel.add("A", T, org_id=["o1", "o2"], plan="pro", seats=3, **{"$email": "a@x.test"})
    mixpanel.add("B", T, org_id="o3", plan="")
    mapped = SETTINGS | {"user_traits": {"plan": "plan"}, "account_traits": {"seats": "seats"}}
    reader.read(mapped, connection=mixpanel.connection, now=T + timedelta(minutes=5))
    assert reader.events("event, account_hint, user_traits, account_traits") == [
        ("A", "o1", '{"email":"a@x.test","plan":"pro"}', '{"seats":3}'),
        ("B", "o3", None, None),
    ]


def test_duplicate_lines_are_one_event(reader: Any, mixpanel: Fake) -> None:
    """PRODUCT-S4: event, id before merging, time and $insert_id make an event; other differences do not."""
    same = {"$insert_id": "x", "$distinct_id_before_identity": "d1"}
    mixpanel.add("Seen", T, distinct_id="d1", tries=1, **same)
    mixpanel.add("Seen", T, distinct_id="ann", tries=2, **same)
    mixpanel.add("Seen", T, distinct_id="d1", **{**same, "$insert_id": "y"})
    done = reader.read(SETTINGS, connection=mixpanel.connection, now=T)
    assert (done.report.read, done.report.published) == (3, 2)


def test_late_events_arrive_with_the_next_export_of_their_day(reader: Any, mixpanel: Fake) -> None:
    """PRODUCT-S4: a day exported again replaces itself: late lines come, lines that are gone go, nothing doubles."""
    mixpanel.add("Early", T - timedelta(hours=2))
    mixpanel.add("Mistaken", T - timedelta(hours=2))
    reader.read(SETTINGS, connection=mixpanel.connection, now=T)
    del mixpanel.lines[1]
    mixpanel.add("Late", T - timedelta(hours=3), **{"$insert_id": "late"})
    reader.read(SETTINGS, connection=mixpanel.connection, now=T + timedelta(hours=1))
    assert reader.events("event") == [("Early",), ("Late",)]
    assert mixpanel.spans() == [("2026-03-03", "2026-03-05"), ("2026-03-05", "2026-03-05")]


def test_the_same_export_read_twice_changes_nothing(reader: Any, mixpanel: Fake) -> None:
    """PRODUCT-S4: a rerun fetches nothing, and a forced one gives the same rows."""
    received = int(T.timestamp() * 1000) + 250
    mixpanel.add("Seen", T - timedelta(hours=1), mp_processing_time_ms=received)
    reader.read(SETTINGS, connection=mixpanel.connection, now=T)
    before = reader.events("* EXCLUDE (exported_at)")
    assert reader.read(SETTINGS, connection=mixpanel.connection, now=T).report.read == 0
    reader.read(SETTINGS, connection=mixpanel.connection, now=T + timedelta(days=1), as_of=T, mode="history")
    assert reader.events("* EXCLUDE (exported_at)") == before
    assert reader.events("ingested_at") == [(datetime(2026, 3, 5, 12, 0, 0, 250_000),)]  # noqa: DTZ001  # naive UTC


def test_an_older_projects_clock_is_put_right(reader: Any, mixpanel: Fake) -> None:
    """Before 2023 `time` counted in the project's zone: noon in New York is 17:00 UTC."""
    mixpanel.add("Seen", datetime(2026, 3, 5, 12, tzinfo=UTC))
    old = SETTINGS | {"timezone": "America/New_York"}
    reader.read(old, connection=mixpanel.connection, now=datetime(2026, 3, 5, 18, 5, tzinfo=UTC))
    assert [str(row[0]) for row in reader.events("occurred_at")] == ["2026-03-05 17:00:00"]


def test_bad_lines_are_quarantined_with_file_and_line(reader: Any, mixpanel: Fake) -> None:
    """A broken line, one without a name and one without a time are put aside and counted; the rest is used."""
    mixpanel.add("Good", T)
    mixpanel.lines += ['{"event": "Broken", "prop', '{"event": "", "properties": {"time": 1772712000}}']
    mixpanel.lines += ['{"event": "Timeless", "properties": {"distinct_id": "ann"}}']
    done = reader.read(SETTINGS, connection=mixpanel.connection, now=T)
    assert (done.report.read, done.report.published, done.report.quarantined) == (4, 1, 3)
    said = [json.loads(line) for line in reader.quarantined().splitlines()]
    assert [(one["where"], one["why"]) for one in said] == [
        ("export-2026-03-03-2026-03-05.ndjson:2", "not a JSON object"),
        ("export-2026-03-03-2026-03-05.ndjson:3", "no event name"),
        ("export-2026-03-03-2026-03-05.ndjson:4", "no time"),
    ]


def test_a_time_that_no_clock_shows_is_one_bad_line(reader: Any, mixpanel: Fake) -> None:
    """A number too large for a time, or none at all, puts its line aside and stops nothing."""
    mixpanel.add("Good", T)
    mixpanel.lines += [f'{{"event": "E", "properties": {{"time": {time}}}}}' for time in ("1e30", '"nan"', '"inf"')]
    done = reader.read(SETTINGS, connection=mixpanel.connection, now=T)
    assert (done.report.published, done.report.quarantined) == (1, 3)
    assert [json.loads(line)["why"] for line in reader.quarantined().splitlines()] == ["no time"] * 3


def test_complete_to_is_when_the_newest_day_was_exported(reader: Any, mixpanel: Fake) -> None:
    """PRODUCT-S5: the source knows how far it is complete."""
    now = T + timedelta(minutes=5)
    assert reader.read(SETTINGS, connection=mixpanel.connection, now=now, as_of=T).report.complete_to == now


def test_what_may_still_come_in_is_not_complete(reader: Any, mixpanel: Fake) -> None:
    """SEM-D2: with `settles_after_hours` silence says something only that long after a moment, run again or not."""
    now = T + timedelta(minutes=5)
    settings = {**SETTINGS, "settles_after_hours": 2}
    first = reader.read(settings, connection=mixpanel.connection, now=now, as_of=T)
    assert first.report.complete_to == now - timedelta(hours=2) < T
    later = reader.read(
        settings, connection=mixpanel.connection, now=T + timedelta(hours=3), as_of=T + timedelta(hours=3)
    )
    assert later.report.complete_to == T + timedelta(hours=1)


def test_an_expired_account_stops_the_run_and_keeps_the_cursor(reader: Any, loopback: Any) -> None:
    """A 401 names the connection; the next run starts where this one stood."""
    loopback.script = lambda _seen: loopback.answer({"error": "Invalid service account credentials"}, 401)
    connection = Connection("mixpanel_default", host=loopback.url, login="svc", password="hunter2")
    with pytest.raises(RemoteError, match="AIRFLOW_CONN_MIXPANEL_DEFAULT") as raised:
        reader.read(SETTINGS, connection=connection, now=T)
    assert "hunter2" not in str(raised.value)
    assert (reader.cursor, reader.events()) == ({}, [])
