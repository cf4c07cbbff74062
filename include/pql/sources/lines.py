"""Records of a local file as a DuckDB view of JSON rows: the file in, `rows(line, row, why)` out.

Two ways. The fast one lets DuckDB parse the file; it stops at the first bad record and knows no line numbers. The slow
one numbers the records first and says of each bad one why; it is taken only where the fast one met something bad, so a
clean file costs nothing (numbering was measured at 2.2 times a plain read).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from pql.sources import sql
from pql.types import UserError

Format = Literal["ndjson", "csv", "parquet"]
_DELIMITERS = (",", ";", "\t", "|")
_LARGEST_RECORD = 64 << 20  # bytes; DuckDB's default of 16 MB is too small for the odd Mixpanel event
_PIECE = 32 << 20


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
    """SQL for the named keys of each NDJSON line (key → DuckDB type) and its `filename`, parsed once and no further.

    A file whose name ends in `.gz` is unzipped on the way. Reading it raises duckdb.Error at the first line that is no
    JSON object, and where a gzip ends in the middle; a line `null` is one without the keys.
    """
    files = ", ".join(sql.text(path) for path in paths)
    typed = ", ".join(f"{sql.text(key)}: {sql.text(kind)}" for key, kind in columns.items())
    return (
        f"read_json([{files}], format='newline_delimited', columns={{{typed}}}, compression='auto_detect', "
        f"maximum_object_size={_LARGEST_RECORD}, filename=true)"
    )


@dataclass(frozen=True)
class Piece:
    """Some lines of a larger file, in a file of their own."""

    path: Path
    first_line: int


def pieces(path: Path, folder: Path, size: int = _PIECE) -> list[Piece]:
    """The file cut at ends of lines into files of about `size` bytes in `folder`: a bad line spoils only its piece."""
    found: list[Piece] = []
    line = 1
    with path.open("rb") as file:
        while part := file.read(size):
            part += file.readline()
            piece = Piece(folder / f"{path.name}.{len(found)}", line)
            piece.path.write_bytes(part)
            found.append(piece)
            line += part.count(b"\n")
    return found


def slow_view(
    con: duckdb.DuckDBPyConnection, view: str, path: Path, format: Format, folder: Path, first_line: int = 1
) -> None:
    """Make the view with line numbers; a bad record has its text in `row` (a JSON string) and the reason in `why`."""
    if format == "parquet":
        return fast_view(con, view, path, format)
    numbered = folder / f"{path.name}.numbered"
    records = _numbered_lines(path, first_line) if format == "ndjson" else _numbered_csv(path)
    with numbered.open("w", encoding="utf-8") as file:
        for line, record, why in records:
            file.write(json.dumps({"line": line, "record": record, "why": why}) + "\n")
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
    return None


def _csv_header(path: Path) -> tuple[str, list[str]]:
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", "replace")
    if not first.strip():
        raise UserError(f"{path.name} is empty: a CSV file begins with a line of column names.")
    delimiter = max(_DELIMITERS, key=first.count)
    return delimiter, next(csv.reader([first], delimiter=delimiter))


def _numbered_lines(path: Path, first_line: int) -> Iterator[tuple[int, str, str | None]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=first_line):
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
