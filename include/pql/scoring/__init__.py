"""Features in, stages, points, reasons and the qualified flag out; pure."""

from pql.scoring.explain import Line, Step, condition_tree, score_lines
from pql.scoring.reasons import reasons
from pql.scoring.score import score

__all__ = ["Line", "Step", "condition_tree", "reasons", "score", "score_lines"]
