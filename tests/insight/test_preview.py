"""A preview told as a story worked out by hand, and the law that it announces what a replay announces."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from pql import insight, pipeline, store
from pql.insight.previewing.course import Course, go_through
from pql.insight.previewing.notes import notes
from pql.insight.previewing.page import page
from pql.insight.previewing.period import Period, choose_period
from pql.insight.previewing.purchases import Purchases
from pql.pipeline.project import Project
from pql.settings import Paths
from pql.store.tables import episodes
from pql.types import UserError

T0 = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = T0 + 9 * DAY

SETTINGS = """
sources:
  product:
    kind: files
    path: events/*.ndjson
    emits:
      - {event: what, time: at, user: who, account: org, id: id, user_traits: {email: mail}}
  crm: {kind: hubspot}
"""

OLD = """
definition: habit
title: A habit
status: live
events: {acted: Act, read: Read}
size: {by: employees, from: {small: 0, large: 500}, unknown: small}
signals:
  days: {active_days: acted, last: 7d, title: active days}
  reads: {count: read, last: 7d}
criteria:
  value: {days: {min: 3}}
score:
  value: [{signal: days, points: 10, per: 1}]
plays:
  - play: Tell sales
    on: newly_qualified
    do: [{slack: {channel: "#pql"}}]
"""

NEW = OLD.replace("value: {days: {min: 3}}", "value: {days: {min: 2}, reads: {min: 1}}").replace("live", "draft")

# Who acts on which days of March (0 is the last of February, −1 the day before), and who reads.
ACTS = {
    "alpha": (2, 3, 4),
    "beta": (3, 5),
    "gamma": (3, 4, 5),
    "delta": (2, 3, 4),
    "epsilon": (-1, 0, 1),
    "zeta": (0, 1, 3),
    "eta": (5, 6),
}
READS = {"alpha": 2, "beta": 5, "epsilon": 0, "zeta": 1, "eta": 6}


def morning(day: int) -> datetime:
    """Ten o'clock on that day of March."""
    return T0 + (day - 2) * DAY + 10 * HOUR


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story's folder: settings, the live definition, the draft; no events yet."""
    made = begun(tmp_path_factory.mktemp("story"), SETTINGS, OLD)
    (made / "new.yaml").write_text(NEW)
    return made


def begun(folder: Path, settings: str, definition: str) -> Path:
    """A project's folder without events."""
    (folder / "definitions").mkdir()
    (folder / "events").mkdir()
    (folder / "settings.yaml").write_text(settings)
    (folder / "definitions" / "habit.yaml").write_text(definition)
    return folder


def opened(folder: Path, events: list[dict[str, object]]) -> Project:
    """The project with these events in its lake and a fresh ledger."""
    lines = [json.dumps({"id": f"e{n}", **event}, default=str) + "\n" for n, event in enumerate(events)]
    (folder / "events" / "all.ndjson").write_text("".join(lines))
    paths = Paths(
        settings=folder / "settings.yaml",
        definitions=folder / "definitions",
        lake=str(folder / "lake"),
        ledger=f"sqlite:///{folder / 'ledger.db'}",
    )
    pipeline.init(paths)
    project = pipeline.open_project(paths, lambda id: pytest.fail("a preview asks nobody outside"))
    pipeline.ingest(project, "product", as_of=NOW, now=NOW, kind="nightly")
    return project


@pytest.fixture(scope="module")
def project(folder: Path) -> Iterator[Project]:
    """The story's project: seven accounts, six of them in the CRM, three of which bought at some time."""
    made = [
        {"at": morning(day), "who": f"{org}-user", "what": what, "org": org}
        for what, days in (("Act", ACTS), ("Read", {org: (day,) for org, day in READS.items()}))
        for org, on in days.items()
        for day in on
    ]
    found = opened(folder, [*made, {"at": T0 + 8 * DAY + HOUR, "who": "nobody", "what": "Other"}])
    companies = ", ".join(
        f"('{org}', '{org.title()}', {700 if org == 'beta' else 20}, {bought}, '{org}', TIMESTAMP '2025-01-01')"
        for org, bought in {
            **dict.fromkeys(("alpha", "gamma", "epsilon", "zeta"), "NULL"),
            "beta": "TIMESTAMP '2026-03-07 12:00'",  # a day and a half after its alert
            "delta": "TIMESTAMP '2025-06-01'",
        }.items()
    )
    with closing(found.lake.connect()) as lake:
        filed = {"source": "crm", "kind": "snapshot", "filed_at": T0 + 8 * DAY}
        found.lake.file_crm(lake, _accounts(companies), object="accounts", **filed)  # type: ignore[arg-type]
        found.lake.file_crm(lake, _won_deal("gamma", "2026-03-08 15:00"), object="deals", **filed)  # type: ignore[arg-type]
    yield found
    found.close()


def _accounts(rows: str) -> str:
    return f"""
        SELECT id, name, NULL AS domain, employees, NULL AS owner_id, NULL AS lifecycle_stage,
               became_customer_at::TIMESTAMP AS became_customer_at, external_account_id, NULL AS not_a_fit,
               NULL AS snooze_until, created_at, created_at AS updated_at, false AS archived, NULL AS properties
        FROM (VALUES {rows}) AS t(id, name, employees, became_customer_at, external_account_id, created_at)"""


def _won_deal(account: str, at: str) -> str:
    return f"""
        SELECT 'd1' AS id, '{account}' AS account_id, NULL AS owner_id, 'won' AS stage, true AS is_closed,
               true AS is_won, 100.0 AS amount, TIMESTAMP '2026-02-01' AS created_at,
               TIMESTAMP '{at}' AS closed_at, TIMESTAMP '{at}' AS updated_at, false AS archived"""


@pytest.fixture(scope="module")
def found(project: Project, folder: Path) -> insight.Preview:
    """The story's preview: six days of March, the draft against the live definition."""
    new = insight.read_draft(project, folder / "new.yaml")
    against = insight.choose_against(project, new, None)
    return insight.preview(project, new, against, first=T0, last=T0 + 6 * DAY, now=NOW)


def test_who_is_added_removed_and_kept_and_on_which_day(found):
    """Added is whom the old one never finds, removed whom the new one never finds; who had qualified before is kept."""
    assert {(a.name, a.group, a.new_day and a.new_day.day, a.old_day and a.old_day.day) for a in found.accounts} == {
        ("Beta", "added", 5, None),
        ("eta", "added", 6, None),
        ("Delta", "removed", None, 4),
        ("Gamma", "removed", None, 5),
        ("Alpha", "kept", 3, 4),
        ("Zeta", "kept", 1, 3),  # the new one found it before the period: silent
    }
    kept = {a.name: a for a in found.accounts if a.group == "kept"}
    assert (kept["Alpha"].days_sooner, kept["Zeta"].days_sooner) == (1, None)
    assert (kept["Zeta"].new_silent, kept["Zeta"].old_silent) == ("baseline", "")
    assert (found.sooner, found.later) == (2, 0)


def test_alerts_are_counted_day_by_day_and_add_up(found):
    """Every day of the period is there; what each announced is what its groups hold."""
    assert [(d.day.day, d.new, d.old) for d in found.days] == [
        (2, 0, 0),
        (3, 1, 1),
        (4, 0, 2),
        (5, 1, 1),
        (6, 1, 0),
        (7, 0, 0),
    ]
    assert (found.new.alerts, found.new.alerts_a_day, found.new.median_a_day) == (3, 0.5, 0.5)
    assert (found.old.alerts, found.old.most_a_day, found.old.busiest_day) == (4, 2, date(2026, 3, 4))
    assert (found.new.already_qualified, found.old.already_qualified) == (2, 1)  # Epsilon, and Zeta by the new one
    assert found.new.announced == found.added.accounts + 1  # Alpha
    assert found.old.announced == found.removed.accounts + 2  # Alpha and Zeta


def test_who_bought_afterwards_is_told_and_nobody_who_had_bought_before(found):
    """A first purchase after the alert counts; a customer of old does not; whom the CRM does not know is unknown."""
    became = {a.name: (a.became, a.days_had) for a in found.accounts}
    assert became == {
        "Beta": ("bought", 1),
        "eta": ("unknown", None),
        "Delta": ("customer before", None),
        "Gamma": ("bought", 2),
        "Alpha": ("not yet", 6),  # from 4 March to the 10th, when the CRM was last read
        "Zeta": ("not yet", 6),
    }
    assert (found.added.bought, found.added.unknown) == (1, 1)
    assert (found.removed.bought, found.removed.customers_before, found.removed.not_yet) == (1, 1, 0)
    assert (found.new.outcome.bought, found.old.outcome.bought) == (1, 1)


def test_one_sentence_says_it_and_the_causes_are_named(found):
    """The sentence first; what the other one asked for besides is told for each and counted."""
    assert found.sentence == (
        "+2 accounts (1 of the 2 later bought), −2 (1 of the 2 later bought); "
        "0.5 alerts a day instead of 0.7, at most 1 on 2026-03-03"
    )
    assert [(c.text, c.accounts) for c in found.added_because] == [("days at least 3", 2)]
    assert [(c.text, c.accounts) for c in found.removed_because] == [("reads at least 1", 2)]
    beta = next(a for a in found.accounts if a.name == "Beta")
    assert beta.reasons == ("+20 active days: 2",) or beta.reasons[0].startswith("+20 ")


def test_segments_add_up(found):
    """By size as it was when announced: counts of the segments sum to those of the whole."""
    assert {(s.name, s.added, s.removed, s.kept, s.new_bought) for s in found.segments} == {
        ("small", 1, 2, 2, 0),
        ("large", 1, 0, 0, 1),
    }
    assert sum(s.new for s in found.segments) == found.new.announced
    assert sum(s.old for s in found.segments) == found.old.announced


def test_as_dict_is_plain(found):
    """Everything in it is JSON: days and instants are ISO text."""
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["days"][0] == {"day": "2026-03-02", "new": 0, "old": 0, "new_over_cap": False, "old_over_cap": False}
    assert plain["last"] == "2026-03-08T00:00:00+00:00"


def test_a_preview_leaves_ledger_and_score_files_alone(project, folder):
    """Nothing is decided, nothing is sent, no snapshot is written."""
    before = (folder / "ledger.db").read_bytes()
    new = insight.read_draft(project, folder / "new.yaml")
    insight.preview(project, new, None, first=T0, last=T0 + 2 * DAY, now=NOW)
    assert (folder / "ledger.db").read_bytes() == before
    assert not (folder / "lake" / "scores").exists()


def test_without_anything_to_compare_with_all_are_added(project, folder):
    """Against nothing it is a list of whom it would announce, by the day."""
    new = insight.read_draft(project, folder / "new.yaml")
    found = insight.preview(project, new, None, first=T0, last=T0 + 6 * DAY, now=NOW)
    assert found.old is None
    assert [a.name for a in found.accounts] == ["Alpha", "Beta", "eta"]
    assert found.sentence == (
        "3 accounts in 6 days (1 of the 3 later bought); 0.5 alerts a day, at most 1 on 2026-03-03"
    )


def test_by_default_it_is_the_last_complete_days_of_history(project, folder):
    """Up to the newest day that is over, from where history begins if that is less than 30 days."""
    new = insight.read_draft(project, folder / "new.yaml")
    period = choose_period(project, [new], first=None, last=None, step=DAY, now=T0 + 8 * DAY + 2 * HOUR)
    assert (period.moments[0], period.moments[-1]) == (T0 - 3 * DAY, T0 + 8 * DAY)


def test_the_page_is_one_file_and_escapes_what_comes_from_data(found):
    """Nothing remote, no scripts; a company's name cannot break out."""
    evil = replace(found.accounts[0], name="<script>alert(1)</script>")
    text = page(replace(found, accounts=(evil, *found.accounts[1:])))
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert text.count("http") == text.count('"http://www.w3.org/') + text.count("http-equiv")
    assert found.sentence in text


def test_users_and_accounts_side_by_side_are_counted_as_accounts(tmp_path):
    """A definition of users against one of accounts: what each announced is what its groups hold, in accounts."""
    people = OLD.replace("A habit", "A habit\nsubject: user").replace("min: 3", "min: 1").replace("habit", "people")
    folder = begun(tmp_path, SETTINGS.replace("  crm: {kind: hubspot}\n", ""), OLD)
    (folder / "people.yaml").write_text(people)
    first = [(who, "one", day) for who, day in (("u1", 0), ("u2", 0), ("u3", 3), ("u4", 4))]
    events = [
        {"at": morning(day), "who": who, "what": "Act", "org": org} for who, org, day in (*first, ("v", "two", 5))
    ]
    with closing(opened(folder, events)) as project:
        new = insight.read_draft(project, folder / "people.yaml")
        found = insight.preview(project, new, project.live[0], first=T0, last=T0 + 6 * DAY, now=NOW)
    assert found.unit == "account"
    assert (found.new.announced, found.added.accounts, found.kept.accounts) == (2, 1, 1)  # u3 or u4, and v
    assert found.new.outcome.accounts == 2
    assert found.new.already_qualified == 1  # u1 and u2 are of one account


AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize("read_at", [T0 + 10 * HOUR, T0 + 23 * HOUR, T0 - HOUR])
def test_the_day_one_is_told_to_begin_with_needs_no_such_advice(folder, project, found, read_at):
    """SEM-C1: what the CRM tells of plans is known from the first midnight after it was first read on, local time."""
    draft = insight.read_draft(project, folder / "new.yaml")
    course = Course(replace(draft, only=(("plan", ("trial",)),)), (), ())

    def said(begin: datetime) -> str:
        period = Period((begin, T0 + 8 * DAY), DAY, T0 + 9 * DAY, date(2026, 2, 1), read_at)
        return " ".join(notes([course], [found.new], period, Purchases(T0), "account", AMSTERDAM))

    advised = date.fromisoformat(said(T0 - 5 * DAY).split("--from ")[1][:10])
    begin = datetime.combine(advised, time(), AMSTERDAM).astimezone(UTC)
    assert "The CRM" not in said(begin)
    assert "--from" in said(begin - DAY)


def test_days_before_history_are_not_taken_for_quiet_ones(project, folder):
    """Nothing is known of them: a period that begins before is told so, one that ends before is refused."""
    new = insight.read_draft(project, folder / "new.yaml")
    found = insight.preview(project, new, None, first=T0 - 9 * DAY, last=T0 + DAY, now=NOW)
    note = "History begins on 2026-02-27: the days before are empty and make the averages look small. "
    assert note + "Begin with it: --from 2026-02-27." in found.notes
    with pytest.raises(UserError, match="before history begins on 2026-02-27"):
        insight.preview(project, new, None, first=T0 - 19 * DAY, last=T0 - 9 * DAY, now=NOW)


def test_where_nobody_ever_qualifies_it_is_said_where_to_look(project, folder, found):
    """A definition that silently does nothing is told apart from one that is quiet for a while."""
    (folder / "never.yaml").write_text(OLD.replace("min: 3", "min: 7"))
    draft = insight.read_draft(project, folder / "never.yaml")
    never = insight.preview(project, draft, None, first=T0, last=T0 + DAY, now=NOW)
    assert never.notes[0].startswith("No account qualified by the new definition at any moment, not even silently. ")
    assert f"`pql check {folder / 'never.yaml'}`" in never.notes[0]
    assert not any("at any moment" in note for note in found.notes)


WRONG = {
    "an empty period": ({"first": T0, "last": T0}, "is not before"),
    "less than a step": ({"first": T0, "last": T0 + HOUR}, "no step of --every"),
    "the future": ({"first": T0, "last": NOW + DAY}, "lies in the future"),
    "an attribute nobody gives": ({"by": "colour"}, "no source gives the attribute `colour`"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_previewed_is_said(project, folder, what):
    """A wrong period or attribute is the caller's to put right."""
    options, reason = WRONG[what]
    new = insight.read_draft(project, folder / "new.yaml")
    with pytest.raises(UserError, match=reason):
        insight.preview(project, new, None, now=NOW, **options)


# --- the law -------------------------------------------------------------------------------------------------------

FLICKERS = """
definition: habit
title: A habit
status: live
events: {acted: Act}
signals:
  days: {active_days: acted, last: 3d}
criteria: {value: {days: {min: 2}}}
score: {value: [{signal: days, points: 10, per: 1}]}
alive: 2d
leave: {after: 1d}
return: {after: 2d}
plays:
  - {play: Tell, on: newly_qualified, do: [{slack: {channel: "#pql"}}]}
  - {play: Quiet, on: {gone_quiet: 2d}, do: [{slack: {channel: "#cs"}}]}
"""


def restless(days: int) -> list[dict[str, object]]:
    """Twenty users who come and go; some of them get an e-mail, and with it another account, on the way."""
    dice = random.Random(5)  # noqa: S311  # a story, not a secret
    events: list[dict[str, object]] = []
    for n in range(20):
        joins = dice.randrange(days)
        for day in range(days):
            if dice.random() < 0.45:
                mail = {"mail": f"u{n}@firm{n % 7}.example"} if n % 3 == 0 and day >= joins else {}
                at = T0 + (day - 10) * DAY + dice.randrange(24) * HOUR
                events.append({"at": at, "who": f"u{n}", "what": "Act", **mail})
    return events


@pytest.mark.parametrize(("subject", "passes"), [("account", (250_000, 260)), ("user", (250_000,))])
def test_a_preview_announces_what_a_replay_announces(tmp_path, subject, passes):
    """SEM-D3, D6: the same stays begin at the same moments, announced or silent for the same reason; however the
    moments are taken together, and through keys that change."""
    settings = SETTINGS.replace("  crm: {kind: hubspot}\n", "")
    folder = begun(tmp_path, settings, f"subject: {subject}\n{FLICKERS}")
    with closing(opened(folder, restless(14))) as project:
        live = project.live[0]
        first, last = T0 - 4 * DAY, T0 + 3 * DAY
        period = choose_period(project, [live], first=first, last=last, step=DAY, now=NOW)
        courses = [go_through(project, [live], period, rows_a_pass=rows)[0][0] for rows in passes]
        summaries = pipeline.replay(project, [], first=first, last=last, step=DAY, now=NOW, send=False)
        with store.reading(project.engine) as connection:
            stays = connection.execute(select(episodes)).all()
    lived = sorted((s.subject_key, s.opened_as_of.replace(tzinfo=UTC), s.silent_reason or "") for s in stays)
    for course in courses:
        assert sorted((f.subject_key, f.opening.at, f.opening.silent) for f in course.finds) == lived
        told = [(t.at.isoformat(), t.accounts, t.is_storm) for t in course.told]
        assert told == [(s["as_of"], s["accounts_told_of"], bool(s["held"])) for s in summaries]
    reasons = {reason for _, _, reason in lived}
    assert {"", "baseline"} <= reasons
    assert len(lived) > len({subject for subject, _, _ in lived})  # somebody came back
