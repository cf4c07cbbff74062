"""Late and corrected data: what it takes back, once and everywhere; and what is no correction and stays as it was."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest
from tests.flow.conftest import DAY, HABIT, HOUR, SETTINGS, T0, days_before
from tests.flow.test_sending import SALES, Crm, crm_story  # noqa: F401  # a story with a CRM beside the product

from pql import outbox
from pql.insight.why.explain import explain
from pql.store import blocks

NIGHT = T0 + 10 * DAY
MORNING = NIGHT + DAY


def takes_back_a_day(story, *who):
    """The product corrects its export: the newest day of each of these users was somebody else's."""
    path = story.folder / "events" / "day.ndjson"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for user in who:
        newest = max((row for row in rows if row["who"] == user), key=lambda row: row["at"])
        newest["who"] = "old"
        newest.pop("mail", None)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    story._lines += 1
    changed_at = int(T0.timestamp()) + story._lines
    os.utime(path, (changed_at, changed_at))


def announced(story, *who):
    """Each of them has acted on three days, which the night has told of."""
    for user in who or ("ada",):
        story.happens(user, *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", T0)
    assert story.run("nightly", NIGHT)["announced"] == len(who or ("ada",))


def reasons(story):
    return [row["close_reason"] for row in story.ledger()["episodes"]]


def edits(story):
    return [effect for effect in story.sandbox.effects("slack") if effect["kind"] == "slack_edit"]


def test_a_correction_takes_back_everything_once(crm_story):  # noqa: F811
    """PRODUCT-A2, A3, A4, A5: one edit, one closed task, one signed event."""
    crm_story.define(SALES.replace("crm_update: {pql_score: score}", "webhook: zapier_nudge"))
    crm = Crm(crm_story)
    crm.company("Acme")
    crm_story.run("nightly", T0)
    crm_story.happens("mia", *days_before(NIGHT, 3, 2, 1), mail="mia@acme-story.com")
    assert crm_story.run("nightly", NIGHT)["queued"] == 3
    crm_story.deliver()
    takes_back_a_day(crm_story, "mia")
    first = crm_story.run("nightly", MORNING)
    assert (first["retracted"], first["queued"], first["announced"]) == (1, 3, 0)
    assert crm_story.deliver() == {"delivered": 3}
    effects = Counter(effect["kind"] for effect in crm_story.sandbox.effects())
    wanted = {"slack": 1, "slack_edit": 1, "crm_task": 1, "crm_task_edit": 1, "webhook": 2}
    assert {kind: effects[kind] for kind in wanted} == wanted
    assert reasons(crm_story) == ["retracted"]
    _says_so_everywhere(crm_story)


def _says_so_everywhere(story):
    why = (
        "by corrected data it did not qualify on 2026-03-12 00:00: days at least 3 (active days: 2 in the last 7 days)"
    )
    effects = {effect["kind"]: effect for effect in story.sandbox.effects()}
    posted, edited = effects["slack"], effects["slack_edit"]
    blocks = edited["message"]["blocks"]
    assert (edited["ts"], edited["channel"]) == (posted["ts"], posted["channel"])
    assert blocks[0]["text"]["text"] == "~🎯 Acme just qualified · A habit~"
    assert [block["type"] for block in blocks] == ["section", "context"]
    assert why in str(blocks)
    assert edited["message"]["metadata"]["event_payload"]["key"] == posted["key"]
    task = effects["crm_task_edit"]
    assert (task["properties"]["hs_task_status"], task["key"]) == ("COMPLETED", effects["crm_task"]["key"])
    assert task["properties"]["hs_task_body"].startswith(f"<strong>No longer qualified</strong>: {why}<br>")
    alert, retracted = (e for e in story.sandbox.effects() if e["kind"] == "webhook")
    assert retracted["payload"]["type"] == "pql.retracted"
    assert retracted["payload"]["data"]["retracts"] == alert["key"] != retracted["key"]
    assert retracted["payload"]["data"]["reason"] == why


def test_whatever_runs_come_after_it_add_nothing(story):
    """PRODUCT-A5: the night again, an hour, the next night, and the night of the announcement, cleared."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    assert story.run("nightly", MORNING)["retracted"] == 1
    story.deliver()
    before = kept(story)
    for kind, at in (("nightly", MORNING), ("hourly", MORNING + HOUR), ("nightly", MORNING + DAY), ("nightly", NIGHT)):
        assert story.run(kind, at)["retracted"] == 0
        assert story.deliver() == {}
    assert kept(story) == before
    assert story.effects() == {"slack": 1, "slack_edit": 1, "webhook": 2}


def kept(story):
    ledger = story.ledger()
    return {name: ledger[name] for name in ("episodes", "deliveries", "delivery_causes")}


def test_what_was_not_sent_is_stopped(story):
    """PRODUCT-A5: the correction comes before the message has left: nobody hears of either."""
    announced(story)
    takes_back_a_day(story, "ada")
    summary = story.run("nightly", MORNING)
    assert (summary["retracted"], summary["queued"]) == (1, 0)
    assert story.deliver() == {}
    assert story.effects() == {}


def test_who_leaves_by_what_he_does_is_not_taken_back(story):
    """SEM-Q4: the announcement was right when it was made; the message stays as it is."""
    story.define(HABIT + "leave: {after: 4d}\n")
    announced(story)
    story.deliver()
    for days in (1, 5, 9):
        assert story.run("nightly", NIGHT + days * DAY)["retracted"] == 0
    story.deliver()
    assert reasons(story) == ["left"]
    assert edits(story) == []


def test_an_announcement_of_an_hour_is_taken_back_too(story):
    """PRODUCT-A2: told at noon, corrected in the night."""
    story.happens("ada", *days_before(NIGHT, 2, 1))
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    story.happens("ada", NIGHT + 11 * HOUR)
    assert story.run("hourly", NIGHT + 12 * HOUR)["announced"] == 1
    story.deliver()
    takes_back_a_day(story, "ada")
    assert story.run("hourly", NIGHT + 13 * HOUR)["retracted"] == 0
    assert story.run("nightly", MORNING)["retracted"] == 1
    story.deliver()
    assert len(edits(story)) == 1


def test_what_was_true_by_the_end_of_its_day_stays(story):
    """PRODUCT-A2: the third day's event moves to the evening: told some hours early is not told wrongly."""
    story.happens("ada", *days_before(NIGHT, 2, 1))
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    story.happens("ada", NIGHT + 11 * HOUR)
    story.run("hourly", NIGHT + 12 * HOUR)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.happens("ada", NIGHT + 20 * HOUR)
    for days in (1, 7):
        assert story.run("nightly", NIGHT + days * DAY)["retracted"] == 0
    assert edits(story) == []


def test_other_rules_take_nothing_back(story):
    """SEM-Q5: by the new rules it had never qualified; an edit of the rules is no correction of data."""
    announced(story)
    story.deliver()
    story.define(HABIT.replace("min: 3", "min: 4"))
    takes_back_a_day(story, "ada")
    assert story.run("nightly", MORNING)["retracted"] == 0
    assert story.deliver() == {}


PAYING = HABIT.replace("signals:", "signals:\n  plan: {attribute: plan}").replace(
    "score:\n  value: [", "score:\n  fit: [{signal: plan, points: 40, when: {is: pro}}]\n  value: ["
) + "qualify: {score: {min: 50}}\n"  # fmt: skip
WITH_PLANS = SETTINGS.replace("id: id,", "id: id, account_traits: {plan: plan},")


@pytest.mark.parametrize(("plan", "retracted"), [("free", 1), (None, 0)])
def test_what_is_unknown_now_takes_nothing_back(story, plan, retracted):
    """SEM-M4: a plan that turns out to be another is a correction, a plan that nobody knows any more is none."""
    story.settings(WITH_PLANS)
    story.define(PAYING)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1), org="acme", plan="pro")
    story.run("nightly", T0)
    assert story.run("nightly", NIGHT)["announced"] == 1
    story.deliver()
    path = story.folder / "events" / "day.ndjson"
    path.write_text(path.read_text().replace('"plan": "pro"', f'"plan": {json.dumps(plan)}'))
    os.utime(path, (1, 1))
    assert story.run("nightly", MORNING)["retracted"] == retracted


