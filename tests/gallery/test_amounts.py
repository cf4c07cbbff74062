"""Gallery: sums of what events carry: minutes, words, calls of an API, events tracked."""

from __future__ import annotations

from tests.gallery.conftest import NO, YES


def test_twilio(scored):
    """Calls of the API, and messages or minutes that really went through."""
    found = scored(
        "twilio",
        """
        dev @ acme: API Request ×100 on 03-10
        dev @ acme: Call Ended, minutes=12.5 ×16 on 03-11
        api @ bolt: API Request ×700 on 03-10
        api @ bolt: Message Delivered ×499 on 03-10
        api @ bolt: Call Ended, minutes=199.9 on 03-10
        api @ cafe: API Request ×99 on 03-10
        api @ cafe: Message Delivered ×500 on 03-10
        """,
    )
    assert found == {
        "acme": (100, 44, YES),  # 100 ÷ 50 × 2 = 4; no messages; 16 × 12.5 = 200 ÷ 20 × 4 = 40
        "bolt": (100, 92, NO),  # 14 × 2 = 28 held to 20; 9 × 4 = 36; 9 × 4 = 36: just below both
        "cafe": (67, 42, NO),  # 1 × 2 = 2; 10 × 4 = 40: one call of the API short
    }


def test_mixpanel(scored):
    """10,000 events tracked and a feature beyond counting; the events are no activity (SEM-M2)."""
    found = scored(
        "mixpanel",
        """
        server @ acme: Events Ingested, events=2500 on 03-01..03-04
        mia @ acme: Segmentation Run ×5 on 03-05
        server @ bolt: Events Ingested, events=3333 on 03-01..03-03
        liv @ bolt: Report Viewed ×5 on 03-05
        liv @ bolt: Segmentation Run on 03-05
        liv @ bolt: AB Test Started on 03-06
        server @ cafe: Events Ingested, events=90000 on 03-01
        ann @ cafe: AB Test Started on 02-20
        """,
    )
    assert found == {
        "acme": (75, 70, YES),  # 10,000: 10 × 5 = 50; 1 feature × 10; 1 deep one × 10. 3 of 4 stages
        "bolt": (100, 95, NO),  # 9,999: 9 × 5 = 45; 3 × 10; 2 × 10 = 20: one event short
        "cafe": (75, 70, NO),  # 90 × 5 = 450 held to 50; 10 + 10; only the server has been there since
    }


def test_grammarly(scored):
    """10,000 words in thirty days and a suggestion accepted."""
    found = scored(
        "grammarly",
        """
        mia: Text Checked, words=2500 on 03-10..03-13
        mia: Suggestion Accepted ×4 on 03-13
        tom: Text Checked, words=9999 on 03-14
        tom: Suggestion Accepted ×100 on 03-14
        eve: Text Checked, words=12000 on 03-01
        """,
    )
    assert found == {
        "mia": (100, 66, YES),  # 10 × 5 = 50; 4 days × 4 = 16; 4 accepted are no whole five: 0
        "tom": (67, 69, NO),  # 9 × 5 = 45; 1 × 4; 20 × 1 = 20: a word short
        "eve": (67, 60, NO),  # 12 × 5 = 60; not this week; nothing accepted
    }


def test_spotify(scored):
    """Ten hours and ten adverts a week, or a look at the page; who pays already cannot enter."""
    found = scored(
        "spotify",
        """
        mia is plan=free
        tom is plan=free
        eve is plan=premium
        mia: Track Played, minutes=60 on 03-05..03-14
        mia: Ad Played ×2 on 03-10..03-14
        tom: Track Played, minutes=59.9 on 03-05..03-14
        tom: Premium Page Viewed on 03-14 at 23:00
        eve: Track Played, minutes=90 on 03-05..03-14
        eve: Premium Page Viewed on 02-28 at 23:00
        """,
    )
    assert found == {
        "mia": (100, 70, YES),  # 600 minutes: 10 × 5 = 50; 10 days × 2 = 20; 2 × 5 = 10 adverts are enough intent
        "tom": (67, 85, NO),  # 599: 9 × 5 = 45; 20; the page, an hour ago: 20
        "eve": (100, 80, NO),  # 900: 75 held to 50; 20; the page, 14 days ago: half of 20; not on the free plan
    }
