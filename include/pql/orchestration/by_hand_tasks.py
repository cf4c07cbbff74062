"""The tasks that `deliveries_by_hand` is wired from: what a person asks for in Airflow's form, done as `pql` does it.

Airflow gets counts; which deliveries they were stands in the task's log and in the ledger.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param, get_current_context, result, task
from airflow.sdk.exceptions import AirflowFailException

from pql.orchestration.defaults import POOL_OUTBOX
from pql.orchestration.signal_tasks import wake_outbox

log = logging.getLogger(__name__)

_SHOWN = 200
PARAMS: dict[str, Any] = {
    "action": Param(
        "retry",
        type="string",
        enum=["retry", "suppress"],
        title="What to do",
        description="retry: due again, what may have arrived is looked for first. suppress: stopped for good.",
    ),
    "ids": Param(
        "",
        type=["null", "string"],
        pattern=r"^[\d\s,]*$",
        title="Deliveries",
        description="Their numbers, as `pql deliveries` and the page say them: 17, 18. Empty: by state.",
    ),
    "state": Param(
        None,
        type=["null", "string"],
        enum=[None, "pending", "held", "ambiguous", "dead", "suppressed"],
        title="State",
        description="Instead of numbers: all that are in this state.",
    ),
    "destination": Param(
        None, type=["null", "string"], title="Destination", description="Only those to this one, by its name."
    ),
    "reason": Param(
        None, type=["null", "string"], title="Reason", description="To suppress: why. Kept with your name."
    ),
    "dry_run": Param(True, type="boolean", title="Only show", description="Write into the log which ones it would be."),
}


def by_hand_flow() -> None:
    """Wire one act: it is done, or only shown, and the outbox is woken if anything became due."""
    wake_outbox(act())


@result
@task(pool=POOL_OUTBOX)
def act() -> dict[str, int]:
    """Those meant are retried or suppressed, or, as a trial, only listed in the log; how many."""
    from pql import store
    from pql.orchestration import notices
    from pql.orchestration.runtime import now, project
    from pql.outbox.by_hand import choosing

    context = get_current_context()
    params: Mapping[str, Any] = context["params"]
    by = who(context)
    try:
        choice = chosen(params)
        with project() as opened, store.writing(opened.engine) as connection:
            found = choosing.meant(connection, params["action"], choice)
            for each in found[:_SHOWN]:
                log.info("delivery %s (%s, %s to %s)", each.id, each.state, each.kind, each.destination)
            changed = 0
            if params["dry_run"]:
                log.info("%s of them; nothing was done, as this only shows", len(found))
            else:
                said = str(params["reason"] or "")
                changed = choosing.act(connection, params["action"], choice, reason=said, by=by, now=now())
                log.info("%s by %s: %s changed", params["action"], by or "somebody", changed)
    except ValueError as error:
        raise AirflowFailException(f"{params['action']}: {error}.") from None  # the same again would fail again
    notices.run_succeeded()
    return {"meant": len(found), "changed": changed, "queued": changed if params["action"] == "retry" else 0}


def chosen(params: Mapping[str, Any]) -> Any:
    """Which deliveries the form means, as a `pql.outbox.by_hand.choosing.Choice`."""
    from pql.outbox.by_hand.choosing import Choice

    ids = tuple(int(number) for number in re.findall(r"\d+", str(params["ids"] or "")))
    return Choice(ids, str(params["state"] or ""), str(params["destination"] or ""))


def who(context: Mapping[str, Any]) -> str:
    """Who started the run: Airflow's login, "" if it does not say."""
    return str(getattr(context["dag_run"], "triggering_user_name", None) or "")
