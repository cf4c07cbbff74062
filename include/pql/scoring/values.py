"""Reading feature columns: numbers as float with NaN, the rest as one spelling per value; unknown stays unknown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pql.definition.model import Scalar

Numbers = npt.NDArray[np.float64]


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column of that name; all unknown where the features have none."""
    if name in frame.columns:
        found: pd.Series = frame[name]
        return found
    return pd.Series([None] * len(frame), index=frame.index, dtype=object)


def numbers(values: pd.Series) -> Numbers:
    """The values as float64; NaN where unknown or not a number. True is 1, False is 0."""
    if values.dtype == object:
        values = values.map(lambda v: float(v) if isinstance(v, bool | np.bool_) else v)
    result = pd.to_numeric(values, errors="coerce")
    return np.asarray(result.astype("Float64").to_numpy(dtype="float64", na_value=np.nan))


def spelling(value: object) -> str:
    """One spelling per value, so that `1`, `1.0` and `"1"` are equal, and case does not matter.

    >>> spelling(True), spelling(" Free "), spelling(3.0), spelling(2.5)
    ('true', 'free', '3', '2.5')
    """
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float | np.integer | np.floating):
        return f"{float(value):.15g}"
    return str(value).strip().casefold()


def is_one_of(
    values: pd.Series,
    wanted: Iterable[Scalar],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(the value is one of the wanted, the value is known), per row. A wanted true also accepts 1, false 0."""
    spelled = {spelling(w) for w in wanted}
    spelled |= {{True: "1", False: "0"}[w] for w in wanted if isinstance(w, bool)}
    if not spelled:
        return np.zeros(len(values), dtype=bool), known(values)
    codes, distinct = pd.factorize(values)
    hits = np.array([spelling(v) in spelled for v in distinct] + [False], dtype=bool)
    return hits[codes], codes >= 0


def known(values: pd.Series) -> npt.NDArray[np.bool_]:
    """Where there is a value at all."""
    return values.notna().to_numpy(dtype=bool)


def local_days(
    instants: pd.Series,
    timezone: str,
) -> npt.NDArray[np.float64]:
    """The local dates of naive UTC instants as day numbers since 1970-01-01; NaN where there is none (SEM-T1)."""
    utc = pd.to_datetime(instants)
    codes, distinct = pd.factorize(utc.dt.floor("min"))  # offsets are whole minutes; few distinct values convert fast
    local = pd.DatetimeIndex(distinct).tz_localize("UTC").tz_convert(timezone).tz_localize(None)
    days = local.normalize().to_numpy(dtype="datetime64[D]").astype("int64").astype("float64")
    return np.append(days, np.nan)[codes]