def test_while_a_source_is_missing_nothing_is_taken_back(story):
    """SEM-D2: that it did not qualify rests on absence, which counts only when every source has been read."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.settings(SETTINGS.replace("destinations:", SETTINGS.split("sources:")[1].split("destinations:")[0].replace(
        "product:", "billing:").replace("events/*", "bills/*").strip("\n") + "\ndestinations:"))  # fmt: skip
    project = story.open()
    from pql import pipeline

    story.now = MORNING
    pipeline.ingest(project, "product", as_of=MORNING, now=MORNING, kind="nightly")
    project.close()
    assert story.run("nightly", MORNING, read=False)["retracted"] == 0
    story.settings(SETTINGS)
    assert story.run("nightly", MORNING, read=False)["retracted"] == 1


def test_history_takes_nothing_back(story):
    """SEM-D6: a night older than the horizon decides nothing, whatever is known today."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.now = NIGHT + 9 * DAY
    before = story.ledger("sources", "dirty_marks", "counters")
    assert story.run("nightly", MORNING)["live"] is False
    assert story.ledger("sources", "dirty_marks", "counters") == before
    assert story.deliver() == {}


def test_an_old_announcement_is_let_be(story):
    """PRODUCT-A2: `retract_within_days` after it, nothing is taken back any more; 0 takes nothing back at all."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.settings("retract_within_days: 0\n" + SETTINGS)
    assert story.run("nightly", MORNING)["retracted"] == 0
    story.settings("retract_within_days: 2\n" + SETTINGS)
    assert story.run("nightly", NIGHT + 3 * DAY)["retracted"] == 0
    story.settings("retract_within_days: 4\n" + SETTINGS)
    assert story.run("nightly", NIGHT + 4 * DAY)["retracted"] == 1


def test_a_block_ends_the_stay_without_an_edit(story):
    """SEM-Q4: what a person says of an account ends its stay at once; the message was right and stays."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.do(lambda c: blocks.block(c, "user:ada", "not_a_fit", reason="", origin="cli", now=story.now))
    story.run("nightly", MORNING)
    assert reasons(story) == ["blocked"]
    assert story.deliver() == {}


