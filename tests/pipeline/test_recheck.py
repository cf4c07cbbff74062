"""The world asked at the moment of sending: entry, deals, and who owns the account now (SEM-W4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.pipeline.conftest import DANA, DECIDED_AT, MAREK, claim_of

from pql.clients.http import RemoteError
from pql.pipeline.recheck import Rechecker
from pql.types import Alert, UserError


@pytest.mark.parametrize(
    ("rule", "now", "said"),
    [
        ("exclude: {attributes: {plan: [Pro]}}", {"plan": "pro"}, "excluded now: plan is pro"),
        ("exclude: {attributes: {lifecycle_stage: [Customer]}}", {"lifecyclestage": "customer"}, "excluded now: "),
        ("exclude: {attributes: {seats: [50.0]}}", {"plan_seats": "50"}, "excluded now: seats is 50"),
        ("exclude: {attributes: {domain: [acme.com]}}", {"domain": "ACME.com"}, "excluded now: domain is "),
        ("only: {plan: [Free, Trial]}", {"plan": "pro"}, "no longer eligible: plan is pro"),
        ("exclude: {domains: [rival.com]}", {"domain": "eu.rival.com"}, "excluded now: the domain is eu.rival.com"),
    ],
)
def test_what_scoring_would_exclude_is_not_announced(desk, company, rule, now, said):
    """SEM-W4: values of the moment are compared as scoring compares them: case and number format do not matter."""
    objection = desk.says(more=rule, **company(**now))
    assert isinstance(objection, str)
    assert objection.startswith(said)


@pytest.mark.parametrize(
    ("rule", "now"),
    [
        ("only: {plan: [Free, Trial]}", {"plan": "free"}),
        ("only: {seats: [50]}", {"plan_seats": "50"}),
        ("only: {plan: [Free]}", {}),
        ("exclude: {attributes: {plan: [Pro]}, domains: [rival.com]}", {"plan": "free", "domain": "notrival.com"}),
    ],
)
def test_what_scoring_would_let_in_is_announced(desk, company, rule, now):
    """SEM-W4: an allowed value in another spelling is allowed, and unknown is not failing."""
    assert isinstance(desk.says(more=rule, **company(**now)), Alert)


@pytest.mark.parametrize(
    ("more", "settings", "alert", "said"),
    [
        ("exclude: {accounts: [org:7]}", "", {"account_key": "org:7"}, "excluded now: the account is org:7"),
        ("exclude: {domains: [rival.com]}", "", {"domain": "rival.com"}, "excluded now: the domain is rival.com"),
        ("", "own_domains: [acme.test]", {"domain": "eu.acme.test"}, "eu.acme.test is one of our own or test domains"),
        ("", "own_domains: [acme.test]", {"account_key": "domain:acme.test"}, "acme.test is one of our own or test"),
    ],
)
def test_exclusions_made_since_stop_it_without_a_crm_record(desk, more, settings, alert, said):
    """SEM-W4: domains and accounts excluded, in definition or settings, after the decision are not announced."""
    objection = desk.says(more=more, settings=settings, **alert)
    assert isinstance(objection, str)
    assert said in objection


@pytest.mark.parametrize(
    ("before", "is_told"), [(timedelta(minutes=40), False), (timedelta(hours=2), True)], ids=["just now", "long known"]
)
def test_a_deal_won_just_before_the_decision_counts(desk, company, before, is_told):
    """SEM-W4: HubSpot's search lags, so a deal won in the hour before the decision may not have been known to it."""
    acme = company()
    won = {"dealstage": "closedwon", "closedate": (DECIDED_AT - before).isoformat()}
    desk.record("deals", {"companies": acme["crm_id"]}, dealname="Acme", **won)
    assert isinstance(desk.says(**acme), Alert) is is_told


