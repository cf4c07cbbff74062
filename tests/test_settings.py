"""Reading the project's settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pql.settings import FilesSource, Settings, load_settings
from pql.types import UserError

WRONG = """\
timezon: UTC
timezone: Mars/Base
storm_floor: many
sources:
  a: {kind: files, path: "x/*.csv", emits: [{name: x, tme: y, where: {a: {foo: 1}}}]}
  b: {kind: mixpannel}
  c: {path: x}
  d: {kind: files, format: xml, path: 3, emits: []}
  e:
  f: {kind: files, path: x, emits: [{name: x, event: y, time: t}]}
  g: {kind: files, path: x, emits: [{name: x, time: t, user: u}, {name: y, time: t}]}
destinations:
  w: {kind: webhook, conection: x}
  h: {kind: hubspot, ur: x}
"""
TOLD = """\
1: unknown key `timezon` — did you mean `timezone`?
2: timezone: there is no time zone `Mars/Base`, for example `Europe/Berlin`
3: `storm_floor`: input should be a valid integer, unable to parse string as an integer, not `many`
5: `sources a emits 1`: column `a` must be a value, a list of values or `{exists: true}`
5: `time` of `sources a emits 1` is missing
5: unknown key `tme` of `sources a emits 1` — did you mean `time`?
6: `b` cannot be of kind `mixpannel` — did you mean `mixpanel`?
7: `c` of `sources` does not say its `kind`
8: `emits` of `sources d`: list should have at least 1 item after validation, not 0
8: `format` of `sources d` cannot be `xml` — it can be `ndjson`, `csv` or `parquet`
8: `path` of `sources d`: input should be a valid string, not `3`
9: `e` of `sources`: input should be a valid dictionary or object to extract fields from, not empty
10: `sources f emits 1`: say either `event` (the column with the event's name) or `name` (one fixed name)
11: `sources g emits 2`: say who did it: `user` or `anonymous` (the column with the id), or both
13: `connection` of `destinations w` is missing
13: unknown key `conection` of `destinations w` — did you mean `connection`?
14: unknown key `ur` of `destinations h` — did you mean `url`?
"""


def test_everything_wrong_is_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    """Wrong settings are refused with every problem, its line, and what was probably meant."""
    file = tmp_path / "settings.yaml"
    file.write_text(WRONG)
    with pytest.raises(UserError) as error:
        load_settings(file)
    lines = [line.removeprefix(f"{file}:") for line in str(error.value).splitlines()]
    found, expected = (sorted(text, key=lambda t: (int(t.split(":")[0]), t)) for text in (lines, TOLD.splitlines()))
    assert found == expected


def test_paths_are_those_of_the_settings_file(tmp_path: Path) -> None:
    """A source's path counts from the settings file; addresses of object stores stay as they are."""
    emits = "emits: [{name: Login, time: at, user: id}]"
    (tmp_path / "settings.yaml").write_text(
        f"sources:\n  near: {{kind: files, path: ../data/*.csv, {emits}}}\n"
        f"  far: {{kind: files, path: 's3://bucket/x/*.csv', {emits}}}\n"
        f"  fixed: {{kind: files, path: /data/x.csv, {emits}}}\n"
    )
    sources = load_settings(tmp_path / "settings.yaml").sources
    paths = {name: source.path for name, source in sources.items() if isinstance(source, FilesSource)}
    assert paths == {
        "near": f"{tmp_path.resolve().parent}/data/*.csv",
        "far": "s3://bucket/x/*.csv",
        "fixed": "/data/x.csv",
    }


def test_defaults_need_nothing(tmp_path: Path) -> None:
    """SEM-T1, SEM-D2: without a word the time zone is UTC and the horizon two days."""
    (tmp_path / "settings.yaml").write_text("{}")
    settings = load_settings(tmp_path / "settings.yaml")
    assert settings == Settings()
    assert (settings.timezone, settings.horizon_hours) == ("UTC", 48)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", ":1: this is not YAML"),
        (b"", ":1: the file is empty"),
        (b"- a", "settings"),
        (b"timezone: \xff", ":1: the file is not UTF-8"),
        (b"timezone: UTC\ntimezone: UTC", ":2: key `timezone` was already given in line 1"),
    ],
)
def test_what_cannot_be_read_is_a_user_error(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is no settings at all is refused with file and line."""
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"settings\.yaml:\d+: ") as error:
        load_settings(file)
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No settings file: the error says where it was looked for."""
    with pytest.raises(UserError, match=r"nowhere\.yaml: the settings cannot be read"):
        load_settings(tmp_path / "nowhere.yaml")


def test_wrong_times_and_days_are_told_with_their_line(tmp_path: Path) -> None:
    """A time of day that is none, hours that end before they begin, a zone or a day nobody knows."""
    file = tmp_path / "settings.yaml"
    file.write_text(
        "digest_at: 8.30\ndigest_days: [mon, montag]\ntable_above: 0\nworking_hours:\n  opens: 25:00\n  dayz: [mon]\n"
        "  time_zones: {kim@x.com: New York}\n"
    )
    with pytest.raises(UserError) as error:
        load_settings(file)
    told = str(error.value).replace(f"{file}:", "")
    assert told.splitlines() == [
        "1: `digest_at`: input should be a valid string, not `8.3`",
        "2: `digest_days 2` cannot be `montag` — it can be `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`",
        "3: `table_above`: input should be greater than or equal to 1, not `0`",
        "5: `working_hours`: `25:00` is no time of day, for example `08:30`",
        "6: unknown key `dayz` of `working_hours` — did you mean `days`?",
        "7: `working_hours time_zones`: there is no time zone `New York`, for example `Europe/Berlin`",
    ]
    file.write_text('working_hours: {opens: "18:00", closes: "08:00"}\ndigest_at: 08:30\n')
    with pytest.raises(UserError, match=r"1: working_hours: `closes` \(08:00\) must come after `opens` \(18:00\)"):
        load_settings(file)