def test_too_many_at_once_are_held(story):
    """PRODUCT-A6: a night that would take back more than the cap asks a person first; released, each goes once."""
    story.settings("storm_floor: 4\nstorm_factor: 1\n" + SETTINGS)
    announced(story, "ada", "bob", "cyd")
    story.deliver()
    story.settings("storm_floor: 2\nstorm_factor: 0\n" + SETTINGS)
    takes_back_a_day(story, "ada", "bob", "cyd")
    summary = story.run("nightly", MORNING)
    assert (summary["retracted"], summary["queued"], summary["held"]) == (3, 0, 6)
    assert summary["held_because"] == ["3 announcements would be taken back at once"]
    assert story.deliver() == {}
    assert story.do(lambda connection: outbox.release_held(connection, now=story.now)) == 6
    story.deliver()
    assert len(edits(story)) == 3


def test_a_rightful_announcement_comes_after_it(story):
    """SEM-D3, Q4: there is no cooldown: once it truly qualifies, that is told, in a message of its own."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.run("nightly", MORNING)
    story.deliver()
    story.happens("ada", MORNING + HOUR)
    assert story.run("hourly", MORNING + 2 * HOUR)["announced"] == 1
    story.deliver()
    posted = [effect for effect in story.sandbox.effects("slack") if effect["kind"] == "slack"]
    assert len(posted) == 2
    assert "thread_ts" not in posted[1]["message"]


def test_a_correction_taken_back_is_told_again(story):
    """SEM-D3: the first export was right after all: what was told was struck out, so that it is true is news."""
    announced(story)
    story.deliver()
    right = (story.folder / "events" / "day.ndjson").read_text()
    takes_back_a_day(story, "ada")
    story.run("nightly", MORNING)
    (story.folder / "events" / "day.ndjson").write_text(right)
    assert story.run("nightly", MORNING + DAY)["announced"] == 1


def test_why_says_that_it_was_taken_back(story):
    """PRODUCT-Q5: the stay that is over, and the one that goes on at an earlier moment, say it in words."""
    announced(story)
    story.deliver()
    takes_back_a_day(story, "ada")
    story.run("nightly", MORNING)
    story.deliver()
    project = story.open()
    (after,) = explain(project, "user:ada", as_of=MORNING, now=MORNING + HOUR)
    (then,) = explain(project, "user:ada", as_of=NIGHT + HOUR, now=MORNING + HOUR)
    project.close()
    back = "taken back on 2026-03-13 00:00: by corrected data it did not qualify then"
    assert after["alert"] == f"no alert: the announcement of 2026-03-12 00:00 was {back}"
    assert then["alert"] == f"announced: it newly qualified as of 2026-03-12 00:00; {back}"


RISING = HABIT.replace("plays:", """plays:
  - play: Rising
    on: {score_up: 20, in: 7d}
    if: {score: {min: 50}}
    do:
      - slack: {channel: "#pql-mid", broadcast: true}
""").replace("[{signal: days, points: 10, per: 1}]", "[{signal: days, points: 10, per: 1}]\nreturn: {after: 4d}\nleave: {after: 3d}")  # fmt: skip  # noqa: E501


def test_days_later_a_move_of_the_score_goes_into_the_thread(story):
    """PRODUCT-A2: three days after the announcement the next event stands in its thread, and in the channel, too."""
    story.define(RISING)
    announced(story)
    story.deliver()
    story.happens("ada", *(NIGHT + day * DAY + 10 * HOUR for day in (0, 1, 2)))
    story.run("nightly", NIGHT + 3 * DAY)
    story.deliver()
    first, *later = story.sandbox.effects("slack")
    assert [effect["message"].get("thread_ts") for effect in later] == [first["ts"]]
    assert "score up" in later[0]["message"]["text"]
    assert (later[0]["at"][:10], later[0]["message"].get("broadcast")) == ("2026-03-15", True)
