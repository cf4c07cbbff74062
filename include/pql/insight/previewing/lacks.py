"""What kept a subject out of a definition at a moment, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from pql.definition.model import Definition
from pql.scoring import Step, condition_tree

NOT_SEEN = "not seen yet"


def lacks(definition: Definition, row: pd.Series | None) -> tuple[tuple[str, str], ...]:
    """The conditions that did not hold for the row of a snapshot; none if it qualified.

    Each with what was found, and without, so that what keeps many out for the same reason reads the same.
    """
    if row is None:
        return ((NOT_SEEN, NOT_SEEN),)
    if row["qualified"]:
        return ()
    return tuple(dict.fromkeys(_failing(condition_tree(definition, row))))


def bare(text: str) -> str:
    """The condition without what was found and what belongs to one size only.

    >>> bare("message_days at least 4 (messages on 3 of the last 7 days)")
    'message_days at least 4'
    >>> bare("activation pct at least 60 for size mid (40)")
    'activation pct as its size asks'
    """
    asked = text.split(" (", 1)[0] if text.endswith(")") else text
    return re.sub(r"at least \S+ for size .+", "as its size asks", asked)


def _failing(step: Step) -> Iterator[tuple[str, str]]:
    if step.verdict == "true":
        return
    if not step.parts:
        yield step.text, bare(step.text)
        return
    failing = [pair for part in step.parts for pair in _failing(part)]
    if step.text == "any of":
        yield " or ".join(text for text, _ in failing), " or ".join(dict.fromkeys(short for _, short in failing))
    elif step.text == "not":
        held = list(_leaves(step))
        yield "not: " + " and ".join(held), "not: " + " and ".join(map(bare, held))
    else:
        yield from failing


def _leaves(step: Step) -> Iterator[str]:
    for part in step.parts:
        yield from _leaves(part)
    if not step.parts:
        yield step.text
