"""The file source: what a mapping makes of a file, and what becomes of files that are not as they should be."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pql import sources
from pql.types import UserError

CLICK = {"event": "what", "time": "at", "user": "who"}


def files(path: str, *emits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "files", "path": path, "emits": list(emits) or [CLICK], **more}


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


A = {"what": "Login", "at": "2026-03-01T10:00:00Z", "who": "ann"}
B = {"what": "Login", "at": "2026-03-02 11:30:00", "who": "bob"}
AT_A, AT_B = datetime(2026, 3, 1, 10), datetime(2026, 3, 2, 11, 30)  # noqa: DTZ001  # naive UTC, as the lake keeps it


def test_rows_become_events_and_mark_their_users(reader: Any, write: Any) -> None:
    """SEM-D1: each row is an event, and each user it names is marked with its newest event."""
    write("log.ndjson", lines(A, B))
    done = reader.read(files("log.ndjson"))
    assert reader.events() == [("Login", "ann", AT_A), ("Login", "bob", AT_B)]
    assert sorted(done.marks) == [("user:ann", AT_A.replace(tzinfo=UTC)), ("user:bob", AT_B.replace(tzinfo=UTC))]
    assert (done.report.read, done.report.published, done.report.quarantined) == (2, 2, 0)


def test_the_same_file_read_twice_changes_nothing(reader: Any, write: Any) -> None:
    """PRODUCT-S4: an unchanged file is not read again; read again in full it gives the same events."""
    write("log.ndjson", lines(A, B))
    first = reader.read(files("log.ndjson"))
    before = reader.events("*")
    again = reader.read(files("log.ndjson"))
    assert (again.report.read, again.marks, again.cursor) == (0, [], first.cursor)
    assert reader.read(files("log.ndjson"), mode="history").report.read == 2
    assert reader.events("*") == before


def test_a_file_that_grew_replaces_itself(reader: Any, write: Any) -> None:
    """A changed file is one unit: its events of before are replaced, not added to."""
    write("log.ndjson", lines(A))
    reader.read(files("log.ndjson"))
    write("log.ndjson", lines(A, B))
    reader.read(files("log.ndjson"))
    assert [row[1] for row in reader.events()] == ["ann", "bob"]


def test_a_changed_mapping_reads_the_file_again(reader: Any, write: Any) -> None:
    """Settings are part of what was read: mapping another column takes effect without touching the file."""
    write("log.ndjson", lines({**A, "other": "zoe"}))
    reader.read(files("log.ndjson"))
    reader.read(files("log.ndjson", {**CLICK, "user": "other"}))
    assert [row[1] for row in reader.events()] == ["zoe"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ('{"what": "Login", "at":', "not a JSON object"),
        ("[1, 2]", "not a JSON object"),
        ('{"what": "Login", "at": "yesterday", "who": "c"}', "at is not a time: yesterday"),
        ('{"what": "Login", "who": "c"}', "at is not a time: nothing"),
        ('{"at": "2026-03-01", "who": "c"}', "no event name in what"),
        ('{"what": "\\ud800", "at": "2026-03-01", "who": "c"}', "not a JSON object"),
    ],
)
def test_a_bad_line_is_quarantined_with_file_and_line(reader: Any, write: Any, bad: str, why: str) -> None:
    """A malformed or incomplete record is put aside with file:line, reason and text, counted, and the rest is used."""
    write("log.ndjson", lines(A, "", bad, B))
    done = reader.read(files("log.ndjson"))
    assert (done.report.read, done.report.published, done.report.quarantined) == (3, 2, 1)
    [record] = [json.loads(line) for line in reader.quarantined().splitlines()]
    assert record["where"] == "log.ndjson:3"
    assert record["why"] == why
    assert record["record"] == bad
    assert [row[1] for row in reader.events()] == ["ann", "bob"]


def test_a_mended_file_leaves_quarantine(reader: Any, write: Any) -> None:
    """Once the line is put right nothing of it stays in quarantine."""
    write("log.ndjson", lines(A, "oops"))
    assert reader.read(files("log.ndjson")).report.quarantined == 1
    write("log.ndjson", lines(A, B))
    assert reader.read(files("log.ndjson")).report.quarantined == 0
    assert reader.quarantined() == ""


def test_a_line_that_is_not_utf8_is_quarantined(reader: Any, write: Any) -> None:
    """A line of another encoding is put aside and the reason points to the setting."""
    write("log.ndjson", lines(A).encode() + b'{"what": "Login", "at": "2026-03-01", "who": "J\xfcrgen"}\n')
    assert reader.read(files("log.ndjson")).report.quarantined == 1
    assert "encoding" in reader.quarantined()


def test_a_truncated_gzip_stops_the_run_and_leaves_the_lake_as_it_was(reader: Any, write: Any) -> None:
    """Half a gzip is an error that names the file; nothing of it is published, not even what could be read."""
    whole = gzip.compress("".join(lines({**A, "who": f"u{n}"}) for n in range(5000)).encode())
    write("log.json.gz", whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"log\.json\.gz is damaged or ends in the middle"):
        reader.read(files("log.json.gz"))
    assert reader.events() == []
    write("log.json.gz", whole)
    assert reader.read(files("log.json.gz")).report.published == 5000


def test_something_that_is_no_gzip_at_all_is_named(reader: Any, write: Any) -> None:
    """A page saved under the name of a gzip is refused with its name."""
    write("log.json.gz", "<html>not found</html>")
    with pytest.raises(UserError, match=r"log\.json\.gz"):
        reader.read(files("log.json.gz"))


def test_compressed_and_plain_files_read_alike(reader: Any, write: Any) -> None:
    """Compression is told by the name and makes no difference."""
    write("a.ndjson.gz", gzip.compress(lines(A).encode()))
    write("b.ndjson.bz2", bz2.compress(lines(B).encode()))
    assert reader.read(files("*.ndjson.*")).report.published == 2


def test_a_csv_without_a_mapped_column_says_which_and_what_there_is(reader: Any, write: Any) -> None:
    """A missing column stops the run: file, column, where it is mapped, what was probably meant, what is there."""
    write("log.csv", "what,at,user_id\nLogin,2026-03-01,ann\n")
    with pytest.raises(UserError) as raised:
        reader.read(files("log.csv", {**CLICK, "user": "userid"}))
    said = str(raised.value)
    assert "log.csv has no column `userid` (sources.src.emits[0].user)" in said
    assert "Did you mean `user_id`?" in said
    assert "Its columns: what, at, user_id." in said


def test_ndjson_that_never_has_the_mapped_actor_is_refused_like_a_csv(reader: Any, write: Any) -> None:
    """A mapping that would silently do nothing is an error; a key that only some lines have is not."""
    write("log.ndjson", lines(A))
    with pytest.raises(UserError, match=r"log\.ndjson has no column `whom` .*Did you mean `who`"):
        reader.read(files("log.ndjson", {**CLICK, "user": "whom"}))
    assert reader.read(files("log.ndjson", {**CLICK, "user_traits": {"plan": "plan"}})).report.published == 1


def test_csv_rows_of_the_wrong_width_are_quarantined_by_line(reader: Any, write: Any) -> None:
    """A quoted line break counts as lines of the file, so the number is where an editor finds the row."""
    write("log.csv", 'what,at,who\n"Log\nin",2026-03-01,ann\nLogin,2026-03-01\nLogin,2026-03-02,bob\n')
    done = reader.read(files("log.csv"))
    assert (done.report.published, done.report.quarantined) == (2, 1)
    assert json.loads(reader.quarantined())["where"] == "log.csv:4"
    assert "2 values under 3 columns" in reader.quarantined()


def test_latin_1_is_read_when_the_settings_say_so(reader: Any, write: Any) -> None:
    """An encoding other than UTF-8 is translated; without the setting the rows are put aside, not garbled."""
    write("log.csv", "what,at,who\nLogin,2026-03-01,Jürgen\n".encode("latin-1"))
    assert reader.read(files("log.csv")).report.quarantined == 1
    done = reader.read(files("log.csv", encoding="latin-1"))
    assert (done.report.published, done.report.quarantined) == (1, 0)
    assert reader.events("user_id") == [("Jürgen",)]


def test_a_file_that_is_not_of_the_given_encoding_is_named(reader: Any, write: Any) -> None:
    """Bytes that the encoding does not have stop the run and point to the setting."""
    write("log.csv", b"what,at,who\nLogin,2026-03-01,J\xfcrgen\n")
    with pytest.raises(UserError, match=r"log\.csv is not ascii.*`encoding`"):
        reader.read(files("log.csv", encoding="ascii"))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_delimiters_other_than_the_comma_are_recognised(reader: Any, write: Any, delimiter: str) -> None:
    """Semicolon, tab and bar are told from the header line."""
    write("log.csv", "what,at,who\nLogin,2026-03-01,ann\n".replace(",", delimiter))
    assert reader.read(files("log.csv")).report.published == 1


def test_parquet_reads_like_the_rest(reader: Any, tmp_path: Any) -> None:
    """A typed file needs no formats; a row without a time is quarantined by its row number."""
    reader.con.execute(
        "COPY (SELECT 'Login' AS what, TIMESTAMP '2026-03-01 10:00' AS at, 'ann' AS who UNION ALL "
        f"SELECT 'Login', NULL, 'bob') TO '{tmp_path}/log.parquet' (FORMAT parquet)"
    )
    done = reader.read(files("log.parquet"))
    assert (reader.events(), done.report.quarantined) == ([("Login", "ann", AT_A)], 1)


@pytest.mark.parametrize(
    ("value", "format", "expected"),
    [
        ("1772359200000", "ms", "2026-03-01 10:00:00"),
        (1772359200, "s", "2026-03-01 10:00:00"),
        ("01-03-2026 11:00", "%d-%m-%Y %H:%M", "2026-03-01 10:00:00"),
        ("01-03-2026 11:00 +0100", "%d-%m-%Y %H:%M %z", "2026-03-01 10:00:00"),
        ("2026-03-01", None, "2026-02-28 23:00:00"),
        ("2026-07-01 12:00:00", None, "2026-07-01 10:00:00"),
        ("2026-03-01T10:00:00Z", None, "2026-03-01 10:00:00"),
        ("2026-03-01T05:00:00.5-05:00", None, "2026-03-01 10:00:00.500000"),
    ],
)
def test_times_become_utc(reader: Any, write: Any, value: Any, format: str | None, expected: str) -> None:
    """SEM-T1: a time without an offset is the source's local time; everything is kept as UTC."""
    write("log.ndjson", lines({**A, "at": value}))
    reader.read(files("log.ndjson", {**CLICK, "time_format": format}, timezone="Europe/Berlin"))
    assert [str(row[0]) for row in reader.events("occurred_at")] == [expected]


