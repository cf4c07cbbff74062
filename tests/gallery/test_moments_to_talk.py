"""Gallery: fit from the CRM, upsell, limits, hands raised, and the definition that one begins with."""

from __future__ import annotations

from tests.gallery.conftest import NO, YES


def test_statusgator(scored):
    """Vertical and size fit, five tools are watched, a notification is set up; an unknown vertical does not fit."""
    watched = {"acme": 5, "bolt": 4, "cafe": 12, "duo": 5, "eel": 5}
    tools = "\n".join(
        f"of_{org} @ {org}: Monitor Added, tool=t{n} on 03-10" for org, count in watched.items() for n in range(count)
    )
    told = "\n".join(f"of_{org} @ {org}: Notification Created on 03-11" for org in watched if org != "eel")
    found = scored(
        "statusgator",
        f"""
        acme is industry=EDUCATION employees=20
        bolt is industry=SOFTWARE employees=1000
        cafe is industry=RETAIL employees=5000
        duo is employees=300
        eel is industry=SOFTWARE employees=19
        {tools}
        {told}
        """,
    )
    assert found == {
        "acme": (100, 65, YES),  # 15 + 15; 5 × 5 = 25; 1 × 10
        "bolt": (67, 60, NO),  # 15 + 15; 4 × 5 = 20; 10: one tool short
        "cafe": (100, 60, NO),  # 0; 12 × 5 = 60 held to 50; 10
        "duo": (100, 50, NO),  # 0 + 15; 25; 10: the vertical is unknown, and so is the fit (SEM-M4)
        "eel": (67, 40, NO),  # 15; 25; one employee short, no notification
    }


def test_upsell_of_the_basic_tier(scored):
    """Three people's habit on the basic plan, and nearly out of seats or three tries of a premium feature."""
    found = scored(
        "upsell-basic",
        """
        acme is plan=basic plan_seats=5
        bolt is plan=basic plan_seats=5
        cafe is plan=basic plan_seats=50
        duo is plan=pro plan_seats=4
        3 people @ acme: Task Completed on 03-05..03-12
        kim @ acme: Comment Added on 03-14
        3 people @ bolt: Task Completed on 03-05..03-12
        3 people @ cafe: Task Completed on 03-05..03-12
        ann @ cafe: Premium Feature Opened ×3 on 03-14
        4 people @ duo: Task Completed on 03-01..03-14
        """,
    )
    assert found == {
        "acme": (67, 55, YES),  # 3 × 10; 4 of 5 seats = 80 %: 25. 2 of 3 stages
        "bolt": (67, 30, NO),  # 3 × 10; 3 of 5 seats = 60 %
        "cafe": (100, 45, YES),  # 3 × 10; 4 of 50 seats; 3 × 5 = 15, not a day old
        "duo": (67, 65, NO),  # 4 × 10; 4 of 4 seats: 25; but on the pro plan
    }


def test_usage_limit(scored):
    """A free plan used to 80 %, or a warning shown, while people are there on three days."""
    found = scored(
        "usage-limit",
        """
        acme is plan=free plan_records=10
        bolt is plan=free plan_records=1000
        cafe is plan=free plan_records=10
        duo is plan=free plan_records=10
        eel is plan=pro plan_records=10
        mia @ acme: Record Added ×2 on 03-10..03-13
        liv @ bolt: Record Added on 03-10..03-12
        liv @ bolt: Plan Limit Warning on 03-07 at 12:00
        ann @ cafe: Record Added ×5 on 03-13..03-14
        bob @ duo: Record Added on 03-10..03-12
        bob @ duo: Plan Limit Warning on 03-14
        ivy @ eel: Record Added ×2 on 03-10..03-14
        """,
    )
    assert found == {
        "acme": (100, 60, YES),  # 4 days × 5 = 20; 8 of 10 = 80 %: 8 × 5 = 40
        "bolt": (100, 15, NO),  # 3 × 5; 3 of 1,000; the warning was eight days ago
        "cafe": (50, 50, NO),  # 2 × 5; 100 %: 50 held to 40; two days are not three
        "duo": (100, 50, YES),  # 3 × 5; 3 of 10 = 30 %: 15; warned within the day: 20
        "eel": (100, 65, NO),  # 5 × 5; 40; not on the free plan
    }


def test_hand_raiser(scored):
    """One request within the week is enough, and needs no usage; a customer has somebody to call."""
    found = scored(
        "hand-raiser",
        """
        duo is lifecycle_stage=customer
        mia @ acme: Demo Requested on 03-08
        liv @ bolt: Contact Form Sent on 03-07
        liv @ bolt: Report Viewed on 03-01..03-14
        bob @ duo: Demo Requested on 03-14
        """,
    )
    assert found == {
        "acme": (50, 50, YES),  # no usage; 50
        "bolt": (100, 50, NO),  # 14 days × 5 = 70 held to 50; asked eight days ago
        "duo": (50, 50, NO),  # 50, but a customer
    }


def test_starting_point(scored):
    """Four days of value in two weeks, and a look at the prices."""
    found = scored(
        "starting-point",
        """
        mia @ acme: Signed Up on 03-01
        mia @ acme: Report Exported on 03-10..03-13
        mia @ acme: Page View, path=/plans on 03-07 at 23:00
        liv @ bolt: Report Exported ×9 on 03-10..03-12
        liv @ bolt: Page View, path=/pricing on 03-14
        ann @ cafe: Report Exported on 03-08..03-14
        ann @ cafe: Page View, path=/jobs on 03-14
        """,
    )
    assert found == {
        "acme": (100, 55, YES),  # 4 × 10; 30 × 0.5 after 7 whole days = 15
        "bolt": (67, 60, NO),  # 3 × 10; 30: three days are not four
        "cafe": (100, 70, NO),  # 7 × 10; no look at the prices
    }
