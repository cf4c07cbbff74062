"""Names of folds: `crm_folded/<object>/<until>@<digest of the filings covered>.parquet` (see `crm_intervals`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pql.lake.storage import Storage

FOLDER = "crm_folded"
STAMP = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Fold:
    """The intervals of every filing up to a moment, if those are still the ones that were covered."""

    until: datetime  # naive UTC
    covered: str


def path_of(object: str, fold: Fold) -> str:
    """Where the fold is kept."""
    return f"{FOLDER}/{object}/{fold.until:{STAMP}}@{fold.covered}.parquet"


def folds(storage: Storage, object: str) -> list[Fold]:
    """The folds there are."""
    names = [path.rsplit("/", 1)[1] for path in storage.list(f"{FOLDER}/{object}") if path.endswith(".parquet")]
    said = [name.removesuffix(".parquet").split("@") for name in names]
    return [Fold(datetime.strptime(until, STAMP), covered) for until, covered in said]  # noqa: DTZ007  # naive UTC


def forget(storage: Storage, object: str) -> None:
    """Remove the object's folds; they are made again from its filings."""
    for fold in folds(storage, object):
        storage.remove(path_of(object, fold))
