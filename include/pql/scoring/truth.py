"""Three-valued truth over many rows at once: true, false, or unknown (SEM-M4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """One verdict per row: where `yes` it holds, where `no` it does not, elsewhere it is unknown.

    >>> a = Truth(np.array([True, False, False]), np.array([False, True, False]))
    >>> (~a).column().tolist(), (a & ~a).column().tolist()
    ([False, True, <NA>], [False, False, <NA>])
    """

    yes: Flags
    no: Flags

    @classmethod
    def of(cls, holds: Flags, known: Flags | None = None) -> Truth:
        """What `holds`, as far as it is `known` (default: everywhere)."""
        if known is None:
            return cls(holds, ~holds)
        return cls(holds & known, ~holds & known)

    @classmethod
    def everywhere(cls, holds: bool, rows: int) -> Truth:
        """The same verdict on every row."""
        return cls(np.full(rows, holds), np.full(rows, not holds))

    @classmethod
    def from_column(cls, column: pd.Series) -> Truth:
        """Read back what `column()` wrote."""
        values = column.astype("boolean")
        unknown = values.isna().to_numpy(dtype=bool)
        holds = values.fillna(False).to_numpy(dtype=bool)
        return cls.of(holds, ~unknown)

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.yes & other.yes, self.no | other.no)

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.yes | other.yes, self.no & other.no)

    def __invert__(self) -> Truth:
        return Truth(self.no, self.yes)

    def column(self) -> pd.arrays.BooleanArray:
        """The verdicts as a pandas `boolean` array: True, False, NA."""
        return pd.arrays.BooleanArray(self.yes.copy(), ~(self.yes | self.no))
