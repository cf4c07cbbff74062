"""The stages both faces call: ingest, evaluate, decide, deliver, replay."""

from pql.pipeline.decide import decide
from pql.pipeline.deliver import check_clock, deliver, due
from pql.pipeline.evaluate import evaluate
from pql.pipeline.history import history_start, score_panel
from pql.pipeline.ingest import ingest
from pql.pipeline.project import Project, init, open_project
from pql.pipeline.prune import prune
from pql.pipeline.reconcile import reconcile
from pql.pipeline.replay import beyond_this_machine, replay
from pql.pipeline.runs import run

__all__ = [
    "Project",
    "beyond_this_machine",
    "check_clock",
    "decide",
    "deliver",
    "due",
    "evaluate",
    "history_start",
    "ingest",
    "init",
    "open_project",
    "prune",
    "reconcile",
    "replay",
    "run",
    "score_panel",
]