def test_a_kind_of_event_can_have_a_time_zone_of_its_own(reader: Any, write: Any) -> None:
    """SEM-T1: the zone of the event's mapping goes before the source's, and that before the project's."""
    write("log.ndjson", lines({**A, "at": "2026-03-01 12:00"}))
    tokyo = {**CLICK, "timezone": "Asia/Tokyo"}
    for chosen, hour in (
        (files("log.ndjson", tokyo, timezone="Europe/Berlin"), 3),
        (files("log.ndjson", timezone="Europe/Berlin"), 11),
        (files("log.ndjson"), 17),
    ):
        reader.read(chosen, timezone="America/New_York")
        assert [row[0].hour for row in reader.events("occurred_at")] == [hour]


def test_one_row_can_stand_for_several_events(reader: Any, write: Any) -> None:
    """A user row is a sign-up of its own and an invitation of whoever invited him, if anybody did."""
    write("users.csv", "id,made,org,by,mail\n1,2026-03-01,7,,a@x.test\n2,2026-03-02,7,1,b@x.test\n")
    signup = {"name": "Signed Up", "time": "made", "user": "id", "account": "org", "user_traits": {"email": "mail"}}
    invite = {"name": "Invited", "time": "made", "user": "by", "where": {"by": {"exists": True}}, "properties": ["id"]}
    reader.read(files("users.csv", signup, invite))
    assert reader.events("event, user_id, account_hint, user_traits, properties ->> '$.id'") == [
        ("Invited", "1", None, None, "2"),
        ("Signed Up", "1", "7", '{"email":"a@x.test"}', "1"),
        ("Signed Up", "2", "7", '{"email":"b@x.test"}', "2"),
    ]


