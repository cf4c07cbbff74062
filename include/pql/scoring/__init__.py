"""Features in, stages, points, reasons and the qualified flag out; pure."""

from pql.scoring.explain import Step, condition_tree
from pql.scoring.reasons import reasons
from pql.scoring.score import score

__all__ = ["Step", "condition_tree", "reasons", "score"]