def test_a_user_is_asked_about_with_their_company(desk, company):
    """SEM-W4: of a user subject the company's deals, snooze, not a fit and plan count as the account's do."""
    companies = {
        "deal": company(),
        "unfit": company(pql_not_a_fit="true"),
        "snoozed": company(pql_snooze_until="2026-04-01"),
        "paying": company(plan="pro"),
        "free": company(plan="free"),
    }
    desk.record("deals", {"companies": companies["deal"]["crm_id"]}, dealname="Acme", dealstage="qualifiedtobuy")
    said = {}
    for name, acme in companies.items():
        mia = desk.record("contacts", email=f"mia@{name}.com", lifecyclestage="lead")
        of_mia = {"crm_kind": "contact", "crm_id": mia, "company_id": acme["crm_id"]}
        said[name] = desk.says(more="only: {plan: [Free]}", **of_mia)
    assert isinstance(said.pop("free"), Alert)
    assert said == {
        "deal": "a colleague is closing it: the CRM has an open deal",
        "unfit": "marked not a fit in the CRM",
        "snoozed": "snoozed in the CRM until 2026-04-01",
        "paying": "no longer eligible: plan is pro",
    }


@pytest.mark.parametrize(
    ("of_company", "of_contact", "told"),
    [(MAREK, DANA, "marek"), ("", MAREK, "marek"), ("", "", "jo@relay.example")],
    ids=["the company's", "the contact's", "who it was"],
)
def test_a_user_belongs_to_the_owner_of_the_account(desk, company, of_company, of_contact, told):
    """SEM-W4: the company's owner before the contact's; where the CRM names nobody, the known owner stays."""
    acme = company(hubspot_owner_id=of_company)
    mia = desk.record("contacts", email="mia@acme.com", hubspot_owner_id=of_contact)
    said = desk.says(
        crm_kind="contact", crm_id=mia, company_id=acme["crm_id"], owner_email="jo@relay.example", owner_name="Jo"
    )
    assert isinstance(said, Alert)
    assert said.owner_email.startswith(told)


def test_a_record_that_is_gone_is_not_announced(desk, company):
    """SEM-W4: what the CRM has deleted is nobody's to call; a user whose company is gone still is somebody."""
    gone = {"crm_kind": "company", "crm_id": "999", "company_id": "999"}
    assert desk.says(**gone) == "the CRM has no company 999 any more"
    mia = desk.record("contacts", email="mia@acme.com")
    assert isinstance(desk.says(crm_kind="contact", crm_id=mia, company_id="999"), Alert)
    assert desk.says(crm_kind="contact", crm_id="998", company_id=company()["crm_id"]) == (
        "the CRM has no contact 998 any more"
    )


def test_a_missing_connection_is_said_in_words(desk, company):
    """SEM-W4: without its connection the CRM cannot be asked, and the reason says where to put it."""
    acme = company()
    with pytest.raises(UserError, match="no connection `elsewhere`"):
        desk.says(settings="    connection: elsewhere\n", **acme)


class OneRefused:
    """A CRM that refuses every question in which a record occurs; what it was asked is counted."""

    def __init__(self, kind) -> None:
        self.kind = kind
        self.asked: list[int] = []

    def many(self, claims):
        self.asked.append(len(claims))
        if any(claim.account_key == "org:2" for claim in claims):
            raise RemoteError("refused", connection_id="crm", kind=self.kind, outcome="not_sent")
        return [claim.alert for claim in claims]

    def objection(self, claim) -> str:
        return ""


@pytest.mark.parametrize(("kind", "asked", "told"), [("rejected", [3, 1, 1, 1], 2), ("unauthorized", [3], 0)])
def test_a_record_the_crm_will_not_show_stops_only_its_own(kind, asked, told):
    """SEM-W4: one refused record must not hold back those it was asked about with; a CRM that is down is asked once."""
    crm = OneRefused(kind)
    claims = [claim_of("slack", {"account_key": f"org:{n}", "crm_id": str(n)}, id=n) for n in (1, 2, 3)]
    said = Rechecker(crm, lambda: crm).many(claims)
    assert (crm.asked, sum(isinstance(each, Alert) for each in said)) == (asked, told)
    assert isinstance(said[1], RemoteError)