def test_where_keeps_the_rows_it_names(reader: Any, write: Any) -> None:
    """A value, one of several, and absence: numbers and truth values compare as they are written in JSON."""
    write("log.ndjson", lines({**A, "code": 200, "ok": True}, {**B, "code": 404}))
    for where, expected in (
        ({"code": 200}, ["ann"]),
        ({"code": [404, 500]}, ["bob"]),
        ({"ok": True}, ["ann"]),
        ({"ok": {"exists": False}}, ["bob"]),
    ):
        reader.read(files("log.ndjson", {**CLICK, "where": where}))
        assert [row[1] for row in reader.events()] == expected


def test_traits_keep_their_types_and_blanks_are_left_out(reader: Any, write: Any) -> None:
    """JSON keeps its types; in CSV what looks like a number is one, except with leading zeros; nothing is no trait."""
    emit = {**CLICK, "account_traits": {"plan": "plan", "seats": "seats", "zip": "zip", "vip": "vip"}}
    write("log.csv", "what,at,who,plan,seats,zip,vip\nLogin,2026-03-01,ann,,15,01234,true\n")
    reader.read(files("log.csv", emit))
    assert [json.loads(row[0]) for row in reader.events("account_traits")] == [
        {"seats": 15, "zip": "01234", "vip": True}
    ]


