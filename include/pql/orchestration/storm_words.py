"""What a person reads before answering a storm in Airflow: what the ledger holds in, a headline and Markdown out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a DAG file leads here: what the ledger needs is imported when a task runs
    from pql.outbox.by_hand.storm import Storm
    from pql.outbox.by_hand.storm_contents import Contents
    from pql.types import Alert

APPROVE = "Approve: send all"
DIGEST = "Send as one digest"
REJECT = "Reject: send nothing"
KEEP = "Keep holding"
MOST_LINES = 15
NAME_LENGTH = 80
_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")  # all of ASCII's punctuation: CommonMark takes each after a backslash
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)  # GitHub's Markdown makes links of these …
_JOINER = "\u2060"  # … unless something stands inside, even if it cannot be seen; a backslash does not help there


def subject(storm: Storm) -> str:
    """The headline: numbers only, since Airflow shows it in lists as it is."""
    return f"Run {storm.run_id} is held: {storm.deliveries:,} deliveries about {storm.accounts:,} accounts. Send them?"


def body(storm: Storm, inside: Contents, *, until: datetime) -> str:
    """Why it was stopped, what it holds and what each answer does. Whatever comes from data shows as it is written."""
    lines = [
        f"**Nothing has been sent.** The {plain(storm.kind)} run of {_at(storm.as_of)} was stopped before its "
        f"{storm.deliveries:,} deliveries about {storm.accounts:,} accounts, because",
        "",
        *(f"- {plain(why, 500)}" for why in storm.because or ("it said no reason",)),
        "",
        *_table(("Would go to", "Deliveries"), [(each.name, each.deliveries) for each in inside.places]),
        *_table(
            ("Definition", "Play", "Accounts"), [(each.definition, each.play, each.accounts) for each in inside.causes]
        ),
        "**The hottest of them**",
        "",
        *_table(("Account", "Score", "Grade", "What happened"), [_row(each) for each in inside.top]),
        f"- **{APPROVE}**: everything goes out, at the pace that each channel allows. What has become wrong since "
        "then (blocked, left, a deal) is still left out.",
        f"- **{DIGEST}**: one message a channel names them all; tasks, properties and webhooks go out one by one.",
        f"- **{REJECT}**: all are suppressed for good, with your name and reason.",
        f"- **{KEEP}**: nothing changes. So it is without an answer until {_at(until)}; it can then still be given on "
        f"the page *PQL* (Deliveries) or with `pql storms approve {storm.run_id}`.",
        "",
        "The first answer counts, wherever it is given. Many at once often mean broken or doubled data, or a changed "
        "definition: look at a few of them first.",
    ]
    return "\n".join(lines)


def plain(text: str, length: int = NAME_LENGTH) -> str:
    """The text on one line, as written, in Markdown: nothing in it is a link, a picture, markup or a mention.

    >>> print(plain("[Acme] *Inc* | Söhne"))
    \\[Acme\\] \\*Inc\\* \\| Söhne
    """
    from pql.destinations.words import one_line  # here: a DAG file imports this module

    shown = one_line(text)
    cut = shown if len(shown) <= length else shown[: length - 1] + "…"
    return _SPECIAL.sub(r"\\\1", _LINKED.sub(_JOINER, cut))


def _row(alert: Alert) -> Sequence[object]:
    return alert.account_name or alert.account_key, alert.score, alert.grade, alert.headline


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [[f"{each:,}" if isinstance(each, int) else plain(str(each)) for each in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells[:MOST_LINES])]
    more = [f"| and {len(cells) - MOST_LINES} more |{' |' * (len(head) - 1)}"] if len(cells) > MOST_LINES else []
    return [*lines, *more, ""] if cells else []


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
