"""What kept a subject out of a definition at a moment, in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pql.definition.model import Definition
from pql.scoring import Step, condition_tree

NOT_SEEN = "not seen yet"


def lacks(definition: Definition, row: pd.Series | None) -> tuple[str, ...]:
    """The conditions that did not hold for the row of a snapshot; empty if it qualified."""
    if row is None:
        return (NOT_SEEN,)
    if row["qualified"]:
        return ()
    return tuple(dict.fromkeys(_failing(condition_tree(definition, row))))


def bare(text: str) -> str:
    """The condition without what was found.

    >>> bare("message_days at least 4 (messages on 3 of the last 7 days)")
    'message_days at least 4'
    """
    return " or ".join(part.rsplit(" (", 1)[0] for part in text.split(" or "))


def _failing(step: Step) -> Iterator[str]:
    if step.verdict == "true":
        return
    if not step.parts:
        yield step.text
    elif step.text == "any of":
        yield " or ".join(text for part in step.parts for text in _failing(part))
    elif step.text == "not":
        yield f"not: {' and '.join(_wording(part) for part in step.parts)}"
    else:
        for part in step.parts:
            yield from _failing(part)


def _wording(step: Step) -> str:
    return " and ".join(_wording(part) for part in step.parts) if step.parts else step.text
