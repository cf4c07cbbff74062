"""What a measurement hands back: one figure with its aim."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure. `met` is None where there is no aim."""

    name: str
    value: float
    unit: str  # "s", "events/s", "×", "MiB" …
    aim: str  # as a person reads it: "≤ 2"; empty if there is none
    met: bool | None
    note: str = ""