def test_nested_keys_are_reached_with_dots(reader: Any, write: Any) -> None:
    """`user.id` means the key of that name, else the id inside user."""
    write("log.ndjson", lines({**A, "user": {"id": "deep"}}, {**B, "user.id": "flat"}))
    reader.read(files("log.ndjson", {**CLICK, "user": "user.id"}))
    assert [row[1] for row in reader.events()] == ["deep", "flat"]


def test_rows_about_nobody_are_left_out_and_counted(reader: Any, write: Any) -> None:
    """A row without user and visitor can be nobody's activity; the report says how many there were."""
    write("log.ndjson", lines(A, {**B, "who": ""}))
    done = reader.read(files("log.ndjson"))
    assert (done.report.published, done.report.quarantined) == (1, 0)
    assert done.report.left_out == 1
    assert done.report.note == "1 row names neither a user nor a visitor and was left out"


def test_an_event_id_makes_duplicates_one(reader: Any, write: Any) -> None:
    """PRODUCT-S4: rows with the same id are one event, however often they come and whatever else differs."""
    write("log.ndjson", lines({**A, "id": "e1", "try": 1}, {**A, "id": "e1", "try": 2}))
    assert reader.read(files("log.ndjson", {**CLICK, "id": "id"})).report.published == 1


def test_no_matching_file_says_where_it_looked(reader: Any, tmp_path: Any) -> None:
    """An unreachable source: the error shows the whole path."""
    with pytest.raises(UserError, match=r"No file matches .*/nothing/\*\.json"):
        reader.read(files("nothing/*.json"))
    with pytest.raises(UserError, match="Cannot list s4://"):
        reader.read(files("s4://bucket/*.json"))


def test_a_file_of_unknown_kind_asks_for_its_format(reader: Any, write: Any) -> None:
    """What a name does not tell has to be said."""
    write("log.dat", lines(A))
    with pytest.raises(UserError, match="Set `format`"):
        reader.read(files("log.dat"))
    assert reader.read(files("log.dat", format="ndjson")).report.published == 1


