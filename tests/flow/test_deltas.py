"""What a message says about the change of a score: read from the nightly snapshots, by way of whole runs."""

from __future__ import annotations

from tests.flow.conftest import DAY, HOUR, T0, days_before

NIGHT = T0 + 7 * DAY


def deltas(story):
    """(since last night, in 7 days) as the queued deliveries have them, which all say the same."""
    (said,) = {
        (row["alert"]["score_delta_night"], row["alert"]["score_delta_week"]) for row in story.ledger()["deliveries"]
    }
    return said


def test_deltas_are_read_from_the_nightly_snapshots(story):
    """SEM-S3: at noon, the score against last night's and that of seven nights ago; they are not stored."""
    story.happens("ada", *days_before(T0, 2), *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", T0)
    story.run("nightly", NIGHT - DAY)
    noon = NIGHT - 12 * HOUR
    story.run("hourly", noon)
    snapshot = story.snapshot("hourly", noon).set_index("subject_key")
    assert snapshot.loc["user:ada", "score"] == 30
    assert deltas(story) == (10, 20)
    assert not [column for column in snapshot.columns if "delta" in column]


def test_without_a_snapshot_a_delta_is_unknown(story):
    """SEM-S3: a night that did not run gives no delta, although the events of then are there."""
    story.happens("ada", *days_before(T0, 2), *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    assert deltas(story) == (None, 20)
