"""What each table and column of the ledger means, in words: `docs/reference/ledger.md` is written from here.

`TABLES` says what a row is, `COLUMNS` what a column holds; `EVERYWHERE` what a column means wherever it stands. None of
it is read by a run. A table or column without a word fails `tests/store/test_meanings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

EVERYWHERE: Mapping[str, str] = {
    "id": "number of the row",
    "definition": "id of the definition",
    "play": "id of the play",
    "subject_key": "who qualifies or not: the account, or the user for a definition `per: user`",
    "account_key": "the account; it follows when an account's key changes",
    "opened_run": "the run that opened it",
    "opened_as_of": "moment of the run that opened it",
    "closed_as_of": "moment of the run that closed it; NULL: open",
}

TABLES: Mapping[str, str] = {
    "sources": "One row a source: how its last read went and how far it is complete.",
    "dirty_marks": "One row for each definition and fact that has news which the definition has not looked at yet.",
    "counters": "Running numbers.",
    "definitions": "Every version of every definition that ever decided.",
    "baselines": "Each definition's first run over everybody, which opens silently what is true already.",
    "runs": "Every run that decided, with its result.",
    "decided": "How each definition last decided each subject: an evaluation of an older moment never overturns it.",
    "members": "Under which account each user was last seen: how a run notices that a key changed.",
    "rekeyed": "Subjects whose key changed; until the definition has decided them they open silently.",
    "episodes": "Stays in the qualified state, from opening to closing.",
    "occurrences": "The same for a play's other triggers (score up, gone quiet …), per play.",
    "blocks": "What people said: not now, not a fit, never. Rows are lifted, not removed.",
    "deliveries": "The outbox: one action on one destination, with its state, its lease, and its receipt or reason.",
    "delivery_causes": "Which episodes and occurrences caused a delivery; several when definitions share a message.",
    "paces": "When the next send to a channel or portal may leave: one pace for all workers.",
    "storm_answers": "What a person answered when a run was held as a storm: the first answer, with who and why.",
    "discrepancies": "Where ledger and destinations differ, as reconciliations found it; one open row a thing.",
    "ops_states": "What ops were last told of each thing that is watched.",
}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "sources": {
        "source": "name in the settings",
        "complete_to": "everything before this has been read; NULL for files, which cannot tell. Never goes back",
        "cursor": "the source's own note of where it stands",
        "read_at": "when it was last read",
        "read": "records of the last read",
        "quarantined": "records of it that could not be used",
        "error": "what went wrong at the last try; NULL: nothing",
        "added": "records of it that the lake did not have",
        "duplicates": "records of it that came twice",
        "newest_at": "when the newest event it ever brought happened",
    },
    "dirty_marks": {
        "fact_key": "what ingest knows: `user:`, `anon:`, `org:`, `company:` or `contact:` and an id; "
        "evaluation finds the subject",
        "seq": "number of the newest marking; an evaluation clears only marks up to the one it began with",
        "newest_fact_at": "when the newest thing behind the mark happened",
    },
    "counters": {
        "name": "`marks`: number of the newest marking. `identity_carried_to`: the newest moment whose identities "
        "the ledger follows, in seconds since 1970",
        "value": "the number",
    },
    "definitions": {
        "rules_hash": "digest of everything but titles and plays: another one is another version",
        "first_seen_at": "when it first decided",
        "title": "its title then",
        "source": "not used: versions are kept in the project's history",
    },
    "baselines": {"as_of": "moment of that run", "run_id": "that run"},
    "runs": {
        "kind": "`hourly` or `nightly`",
        "as_of": "the moment it looked at",
        "decided_at": "when it decided",
        "live": "whether it decided; a run beyond the horizon decides nothing and has no row",
        "announced": "accounts it told about",
        "held": "accounts it would have told about, had it not been held",
        "summary": "its whole result, as its task in Airflow returns it",
    },
    "decided": {
        "account_key": "the account; empty: nobody is found under this key any more",
        "decided_as_of": "the newest moment it was decided for",
        "qualified": "what was found: whether it qualified",
        "eligible": "not blocked, excluded or cooling down; the end of that is fresh news",
    },
    "members": {"user_id": "the user", "account_key": "the account it was last seen under"},
    "rekeyed": {"carried_as_of": "moment of the run in which the key changed"},
    "episodes": {
        "rules_hash": "version of the definition that opened it",
        "score": "the score then",
        "silent_reason": "why nobody was told: `baseline`, `stale` (true for a week), `identity` (its key changed) or "
        "`at_most` (a subject too many); NULL: it was announced",
        "released_at": "when a person announced a silent one after all",
        "alert": "what was said, or would have been; removed some time after it has closed (`alerts_days`)",
        "unqualified_since": "moment since which every evaluation said no; long enough, and it closes",
        "close_reason": "`left`, `excluded`, `only`, `won`, `blocked`, `merged` (two accounts became one), "
        "`retracted` (by late or corrected data it had never begun) or `forgotten`",
        "returns_after": "end of the cooldown",
    },
    "occurrences": {
        "silent_reason": "why nobody was told; NULL: it was announced",
        "false_since": "moment since which its condition does not hold; long enough, and it closes",
    },
    "blocks": {
        "kind": "`snooze`, `not_a_fit` or `block`",
        "reason": "what the person said",
        "origin": "where it was said: `cli`, `crm` or `slack`",
        "created_at": "when",
        "until": "when it ends by itself; NULL: when it is lifted",
        "lifted_at": "when it was lifted",
    },
    "deliveries": {
        "key": "idempotency key, the same on every attempt and in every ledger: a digest of definition, subject, "
        "opening, play, action and destination",
        "run_id": "the run that wanted it; NULL: released by hand",
        "destination": "name in the settings",
        "kind": "`slack`, `crm_task`, `crm_update` or `webhook`; `slack_retract`, `crm_task_close` and "
        "`webhook_retract` take one back",
        "lane": "what it shares a message with: a channel, a person, the task list, a CRM record, a webhook",
        "options": "the play's options, templates filled in; emptied when old",
        "alert": "what it says; people and reasons are removed when old (`alerts_days`)",
        "thread_of": "the message it answers under",
        "retracts": "the delivery it takes back: it waits until that one is over, and is nothing if it never arrived",
        "state": "`held`, `pending`, `claimed`, `sending`, `ambiguous`, `delivered`, `dead` or `suppressed`",
        "created_at": "when it was queued",
        "not_before": "when it is due",
        "gather_at": "until then it waits for a digest or for working hours; then the messages of its lane are put "
        "into one table if they are many, and it is NULL",
        "attempt": "attempts made; being told to wait is none",
        "lease_owner": "the worker that has it: machine, process and when that began",
        "lease_until": "when another worker may take it",
        "fence": "grows with every claim; a write that names an older one changes nothing",
        "sent_at": "written before the request leaves; while it is set the effect may exist and is looked for first",
        "finished_at": "when it was delivered, dead or suppressed",
        "receipt": "what the destination answered: channel and time of the message, id of the task, status",
        "reason": "why it is dead, suppressed, or waits",
    },
    "delivery_causes": {
        "delivery_id": "the delivery",
        "episode_id": "the episode, if it is one",
        "occurrence_id": "the occurrence, if it is one",
        "cause": "the same as `episode:12` or `occurrence:7`, a key without NULL",
        "action": "number and kind of the action in its play, such as `0:slack`",
        "destination": "where the delivery goes",
    },
    "paces": {
        "name": "destination and channel, or the destination alone",
        "free_at": "when the next send may leave",
        "held_until": "until when the destination asked to be left alone",
    },
    "storm_answers": {
        "run_id": "the run whose deliveries were held",
        "answer": "`approved` (they went out), `rejected` (they were suppressed) or `digest` (one message instead)",
        "who": "who answered: the login in Airflow or on the page, the system's user on the command line",
        "why": "the reason given",
        "origin": "`airflow`, `page` or `cli`: where it was answered",
        "answered_at": "when",
        "deliveries": "how many deliveries were still held and followed the answer",
    },
    "discrepancies": {
        "what": "`missing` (delivered, and not there any more), `doubled`, `unknown` (nobody decided it), `undue` "
        "(there although its delivery is dead, suppressed or has never left), `undelivered` (announced without a "
        "delivery) or `overdue`",
        "about": "the delivery's key, or the episode: `episode:12`",
        "destination": "name in the settings; empty where it is about none",
        "place": "where it stands, or should: a channel, a thread in it, the tasks",
        "delivery_id": "the delivery, where the ledger knows one",
        "detail": "in words",
        "happened_at": "when the effect was, or should have been",
        "found_at": "when it was first found",
        "seen_at": "when it was last found",
        "told_at": "when ops were told of it; NULL: not yet",
        "cleared_at": "when it was no longer found; NULL: open",
        "cleared_why": "`gone`: it is in order again; `aged`: it is older than reconciliations look",
        "clearing_told_at": "when ops were told that it is in order again",
        "telling_until": "until then somebody is telling ops, and nobody else does",
    },
    "ops_states": {
        "name": "`dag:`, `source:`, `quarantine:`, `volume:`, `destination:` or `reconcile:` and a name, `storm:` and "
        "a run, `outbox:unclear`",
        "state": "`ok`, `failed`, `late`, `low`, `high`, `held` or `unclear`",
        "since": "since when",
        "told_at": "when ops were told of it; NULL: not yet",
        "telling_until": "until then somebody is telling ops, and nobody else does",
    },
}


def meaning(table: str, column: str) -> str:
    """What the column holds. KeyError if nobody has said it."""
    own = COLUMNS.get(table, {})
    return own[column] if column in own else EVERYWHERE[column]
