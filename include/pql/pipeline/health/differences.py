"""What ops are told of differences between ledger and destinations: what they have not heard of in, the words out."""

from __future__ import annotations

from collections.abc import Sequence

from pql.destinations.read_back import CANNOT_BE_ASKED
from pql.outbox.reconcile import Reconciled
from pql.pipeline.health.watch import Condition
from pql.store.discrepancies import Discrepancy, Finding

_SHOWN = 10


def text(untold: Sequence[Discrepancy]) -> str:
    """One notice for all that is new and all that is in order again."""
    begun = [each.finding for each in untold if each.cleared_at is None]
    ended = [each.finding for each in untold if each.cleared_at is not None]
    parts = []
    if begun:
        parts.append(
            f":mag: Ledger and destinations differ, {_number(begun)} new:\n{_list(begun)}\n"
            "`pql reconcile` lists all of it. Nothing is sent or put right by itself."
        )
    if ended:
        parts.append(f":white_check_mark: In order again:\n{_list(ended)}")
    return "\n".join(parts)


def unreadable(done: Reconciled) -> list[Condition]:
    """Of each destination that can be asked whether it could be read."""
    found = []
    for name in sorted({*done.checked, *done.unchecked}):
        why = done.unchecked.get(name, ())
        if why == (CANNOT_BE_ASKED,):
            continue
        if not why:
            said = f":white_check_mark: `{name}` can be read again: what stands there is held against the ledger."
            found.append(Condition(f"reconcile:{name}", "ok", said))
            continue
        shown = "; ".join(why[:3]) + (f" and {len(why) - 3} more" if len(why) > 3 else "")
        said = (
            f":grey_question: What stands at `{name}` could not be read, so nobody can say whether all is well: {shown}"
        )
        found.append(Condition(f"reconcile:{name}", "unclear", said))
    return found


def sentence(finding: Finding) -> str:
    """The finding in one line: "delivery 17 (slack) was delivered and is not there any more"."""
    if finding.what == "undelivered":
        return f"{finding.detail} ({finding.destination})"
    about = f"delivery {finding.delivery_id}" if finding.delivery_id is not None else "an effect"
    return f"{about} ({finding.destination}) {finding.detail}"


def _number(findings: Sequence[Finding]) -> str:
    return f"{len(findings):,} thing{'' if len(findings) == 1 else 's'}"


def _list(findings: Sequence[Finding]) -> str:
    lines = [f"• {sentence(each)}" for each in findings[:_SHOWN]]
    return "\n".join(lines) + (f"\n• and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else "")
