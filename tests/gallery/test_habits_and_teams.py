"""Gallery: habits, teams, and things set up once."""

from __future__ import annotations

from tests.gallery.conftest import NO, YES


def test_slack_by_habit(scored):
    """One person on five days of seven qualifies the account; five days by turns do not (SEM-W2)."""
    found = scored(
        "slack-habit",
        """
        mia @ acme: Message Sent ×3 on 03-09..03-13
        tom @ acme: Message Sent on 03-14
        ann @ cafe: Message Sent ×900 on 03-08..03-11
        bob @ cafe: Message Sent ×900 on 03-12..03-14
        eve @ duo: Message Sent on 03-07..03-11     # 7 March is the eighth day back
        """,
    )
    assert found == {
        "acme": (67, 50, YES),  # mia on 5 days: 1 × 20; anybody on 9..14 March = 6 days × 5 = 30; 2 of 3 stages
        "cafe": (33, 35, NO),  # ann on 4, bob on 3: nobody's habit; 7 days × 5 = 35
        "duo": (67, 20, NO),  # on 11 March it was five of seven (stage stays, SEM-A1); now 8..11 = 4 days × 5 = 20
    }


def test_messaging_app(scored):
    """Ten people, 3,000 messages and five days of the first week; each alone is missing somewhere."""
    found = scored(
        "messaging-app",
        """
        10 people @ acme: Message Sent ×60 on 03-02..03-06
        9 people @ bolt: Message Sent ×70 on 03-02..03-06
        10 people @ cafe: Message Sent ×59 on 03-02..03-06
        10 people @ cafe: Reaction Added ×20 on 03-06
        10 people @ duo: Message Sent ×75 on 03-02..03-05
        10 people @ duo: Message Sent on 03-09..03-14
        """,
    )
    assert found == {
        "acme": (100, 80, YES),  # 10 × 2 = 20; 10 × 60 × 5 = 3,000: 30; 5 days of the first 7: 30
        "bolt": (67, 79, NO),  # 9 × 2 = 18; 9 × 70 × 5 = 3,150: 31; 30. Nine are not ten
        "cafe": (67, 79, NO),  # 20; 10 × 59 × 5 = 2,950: 29; 30. Reactions are no messages
        "duo": (67, 50, NO),  # 20; 10 × 75 × 4 + 60 = 3,060: 30; 4 days of 2..8 March: nothing
    }


def test_video_conferencing(scored):
    """Five meetings of two guests on average, out of a connected calendar."""
    found = scored(
        "video-conferencing",
        """
        mia @ acme: Calendar Connected on 03-02
        mia @ acme: Meeting Scheduled, invited=1 ×3 on 03-03
        tom @ acme: Meeting Scheduled, invited=3.5 ×2 on 03-10
        liv @ bolt: Calendar Connected on 03-02
        liv @ bolt: Meeting Scheduled, invited=1 ×4 on 03-03
        liv @ bolt: Meeting Scheduled, invited=5 on 03-04
        ann @ cafe: Meeting Scheduled, invited=4 ×12 on 03-03
        """,
    )
    assert found == {
        "acme": (100, 60, YES),  # 5 × 4 = 20; (3 × 1 + 2 × 3.5) ÷ 5 = 2.0: 20; the calendar: 20
        "bolt": (75, 50, NO),  # 5 × 4 = 20; (4 × 1 + 5) ÷ 5 = 1.8: one whole person: 10; 20. 3 of 4 stages
        "cafe": (75, 80, NO),  # 12 × 4 = 48 held to 40; 4 × 10 = 40; no calendar
    }


def test_dynapictures(scored):
    """A logo and a template, whoever of the account made them; two templates are no logo."""
    found = scored(
        "dynapictures",
        """
        mia @ acme: Logo Uploaded on 03-10
        tom @ acme: Template Created on 03-12
        liv @ bolt: Template Created ×4 on 03-12
        """,
    )
    assert found == {
        "acme": (100, 60, YES),  # 40 + 1 × 20
        "bolt": (50, 60, NO),  # 4 × 20 = 80 held to 60
    }


def test_calendly(scored):
    """Ten links shared in four weeks, and a guest who booked."""
    found = scored(
        "calendly",
        """
        mia @ acme: Link Shared ×6 on 02-15
        tom @ acme: Link Shared ×4 on 03-10
        mia @ acme: Meeting Booked on 03-11
        liv @ bolt: Link Shared on 02-14            # a day too old
        liv @ bolt: Link Shared ×9 on 03-01
        liv @ bolt: Meeting Booked ×3 on 03-02
        """,
    )
    assert found == {
        "acme": (100, 85, YES),  # 10 × 4 = 40 + 1 × 5 = 45; 2 hosts × 20 = 40
        "bolt": (75, 71, NO),  # 9 × 4 = 36 + 3 × 5 = 15: 51; 1 × 20. On 1 March there were ten (SEM-A1): 3 of 4 stages
    }
