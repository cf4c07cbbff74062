"""How activated an account must be before a human steps in: product complexity × opportunity size (PRODUCT-D5).

The row for a simple product is PRODUCT-D5's (its upper ends, 80 for mid-size and 50 for large, only inform: SEM-Q2).
The rows for more complex products are ours: the harder a product is to reach value with alone, the earlier a human
helps; each step takes about a quarter off.
"""

from __future__ import annotations

from typing import Literal

Complexity = Literal["simple", "moderate", "complex"]

ACTIVATION_PCT: dict[Complexity, dict[str, float]] = {
    "simple": {"small": 75, "mid": 60, "large": 25},
    "moderate": {"small": 60, "mid": 45, "large": 20},  # ours
    "complex": {"small": 45, "mid": 30, "large": 15},  # ours
}


def threshold_pct(complexity: Complexity, size: str) -> float | None:
    """The activation % from which an account of that size qualifies; None for a size the table does not have.

    >>> threshold_pct("simple", "large"), threshold_pct("simple", "tiny")
    (25, None)
    """
    return ACTIVATION_PCT[complexity].get(size)
