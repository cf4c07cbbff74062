"""Records of a local file as a DuckDB view of JSON rows: the file in, `rows(line, row, why)` out.

Two ways. The fast one lets DuckDB parse the file; it stops at the first bad record and knows no line numbers. The slow
one numbers the records first and says of each bad one why; it is taken only where the fast one met something bad, so a
clean file costs nothing (numbering was measured at 2.2 times a plain read).

Of a large export only the bad lines are numbered: `objects` yields a row for each line, empty where it could not read
it, and `pick` finds the line behind a row.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TextIO

import duckdb

from pql.sources import sql
from pql.types import UserError

Format = Literal["ndjson", "csv", "parquet"]
_DELIMITERS = (",", ";", "\t", "|")
_LARGEST_RECORD = 64 << 20  # bytes; DuckDB's default of 16 MB is too small for the odd Mixpanel event
_BLANK = b" \t\r\v\f"  # what DuckDB passes over between records
_MAY_BE_BLANK_LINE = re.compile(rb"\n[ \t\r\v\f\n]")


def header(con: duckdb.DuckDBPyConnection, path: Path, format: Format) -> list[str] | None:
    """The columns a CSV or Parquet file has; None for NDJSON, where each line may have its own."""
    if format == "parquet":
        described = con.execute(f"DESCRIBE SELECT * FROM read_parquet({sql.text(path)})").fetchall()
        return [str(row[0]) for row in described]
    if format == "csv":
        return _csv_header(path)[1]
    return None


def fast_view(con: duckdb.DuckDBPyConnection, view: str, path: Path, format: Format) -> None:
    """Make the view; reading it raises duckdb.Error at the first record that cannot be parsed."""
    if format == "ndjson":
        objects = (
            f"read_ndjson_objects({sql.text(path)}, compression='uncompressed', maximum_object_size={_LARGEST_RECORD})"
        )
        body = f"SELECT NULL::BIGINT AS line, json AS row, NULL::VARCHAR AS why FROM {objects}"
    elif format == "csv":
        delimiter, columns = _csv_header(path)
        typed = ", ".join(f"{sql.text(column)}: 'VARCHAR'" for column in columns)
        options = f"header=true, auto_detect=false, delim={sql.text(delimiter)}, quote='\"', escape='\"', nullstr=''"
        source = f"read_csv({sql.text(path)}, columns={{{typed}}}, {options}, compression='none')"
        body = f"SELECT NULL::BIGINT AS line, to_json(r) AS row, NULL::VARCHAR AS why FROM {source} AS r"
    else:
        numbered = f"read_parquet({sql.text(path)}, file_row_number=true)"
        body = (
            "SELECT r.file_row_number + 1 AS line, json_merge_patch(to_json(r), '{\"file_row_number\": null}') AS row, "
            f"NULL::VARCHAR AS why FROM {numbered} AS r"
        )
    con.execute(f"CREATE OR REPLACE TEMP VIEW {sql.name(view)} AS {body}")


def objects(paths: Sequence[Path], columns: Mapping[str, str]) -> str:
    """SQL for the named keys of each NDJSON line (key → DuckDB type), parsed once and no further.

    A line that is no JSON object is a row without any of them; a blank line is none. A file whose name ends in `.gz` is
    unzipped on the way. Reading it raises duckdb.Error where a gzip ends in the middle and at a line of 64 MB.
    """
    files = ", ".join(sql.text(path) for path in paths)
    typed = ", ".join(f"{sql.text(key)}: {sql.text(kind)}" for key, kind in columns.items())
    return (
        f"read_json([{files}], format='newline_delimited', columns={{{typed}}}, compression='auto_detect', "
        f"maximum_object_size={_LARGEST_RECORD}, ignore_errors=true)"
    )


def pick(chunks: Iterable[bytes], wanted: Sequence[int], target: Path) -> int:
    """Write to `target`, for `numbered_view`, the wanted of a file's lines; how many lines it has.

    Lines are wanted by their place (from 1, ascending) among those that are not blank, and are written with their
    numbers among all. `chunks` are the file in parts of any size.
    """
    count = _Count(wanted)
    with target.open("w", encoding="utf-8") as file:
        for part in _whole_lines(chunks):
            _write(count.picked(part), file)
    return count.lines


class _Count:
    """How far a file has been looked through for wanted lines."""

    def __init__(self, wanted: Sequence[int]) -> None:
        self.lines = 0  # that are not blank
        self._number = 0
        self._wanted = iter(wanted)
        self._next = next(self._wanted, None)

    def picked(self, part: bytes) -> list[tuple[int, bytes]]:
        """The wanted ones of some more whole lines, with their numbers."""
        if not _MAY_BE_BLANK_LINE.search(b"\n" + part):
            lines = part.count(b"\n") + (not part.endswith(b"\n"))
            if self._next is None or self._next > self.lines + lines:
                self.lines += lines
                self._number += lines
                return []
        return list(self._looked_at(part.removesuffix(b"\n").split(b"\n")))

    def _looked_at(self, lines: list[bytes]) -> Iterator[tuple[int, bytes]]:
        for line in lines:
            self._number += 1
            self.lines += bool(line.strip(_BLANK))
            if self.lines == self._next:
                yield self._number, line
                self._next = next(self._wanted, None)


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same in parts that end where a line does."""
    rest: list[bytes] = []
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join([*rest, chunk[:end]])
            rest = []
        rest.append(chunk[end:])
    if last := b"".join(rest):
        yield last


