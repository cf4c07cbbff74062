"""Reasons in the words a sales rep would use."""

from __future__ import annotations

import pytest

from pql.scoring import condition_tree, reasons

SIGNALS = """
signals:
  habit: {active_days: message_sent, last: 7d}
  messages: {count: message_sent}
  actions: {count: any_event, last: 30d}
  invites: {count: teammate_invited}
  saw_pricing: {count: pricing_viewed, last: 14d}
  teammates: {users: any_event, last: 30d}
  senders: {users: message_sent, last: 7d}
  habitual_users: {active_days: message_sent, last: 7d, per: user, min: 5}
  heavy_users: {count: message_sent, last: 7d, per: user, min: 10}
  features_used: {distinct: [message_sent, call_ended, teammate_invited]}
  tools: {distinct: tool_connected.tool}
  call_minutes: {sum: call_ended, last: 30d}
  call_length: {average: call_ended}
  quiet_days: {days_since: any_event}
  first_message: {time_to: message_sent}
  momentum_pct: {change: message_sent, last: 7d}
  seats_used_pct: {share: teammates, of: plan_seats}
  employees: {attribute: employees}
  free_mail: {attribute: is_free_mail}
  industry: {attribute: industry}
criteria: {value: {messages: {min: 1}}}
"""


@pytest.mark.parametrize(
    ("signal", "value", "text"),
    [
        ("habit", 6.0, "messages on 6 of the last 7 days"),
        ("messages", 2143.0, "2,143 messages sent"),
        ("messages", 1.0, "1 message sent"),
        ("actions", 340.0, "340 actions in the last 30 days"),
        ("invites", 12.0, "12 teammates invited"),
        ("saw_pricing", 3.0, "pricing viewed 3 times in the last 14 days"),
        ("teammates", 12.0, "12 people active in the last 30 days"),
        ("senders", 1.0, "1 person sent messages in the last 7 days"),
        ("habitual_users", 3.0, "3 people with messages on 5 or more of the last 7 days"),
        ("heavy_users", 2.0, "2 people with 10 or more messages sent in the last 7 days"),
        ("features_used", 2.0, "2 of 3 features used"),
        ("tools", 4.0, "4 different tools"),
        ("call_minutes", 340.0, "340 minutes (calls) in the last 30 days"),
        ("call_length", 12.5, "12.5 minutes per call"),
        ("quiet_days", 9.0, "no activity for 9 days"),
        ("quiet_days", 0.0, "last activity today"),
        ("first_message", 3.2, "first message sent 3 hours after signup"),
        ("momentum_pct", -40.0, "messages sent down 40 % on the 7 days before"),
        ("seats_used_pct", 83.3, "83.3 % of plan seats used"),
        ("employees", 240.0, "240 employees"),
        ("employees", 1.0, "1 employee"),
        ("call_minutes", 1.0, "1 minute (calls) in the last 30 days"),
        ("free_mail", True, "free mail"),
        ("free_mail", False, "not free mail"),
        ("industry", "software", "industry: software"),
        ("employees", None, "employees unknown"),
    ],
)
def test_a_signal_reads_like_a_sentence(define, scored, signal, value, text):
    """PRODUCT-A2: every measure has words of its own; what is unknown says so (SEM-M4)."""
    body = SIGNALS + f"score:\n  value: [{{signal: {signal}, points: 5, when: {{exists: true}}}}]\n"
    other = {f"signal.{s.name}": None for s in define(body).signals}
    row = scored(body, other | {f"signal.{signal}": value}).iloc[0]
    assert [r.text for r in reasons(define(body), row)] == [text]


def test_gains_come_first_and_what_is_unknown_last(define, scored):
    """Strongest gain first, strongest loss next, unknown last; a known zero is left out unless asked for (SEM-M4)."""
    body = (
        SIGNALS
        + """
score:
  fit:
    - {signal: free_mail, is: true, points: -5, title: admin on free mail}
    - {signal: employees, min: 50, points: 10}
  value:
    - {signal: habit, min: 3, points: 20}
    - {signal: invites, points: 1, per: 1, title: "{value} colleagues"}
    - {signal: saw_pricing, min: 1, points: 10}
"""
    )
    known = {"signal.free_mail": True, "signal.employees": None, "signal.habit": 6.0, "signal.invites": 12.0}
    other = {f"signal.{s.name}": 0.0 for s in define(body).signals}
    row = scored(body, other | known).iloc[0]
    assert [(r.points, r.text) for r in reasons(define(body), row)] == [
        (20, "messages on 6 of the last 7 days"),
        (12, "12 colleagues"),
        (-5, "admin on free mail"),
        (0, "employees unknown"),
    ]
    assert (0, "pricing viewed 0 times in the last 14 days") in {
        (r.points, r.text) for r in reasons(define(body), row, zeros=True)
    }


def test_the_tree_shows_the_path_through_qualify(define, scored):
    """SEM-M4: each step is true, false or unknown, with what was found beside what was asked."""
    body = (
        SIGNALS.replace("criteria: {value: {messages: {min: 1}}}\n", "")
        + """
criteria:
  fit: {employees: {min: 10}}
  value: {any: [{habit: {min: 5}}, {messages: {min: 100}}, {free_mail: {is: false}}]}
"""
    )
    other = {f"signal.{s.name}": 0.0 for s in define(body).signals}
    row = scored(body, other | {"signal.employees": None, "signal.free_mail": True, "signal.habit": 6.0}).iloc[0]
    root = condition_tree(define(body), row)
    assert root.verdict == "false"
    path = root.parts[-1]
    assert [(p.text, p.verdict) for p in path.parts] == [("fit", "unknown"), ("value", "true")]
    assert path.parts[0].parts[0].text == "employees at least 10 (employees unknown)"
    found = path.parts[1].parts[0].parts
    assert [(p.text, p.verdict) for p in found] == [
        ("habit at least 5 (messages on 6 of the last 7 days)", "true"),
        ("messages at least 100 (0 messages sent)", "false"),
        ("free_mail is false (free mail)", "false"),
    ]