def test_files_of_an_object_store_read_like_local_ones(reader: Any) -> None:
    """Any fsspec URL will do; a changed object is noticed there too."""
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe_file("/logs/a.ndjson", lines(A).encode())
    assert reader.read(files("memory://logs/*.ndjson")).report.published == 1
    assert reader.read(files("memory://logs/*.ndjson")).report.read == 0
    store.pipe_file("/logs/a.ndjson", lines(A, B).encode())
    assert reader.read(files("memory://logs/*.ndjson")).report.published == 2
    store.rm("/logs", recursive=True)


def test_when_a_file_was_written_is_when_its_events_were_received(reader: Any, write: Any) -> None:
    """The time of the file, not of the reading: reading it again gives the very same rows."""
    path = write("log.ndjson", lines(A))
    written = datetime(2026, 3, 4, 1, tzinfo=UTC).timestamp()
    os.utime(path, (written, written))
    reader.read(files("log.ndjson"))
    reader.read(files("log.ndjson"), mode="history", now=datetime(2026, 3, 9, 12, tzinfo=UTC))
    assert reader.events("ingested_at") == [(datetime(2026, 3, 4, 1),)]  # noqa: DTZ001  # naive UTC


@pytest.mark.parametrize(
    ("emit", "more", "said"),
    [
        ({**CLICK, "time_format": "%Q"}, {}, r"log\.ndjson cannot be read with this mapping: .*%Q"),
        (CLICK, {"encoding": "latin-42"}, r"sources\.src\.encoding: .*latin-42"),
    ],
)
def test_a_mapping_that_cannot_work_says_what_is_wrong(
    reader: Any, write: Any, emit: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    """A wrong setting is an error that names the setting, never a traceback from the engine or an empty lake."""
    write("log.ndjson", lines(A))
    with pytest.raises(UserError, match=said):
        reader.read(files("log.ndjson", emit, **more))


def test_check_says_what_the_glob_matches(reader: Any, write: Any) -> None:
    """The connection test of files lists them."""
    write("a.ndjson", lines(A))
    write("b.ndjson", lines(B))
    chosen = sources.files.FilesSource.model_validate(files("*.ndjson"))
    said = sources.check("src", chosen, None, now=datetime(2026, 3, 5, tzinfo=UTC), base=reader.folder)
    assert said == "Source src: 2 files, a.ndjson to b.ndjson"


def test_progress_is_told_per_file(reader: Any, write: Any) -> None:
    """Long work says how far it is."""
    write("a.ndjson", lines(A))
    write("b.ndjson", lines(B))
    told: list[tuple[str, float]] = []
    reader.read(files("*.ndjson"), progress=lambda what, done: told.append((what, done)))
    assert told == [("a.ndjson", 0.5), ("b.ndjson", 1.0)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["good", "broken", "timeless", "blank", "list"]), min_size=1, max_size=12))
def test_every_line_ends_up_in_the_lake_or_in_quarantine(reader: Any, write: Any, kinds: list[str]) -> None:
    """Nothing is lost and nothing is made up: published + quarantined = lines, and each bad line has its own number."""
    texts = {"broken": '{"what": ', "timeless": '{"what": "x", "who": "y"}', "blank": "", "list": "[]"}
    rows = [json.dumps({**A, "who": f"u{n}"}) if kind == "good" else texts[kind] for n, kind in enumerate(kinds)]
    assume("good" in kinds)  # a file in which no line has the mapped columns is refused as a whole
    write("log.ndjson", "\n".join(rows))
    reader.cursor = {}
    done = reader.read(files("log.ndjson"))
    bad = [n for n, kind in enumerate(kinds, start=1) if kind not in ("good", "blank")]
    assert done.report.published == kinds.count("good")
    assert [json.loads(line)["where"] for line in reader.quarantined().splitlines()] == [f"log.ndjson:{n}" for n in bad]
