"""The tasks that `approve_storm` is wired from: a person is asked, the answer is carried out, the outbox is woken.

Airflow carries the number of the run and what was answered; what is held stays in the ledger.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, get_current_context, result, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from pql.orchestration.signal_tasks import wake_outbox
from pql.orchestration.storm_words import APPROVE, DIGEST, KEEP, REJECT

LONGEST_ANSWER = timedelta(days=8)  # a little more than the settings allow
LOOK_AGAIN = timedelta(hours=1)  # whether it was answered elsewhere meanwhile
RUN = Param(
    None,
    type=["null", "integer"],
    title="Run",
    description="Number of the stopped run, as `pql storms` and the page say it.",
)
REASON = Param(
    None, type=["null", "string"], title="Reason", description="Why; it is kept in the ledger with your name."
)


def approve_storm_flow() -> None:
    """Wire one question: it waits for a person, the answer is carried out, the outbox is woken if anything is due."""
    asked = AskAPerson(
        task_id="ask",
        subject="A run was stopped before anything was sent",
        options=[APPROVE, DIGEST, REJECT, KEEP],
        defaults=KEEP,
        params={"reason": REASON},
        response_timeout=LOOK_AGAIN,
    )
    wake_outbox(carry_out(asked.output))


class AskAPerson(HITLOperator):
    """Show what the run holds and wait: for an answer here, one given elsewhere, or until the time is over.

    Every hour it looks whether the storm was answered on the page or the command line, and then ends by itself.
    """

    def execute(self, context: Any) -> None:
        from pql.orchestration.runtime import now, project

        with project() as opened:
            self._ask(context, now() + timedelta(hours=opened.settings.storm_answer_hours))

    def execute_complete(self, context: Any, event: dict[str, Any], until: str = "") -> Any:
        """The answer; if the hour is over without one, the question again until the whole time is."""
        from pql.orchestration.runtime import now

        if event.get("timedout") and until and now() < (end := datetime.fromisoformat(until)):
            self._ask(context, end)
        return super().execute_complete(context, event)

    def _ask(self, context: Any, until: datetime) -> None:
        """Write the question, emptied of the default of an hour before, and wait. Skips if there is nothing to ask."""
        from pql.orchestration.runtime import now

        self.subject, self.body = describe(stopped_run(context["params"]), until)
        upsert_hitl_detail(
            ti_id=context["task_instance"].id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=self.defaults,
            multiple=self.multiple,
            params=self.serialized_params,
        )
        raise TaskAwaitingInput(
            method_name="execute_complete",
            kwargs={"until": until.isoformat()},
            timeout=min(LOOK_AGAIN, until - now()),
        )


def stopped_run(params: Any) -> int:
    """The number of the run that the question is about. Fails for good if the DAG was started without it."""
    if not params.get("run"):
        raise AirflowFailException("Trigger it again with the parameter `run`: `pql storms` lists those that wait.")
    return int(params["run"])


def describe(run_id: int, until: datetime) -> tuple[str, str]:
    """Headline and Markdown of the question about that run. Skips if the storm is over, fails if there was none."""
    from pql.orchestration import storm_words
    from pql.orchestration.runtime import project
    from pql.outbox.by_hand.storm import storm
    from pql.outbox.by_hand.storm_contents import contents
    from pql.store.engine import reading
    from pql.types import UserError

    with project() as opened, reading(opened.engine) as ledger:
        try:
            found = storm(ledger, run_id)
        except UserError as error:
            raise AirflowFailException(str(error)) from None
        if not found.is_open:
            by = f"{found.answer.verdict} by {found.answer.who}" if found.answer else "nothing of it is held any more"
            raise AirflowSkipException(f"run {run_id}: {by}")
        return storm_words.subject(found), storm_words.body(found, contents(ledger, run_id), until=until)


@result
@task
def carry_out(said: dict[str, Any]) -> dict[str, Any]:
    """Approve, digest or reject in the ledger, with who and why; what was decided before stays as it is."""
    from pql.orchestration import notices
    from pql.orchestration.runtime import now, project
    from pql.outbox.by_hand import storm
    from pql.store.engine import writing

    run_id, chosen = stopped_run(get_current_context()["params"]), said["chosen_options"][0]
    if chosen == KEEP:
        raise AirflowSkipException(f"run {run_id} stays held")
    answers = {APPROVE: storm.approve, DIGEST: storm.as_digest, REJECT: storm.reject}
    who = (said.get("responded_by_user") or {}).get("name") or "somebody in Airflow"
    why = str((said.get("params_input") or {}).get("reason") or "").strip() or "no reason given"
    with project() as opened, writing(opened.engine) as ledger:
        done = answers[chosen](ledger, run_id, who=who, why=why, origin="airflow", now=now())
    notices.run_succeeded()
    notices.watch()
    given = done.answer
    return {
        "run": run_id,
        "is_new": done.is_new,
        "answer": given.verdict if given else None,
        "who": given.who if given else None,
        "queued": given.deliveries if given and done.is_new and given.verdict != "rejected" else 0,
    }
