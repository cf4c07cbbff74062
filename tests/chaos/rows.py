"""What must be shown, row by row: a fault, what is expected of it, and the tests that show it."""

from __future__ import annotations

from dataclasses import dataclass

SOAK = "soak"


@dataclass(frozen=True)
class Row:
    """One row of the table of guarantees."""

    name: str  # for --only
    fault: str
    expected: str
    tests: tuple[str, ...]  # node ids without parameters; none for the soak, which is no test
    about: str = ""  # what a reader of the result has to know
    of_effects: bool = True  # what it is about are effects, so they are counted

    @property
    def needs_airflow(self) -> bool:
        """Whether a real Airflow is started for it, which takes many minutes."""
        return any(test.startswith("tests/airflow/") for test in self.tests)


_FAULTS, _AIRFLOW = "tests/faults/test_", "tests/airflow/test_"
ROWS = (
    Row(
        "lost-answers",
        "response lost after the effect, 1,000 deliveries of each kind",
        "reconciled, none posted again, 1,000 effects",
        (f"{_FAULTS}lost_answers.py::test_every_answer_is_lost_after_the_effect",),
    ),
    Row(
        "killed",
        "SIGKILL at each boundary (before claim, claimed, marked sending, sent, before receipt, after)",
        "one effect each",
        (f"{_FAULTS}killed_workers.py::test_killed_at_every_boundary",),
    ),
    Row(
        SOAK,
        "seeded soak: 10,000 deliveries, 3 destinations, 4 worker processes killed and frozen, faults at random, "
        "a simulated clock",
        "the judge of histories finds no anomaly, before and after the dead letters are played again",
        (),
        "faults, kills and work are the seed's; how the system schedules the processes is not",
    ),
    Row(
        "recovered-hour",
        "a failed live hour recovered by backfill, before and after later hours have run",
        "announced once, not suppressed (SEM-D1, D2)",
        ("tests/flow/test_recovered_hours.py::test_a_failed_hour_is_recovered_by_a_backfill",),
    ),
    Row(
        "backfill",
        "90-day backfill with reprocessing, in real Airflow, by its API",
        "no effect, the ledger's rows unchanged",
        (
            f"{_AIRFLOW}outages.py::test_ninety_days_backfilled_again_change_nothing",
            "tests/flow/test_recovered_hours.py::test_a_backfill_of_the_whole_day_adds_nothing",
        ),
    ),
    Row(
        "reruns",
        "a live run cleared and rerun five times; two runs of one hour at once (threads, processes)",
        "no new effect",
        (
            "tests/flow/test_recovered_hours.py::test_a_live_run_cleared_and_done_again_five_times",
            "tests/flow/test_recovered_hours.py::test_two_runs_of_one_hour_at_once_in_threads",
            "tests/flow/test_recovered_hours.py::test_two_runs_of_one_hour_at_once_in_processes",
            "tests/flow/test_elsewhere.py::test_four_workers_at_once_tell_it_once",
        ),
    ),
    Row(
        "orphan",
        "worker given up, its orphan goes on while the retry runs",
        "the orphan's writes are refused; one effect",
        (f"{_FAULTS}killed_workers.py::test_an_orphan_goes_on_while_the_retry_runs",),
    ),
    Row(
        "late",
        "request has its effect 45 s after the client's time-out",
        "the quiet period prevents the double",
        (f"{_FAULTS}lost_answers.py::test_a_request_that_lands_after_the_clients_time_out",),
    ),
    Row(
        "sdk-retry",
        "slack-sdk's own connection retry",
        "exactly one request leaves",
        (f"{_FAULTS}lost_answers.py::test_the_sdk_sends_one_request_and_no_second",),
        "no ledger takes part",
    ),
    Row(
        "one-channel",
        "200 messages to one channel",
        "at most one a second, all visible",
        (f"{_FAULTS}vendor_limits.py::test_two_hundred_messages_to_one_channel",),
    ),
    Row(
        "batch",
        "HubSpot 207 with mixed errors",
        "only failed rows are tried again; neighbours are done",
        (f"{_FAULTS}vendor_limits.py::test_a_batch_with_mixed_errors",),
    ),
    Row(
        "no-history",
        "history unreadable (429, empty, short page)",
        "stays ambiguous, a person is told",
        (
            f"{_FAULTS}lost_answers.py::test_a_history_that_cannot_be_read_is_no_answer",
            "tests/destinations/test_slack.py::test_history_that_proves_nothing_stays_ambiguous",
        ),
    ),
    Row(
        "scheduler",
        "scheduler killed in mid fan-out and restarted",
        "everything delivered",
        (f"{_AIRFLOW}outages.py::test_the_scheduler_dies_in_the_middle_of_a_fan_out",),
    ),
    Row(
        "down",
        "one destination down for 6 h (simulated time)",
        "the others on time; it drains at pace",
        (f"{_FAULTS}vendor_limits.py::test_one_destination_down_for_six_hours",),
    ),
    Row(
        "poison",
        "poison row (permanent 400)",
        "dead letter with its reason; replay works and is idempotent",
        (f"{_FAULTS}vendor_limits.py::test_a_poison_row_ends_as_a_dead_letter_and_can_be_played_again",),
    ),
    Row(
        "storm",
        "5,000 accounts qualify at once",
        "held; after approval all arrive; no mapped-task limit is hit",
        (f"{_FAULTS}storm.py::test_a_storm_is_held_and_after_approval_all_arrive",),
    ),
    Row(
        "no-ledger",
        "disk full, database restart, clock ±1 h",
        "fails closed: nothing leaves without its row",
        (
            f"{_FAULTS}disk_and_database.py::test_a_full_disk_fails_closed",
            f"{_FAULTS}disk_and_database.py::test_sqlite_without_room_decides_nothing_and_sends_nothing_unmarked",
            f"{_FAULTS}disk_and_database.py::test_the_database_is_restarted_while_messages_go_out",
            f"{_FAULTS}killed_workers.py::test_a_clock_an_hour_ahead_or_behind_doubles_nothing",
        ),
        "SQLite's disk is really full; PostgreSQL's is a commit that fails",
    ),
    Row(
        "content",
        "injection corpus (`<!channel>`, links, formulas, CRLF, 10,000 characters, emoji, right to left)",
        "inert, valid, nothing dropped",
        (f"{_FAULTS}hostile_content.py::test_whatever_an_account_is_called",),
    ),
    Row(
        "addresses",
        "SSRF corpus (rebinding DNS, redirects, decimal and IPv4-mapped addresses, metadata address)",
        "no connection to an address that is not public",
        (
            f"{_FAULTS}hostile_addresses.py::test_no_spelling_of_an_address_inside_is_called",
            f"{_FAULTS}hostile_addresses.py::test_a_name_that_changes_its_address_is_held_to_the_first",
            f"{_FAULTS}hostile_addresses.py::test_a_redirect_leads_nowhere",
            f"{_FAULTS}hostile_addresses.py::test_private_receivers_do_not_open_the_metadata",
        ),
    ),
    Row(
        "secrets",
        "secrets in logs, XComs, rendered fields, dead letters",
        "none found",
        (
            f"{_FAULTS}secrets.py::test_a_vendor_repeats_what_it_was_told",
            f"{_FAULTS}secrets.py::test_a_secret_would_be_found",
            f"{_AIRFLOW}real_airflow.py::test_no_secret_is_left_behind",
        ),
        of_effects=False,
    ),
)
