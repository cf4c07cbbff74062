"""Score snapshots: a frame of subjects at one moment in, one file out, and back."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pql.lake.local_days import naive
from pql.lake.storage import Storage

FOLDER = "scores"
_MOMENT = "%Y%m%dT%H%M%S%fZ"
_AS_JSON = b"pql.as_json"  # names of columns whose values were too mixed for one Parquet type


def write_scores(storage: Storage, definition: str, kind: str, as_of: datetime, frame: pd.DataFrame) -> None:
    """Write the snapshot over an earlier one of the same moment; rows are sorted by `subject_key`."""
    ordered = frame.sort_values("subject_key", kind="stable").reset_index(drop=True)
    buffer = io.BytesIO()
    pq.write_table(_table(ordered), buffer, compression="zstd")
    storage.write(scores_path(definition, kind, as_of), buffer.getvalue())


def read_scores(storage: Storage, definition: str, kind: str, as_of: datetime) -> pd.DataFrame | None:
    """The snapshot as it was written, or None."""
    content = storage.read(scores_path(definition, kind, as_of))
    return None if content is None else _frame(pq.read_table(io.BytesIO(content)))


def read_some_scores(
    storage: Storage, definition: str, kind: str, as_of: datetime, subjects: Collection[str]
) -> pd.DataFrame | None:
    """The snapshot's rows of these subjects alone, as they were written, or None."""
    content = storage.read(scores_path(definition, kind, as_of))
    wanted = [("subject_key", "in", sorted(subjects))] if subjects else pc.scalar(False)  # an empty list has no type
    return None if content is None else _frame(pq.read_table(io.BytesIO(content), filters=wanted))


def list_scores(storage: Storage, definition: str, kind: str) -> list[datetime]:
    """The moments (aware UTC, ascending) that have a snapshot."""
    paths = storage.list(_folder(definition, kind))
    return sorted({moment for path in paths if (moment := moment_of(path)) is not None})


def moment_of(path: str) -> datetime | None:
    """The moment (aware UTC) of the snapshot at this path of the lake, None if it is none."""
    folder, _, name = path.partition("/as_of=")[2].partition("/")
    return datetime.strptime(folder, _MOMENT).replace(tzinfo=UTC) if name == "scores.parquet" else None


def scores_path(definition: str, kind: str, as_of: datetime) -> str:
    """Where the snapshot lies, whether it is there or not."""
    return f"{_folder(definition, kind)}/as_of={naive(as_of):{_MOMENT}}/scores.parquet"


def _folder(definition: str, kind: str) -> str:
    return f"{FOLDER}/definition={quote(definition, safe='')}/kind={kind}"


def _table(frame: pd.DataFrame) -> pa.Table:
    mixed = [name for name in frame.columns if frame[name].dtype == object and not _uniform(frame[name])]
    plain = frame.copy()
    for name in mixed:
        plain[name] = pd.Series([_json(value) for value in frame[name]], index=frame.index, dtype=object)
    table = pa.Table.from_pandas(plain, preserve_index=False)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _AS_JSON: json.dumps(mixed).encode()})


def _uniform(column: pd.Series[Any]) -> bool:
    try:
        pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _json(value: Any) -> str | None:
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else json.dumps(value, default=str)


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    for name in json.loads((table.schema.metadata or {}).get(_AS_JSON, b"[]")):
        values = [None if pd.isna(text) else json.loads(text) for text in frame[name]]
        frame[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame
