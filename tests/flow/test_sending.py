"""Between deciding and sending: what a person did meanwhile counts, and one person gets one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.flow.conftest import DAY, HABIT, HOUR, SETTINGS, T0, Story, another, days_before

from pql import outbox
from pql.sandbox.credentials import HUBSPOT_TOKEN
from pql.store import blocks

NIGHT = T0 + 5 * DAY

WITH_CRM = SETTINGS.replace(
    "destinations:",
    "  crm: {kind: hubspot, account_id_property: product_account_id, attributes: {plan: plan}}\ndestinations:\n"
    "  hubspot: {kind: hubspot}",
)
SALES = (
    HABIT.split("plays:")[0]
    + """
exclude:
  attributes: {lifecycle_stage: [customer]}
plays:
  - play: Tell sales
    on: newly_qualified
    do:
      - slack: {channel: "#pql-mid", mention: owner}
      - crm_task: {due: 1 business day, subject: "Call {{ account.name }}", fallback_owner: sdr@relay.example}
      - crm_update: {pql_score: score}
"""
)
DANA, MAREK = "71000001", "71000002"


class Crm:
    """People at work in the sandbox's HubSpot."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.companies: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any) -> Any:
        url = f"{self._story.sandbox.url}/hubspot/crm/v3/objects/{path}"
        answer = requests.request(
            method, url, json=body, headers={"Authorization": f"Bearer {HUBSPOT_TOKEN}"}, timeout=30
        )
        assert answer.ok, answer.text
        return answer.json()

    def company(self, name: str, **properties: str) -> None:
        """A company comes into the CRM; its people write from <name>-story.com."""
        given = {"name": name, "domain": f"{name.lower()}-story.com", "hubspot_owner_id": DANA, **properties}
        self.companies[name] = self.call("POST", "companies", {"properties": given})["id"]

    def change(self, name: str, **properties: str) -> None:
        """Somebody edits the company."""
        self.call("PATCH", f"companies/{self.companies[name]}", {"properties": properties})

    def deal(self, name: str, stage: str) -> None:
        """Somebody opens a deal with the company, or wins one."""
        to = {"to": {"id": self.companies[name]}}
        types = {"types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 341}]}
        given = {"dealname": name, "dealstage": stage, "closedate": self._story.now.isoformat()}
        self.call("POST", "deals", {"properties": given, "associations": [{**to, **types}]})


@pytest.fixture
def crm_story(new_story: Callable[..., Story]) -> Story:
    """A story with HubSpot beside the product, whose play writes there as well."""
    story = new_story(definition=SALES, settings=WITH_CRM)
    story.happens("old", *days_before(T0, 20, 19, 18))
    return story


def decided(story: Story, crm: Crm) -> dict[str, Any]:
    """Everybody in the CRM has made it a habit; the baseline was before, the night has decided, nothing is sent."""
    story.run("nightly", T0)
    for name in crm.companies:
        mail = f"mia@{name.lower()}-story.com"
        story.happens(f"mia-{name}", *days_before(NIGHT, 3, 2, 1), mail=mail)
    summary = story.run("nightly", NIGHT)
    story.now = NIGHT + HOUR
    return summary


def states(story: Story) -> dict[tuple[str, str], tuple[str, str | None]]:
    """(company, kind) → (state, reason) of every delivery."""
    rows = story.ledger()["deliveries"]
    return {(row["alert"]["account_name"], row["kind"]): (row["state"], row["reason"]) for row in rows}


def test_what_people_did_meanwhile_is_respected(crm_story):
    """SEM-W4, Q4: snooze, not a fit, a deal open or won, an exclusion and a block stop what was already decided;
    a write-back is no message and goes on beside a deal."""
    crm = Crm(crm_story)
    for name in ("Free", "Snoozed", "Unfit", "Closing", "Won", "Customer", "Blocked"):
        crm.company(name)
    assert decided(crm_story, crm)["announced"] == 7
    crm.change("Snoozed", pql_snooze_until="2026-04-01")
    crm.change("Unfit", pql_not_a_fit="true")
    crm.change("Customer", lifecyclestage="customer")
    crm.deal("Closing", "qualifiedtobuy")
    crm.deal("Won", "closedwon")
    key = f"crm:{crm.companies['Blocked']}"
    crm_story.do(lambda c: blocks.block(c, key, "block", reason="partner", origin="cli", now=crm_story.now))
    crm_story.deliver()
    found = states(crm_story)
    assert {name for (name, _), (state, _) in found.items() if state == "delivered"} == {"Free", "Closing", "Won"}
    assert {kind for (name, kind), (state, _) in found.items() if name != "Free" and state == "delivered"} == {
        "crm_update"
    }
    assert {name: found[name, "slack"][1] for name in crm.companies if name != "Free"} == {
        "Snoozed": "snoozed in the CRM until 2026-04-01",
        "Unfit": "marked not a fit in the CRM",
        "Closing": "a colleague is closing it: the CRM has an open deal",
        "Won": "already won: the CRM has a deal won since",
        "Customer": "excluded now: lifecycle_stage is customer",
        "Blocked": "blocked: block (partner)",
    }
    assert crm_story.told() == ["Free"]
    tasks = [
        e["properties"]["hs_task_subject"] for e in crm_story.sandbox.effects("hubspot") if e["kind"] == "crm_task"
    ]
    assert tasks == ["Call Free"]
    crm_story.run("hourly", NIGHT + HOUR)
    ended = {"Snoozed": "blocked", "Unfit": "blocked", "Won": "won", "Customer": "excluded"}
    assert close_reasons(crm_story, crm) == {"Free": None, "Closing": None, "Blocked": None, **ended}
    crm_story.run("nightly", NIGHT + DAY)  # a block from the command line is no fact of an account: nobody is marked
    assert close_reasons(crm_story, crm) == {"Free": None, "Closing": None, "Blocked": "blocked", **ended}


def close_reasons(story: Story, crm: Crm) -> dict[str, str | None]:
    """Why the stay of each company ended."""
    reasons = {row["subject_key"]: row["close_reason"] for row in story.ledger()["episodes"]}
    return {name: reasons[f"crm:{id}"] for name, id in crm.companies.items()}


def test_a_user_is_not_announced_while_a_colleague_closes_the_company(crm_story):
    """SEM-W1, W4: of a user definition the alert is about a contact; deals and owner are the company's."""
    crm_story.define(SALES.replace("status: live", "status: live\nsubject: user"))
    crm = Crm(crm_story)
    for name in ("Free", "Closing"):
        crm.company(name)
        mail = {"email": f"mia@{name.lower()}-story.com", "firstname": name}
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
        to_company = {"to": {"id": crm.companies[name]}, "types": types}
        crm.call("POST", "contacts", {"properties": mail, "associations": [to_company]})
    assert decided(crm_story, crm)["announced"] == 2
    crm.deal("Closing", "qualifiedtobuy")
    crm.change("Free", hubspot_owner_id=MAREK)
    crm_story.deliver()
    rows = [row for row in crm_story.ledger()["deliveries"] if row["kind"] == "slack"]
    said = {row["account_key"]: (row["alert"]["crm_kind"], row["state"], row["alert"]["owner_email"]) for row in rows}
    assert {key: each[:2] for key, each in said.items()} == {
        f"crm:{crm.companies['Free']}": ("contact", "delivered"),
        f"crm:{crm.companies['Closing']}": ("contact", "suppressed"),
    }
    assert said[f"crm:{crm.companies['Free']}"][2].startswith("marek")


def test_the_owner_of_the_moment_is_told(crm_story):
    """SEM-W4: who owns the account when the message leaves is mentioned and gets the task."""
    crm = Crm(crm_story)
    crm.company("Passed")
    crm.company("Orphan", hubspot_owner_id="")
    decided(crm_story, crm)
    crm.change("Passed", hubspot_owner_id=MAREK)
    crm_story.deliver()
    owners = {
        e["properties"]["hs_task_subject"]: e["properties"].get("hubspot_owner_id")
        for e in crm_story.sandbox.effects("hubspot")
        if e["kind"] == "crm_task"
    }
    assert owners == {"Call Passed": MAREK, "Call Orphan": "71000005"}
    said = {
        effect["message"]["text"].split()[1]: str(effect["message"]) for effect in crm_story.sandbox.effects("slack")
    }
    assert "owner <@" in said["Passed"]
    assert "owner nobody yet" in said["Orphan"]


def test_a_definition_set_to_draft_falls_silent(story):
    """SEM-D2, W4: what it had decided and not sent is not sent, and it decides nothing more."""
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    assert story.run("nightly", NIGHT)["queued"] == 2
    story.define(HABIT.replace("status: live", "status: draft"))
    assert story.deliver() == {"suppressed": 2}
    story.happens("bob", *days_before(NIGHT + DAY, 3, 2, 1))
    assert story.run("nightly", NIGHT + DAY)["queued"] == 0
    assert story.told() == []


def test_a_typo_in_a_definition_loses_nothing(story):
    """SEM-D2, W4: while its file has an error, what a definition had decided waits; mended, it is sent."""
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", NIGHT)
    story.define(HABIT.replace("active_days: acted", "active_days: actd"))
    assert story.deliver() == {"retry": 2}
    story.define(HABIT)
    story.now += HOUR
    assert story.deliver() == {"delivered": 2}
    assert story.told() == ["ada"]


def test_an_account_the_crm_does_not_know_is_told_of_and_not_written_back(crm_story):
    """SEM-W4: without a record there is a message and a task for the stand-in; a write-back has nowhere to go."""
    crm_story.run("nightly", T0)
    crm_story.happens("ada", *days_before(NIGHT, 3, 2, 1), org="unheard-of")
    crm_story.run("nightly", NIGHT)
    crm_story.deliver()
    assert {kind: state for (_, kind), state in states(crm_story).items()} == {
        "slack": ("delivered", None),
        "crm_task": ("delivered", None),
        "crm_update": ("suppressed", "the CRM has no record of it to write to"),
    }


def test_two_definitions_make_one_message_and_a_third_answers_in_its_thread(story):
    """SEM-D5: in one run one message names both; what a third finds within the day goes under it."""
    story.define(another("other", "Another", 2), "other")
    story.define(another("more", "More of it", 4), "more")
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    assert story.run("nightly", NIGHT)["announced"] == 2
    story.deliver()
    story.happens("ada", NIGHT + HOUR)
    assert story.run("hourly", NIGHT + 2 * HOUR)["announced"] == 1
    story.deliver()
    first, second = (e["message"] for e in story.sandbox.effects("slack"))
    assert "A habit" in str(first["blocks"])
    assert "Another" in str(first["blocks"])
    assert "thread_ts" not in first
    assert second["thread_ts"] == story.sandbox.effects("slack")[0]["ts"]
    assert "More of it" in str(second["blocks"])


def test_an_answer_lost_on_the_way_is_looked_for_not_sent_again(story):
    """SEM-D5: Slack posted and the connection broke: the message is found by its key; a webhook repeats its id
    (PRODUCT-A5)."""
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", NIGHT)
    story.sandbox.fail("chat.postMessage", "lost")
    story.sandbox.fail("/webhook/", "unavailable")
    first = story.deliver()
    story.now = NIGHT + 2 * HOUR
    second = story.deliver()
    assert first == {"ambiguous": 2} or first == {"ambiguous": 1, "retry": 1}
    assert second == {"delivered": 2}
    assert story.told() == ["ada"]
    assert story.effects() == {"slack": 1, "webhook": 1}


def test_an_expired_token_loses_nothing(story):
    """SEM-D5: with Slack refusing, the deliveries wait with a reason that names the connection (PRODUCT-A5)."""
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", NIGHT)
    story.sandbox.fail("/slack/", "unauthorised")
    story.deliver()
    waiting = {row["kind"]: row for row in story.ledger()["deliveries"]}
    assert waiting["webhook"]["state"] == "delivered"
    assert waiting["slack"]["state"] == "pending"
    assert "slack_default" in waiting["slack"]["reason"]
    story.now = NIGHT + 6 * HOUR
    story.deliver()
    assert story.told() == ["ada"]


def test_too_many_at_once_are_held_until_somebody_says_so(story):
    """SEM-D3: a run that would announce more than the cap announces nobody; released, each is told once
    (PRODUCT-A6)."""
    story.settings("storm_floor: 3\n" + SETTINGS)
    story.run("nightly", T0)
    for number in range(4):
        story.happens(f"u{number}", *days_before(NIGHT, 3, 2, 1))
    summary = story.run("nightly", NIGHT)
    assert (summary["queued"], summary["held"]) == (0, 8)
    assert (summary["announced"], summary["accounts_told_of"]) == (0, 0)
    assert story.deliver() == {}
    assert story.run("nightly", NIGHT)["held"] == 0
    assert story.do(lambda connection: outbox.release_held(connection, now=story.now)) == 8
    story.deliver()
    assert story.told() == ["u0", "u1", "u2", "u3"]