def slow_view(con: duckdb.DuckDBPyConnection, view: str, path: Path, format: Format, folder: Path) -> None:
    """Make the view with line numbers; a bad record has its text in `row` (a JSON string) and the reason in `why`."""
    if format == "parquet":
        return fast_view(con, view, path, format)
    numbered = folder / f"{path.name}.numbered"
    with numbered.open("w", encoding="utf-8") as file:
        if format == "ndjson":
            with path.open("rb") as plain:
                _write(enumerate(plain, start=1), file)
        else:
            _write_records(_numbered_csv(path), file)
    return numbered_view(con, view, numbered)


def numbered_view(con: duckdb.DuckDBPyConnection, view: str, numbered: Path) -> None:
    """Make the same view of lines that `pick` has written."""
    columns = "{line: 'BIGINT', record: 'VARCHAR', why: 'VARCHAR'}"
    usable = "why IS NULL AND json_valid(record) AND json_type(CASE WHEN json_valid(record) THEN record END) = 'OBJECT'"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW {sql.name(view)} AS
        SELECT line, CASE WHEN {usable} THEN record::JSON ELSE to_json(record) END AS row,
               CASE WHEN NOT ({usable}) THEN coalesce(why, 'not a JSON object') END AS why
        FROM read_json({sql.text(numbered)}, format='newline_delimited', columns={columns},
                       maximum_object_size={2 * _LARGEST_RECORD})
        """
    )


def _write(lines: Iterable[tuple[int, bytes]], file: TextIO) -> None:
    _write_records(_numbered_lines(lines), file)


def _write_records(records: Iterable[tuple[int, str, str | None]], file: TextIO) -> None:
    for line, record, why in records:
        file.write(json.dumps({"line": line, "record": record, "why": why}) + "\n")


def _csv_header(path: Path) -> tuple[str, list[str]]:
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", "replace")
    if not first.strip():
        raise UserError(f"{path.name} is empty: a CSV file begins with a line of column names.")
    delimiter = max(_DELIMITERS, key=first.count)
    return delimiter, next(csv.reader([first], delimiter=delimiter))


def _numbered_lines(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str, str | None]]:
    for number, raw in lines:
        try:
            record = raw.decode("utf-8").strip("\r\n \t\ufeff")
        except UnicodeDecodeError:
            yield number, raw.decode("utf-8", "replace").rstrip(), "not UTF-8 (see `encoding` in the settings)"
            continue
        if record:
            yield number, record, None


def _numbered_csv(path: Path) -> Iterator[tuple[int, str, str | None]]:
    delimiter, columns = _csv_header(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        next(reader)
        start = reader.line_num + 1
        for values in reader:
            if values:
                yield start, *_csv_record(columns, values, delimiter)
            start = reader.line_num + 1


def _csv_record(columns: list[str], values: list[str], delimiter: str) -> tuple[str, str | None]:
    if any("\ufffd" in value for value in values):
        return delimiter.join(values), "not UTF-8 (see `encoding` in the settings)"
    if len(values) != len(columns):
        return delimiter.join(values), f"{len(values)} values under {len(columns)} columns"
    return json.dumps({column: value or None for column, value in zip(columns, values, strict=True)}), None
