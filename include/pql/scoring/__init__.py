"""Features in, stages, points, reasons and the qualified flag out; pure."""

from pql.scoring.score import score

__all__ = ["score"]
