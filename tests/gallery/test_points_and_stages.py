"""Gallery: who qualifies by points, and who by activation."""

from __future__ import annotations

from tests.gallery.conftest import NO, YES


def test_hightouch_by_points(scored):
    """+5 an active workspace, +25 self-serve billing, -5 without a login for seven days."""
    six = "\n".join(f"dev @ {org}: Sync Run, workspace=w{n} on 03-10" for org in ("cafe", "duo") for n in range(6))
    found = scored(
        "hightouch-points",
        f"""
        mia @ acme: Logged In on 03-08
        mia @ acme: Self-Serve Billing Enabled on 03-01
        mia @ acme: Sync Run, workspace=prod ×50 on 03-12
        liv @ bolt: Logged In on 03-14
        liv @ bolt: Self-Serve Billing Enabled on 03-13
        liv @ bolt: Sync Run, workspace=prod on 03-07     # not this week
        ann @ cafe: Logged In on 03-08
        bob @ duo: Logged In on 03-07
        {six}
        ivy @ eel: Logged In on 03-06
        """,
    )
    assert found == {
        "acme": (100, 30, YES),  # 1 workspace × 5 + 25
        "bolt": (100, 25, NO),  # 25, and no workspace is active; one was (SEM-A1)
        "cafe": (50, 30, YES),  # 6 × 5; the last login 6 days before 14 March
        "duo": (50, 25, NO),  # 6 × 5 - 5: the last login 7 days before
        "eel": (0, 0, NO),  # -5, held to 0 by the scale
    }


def test_hightouch_by_sql(scored):
    """From -1 to 3: free mail takes one away, invitations, the pricing page and daily use give one each."""
    found = scored(
        "hightouch-sql",
        """
        mia is email=mia@acme.example
        tom is email=tom@gmail.com
        liv is email=liv@gmail.com
        ann is email=ann@cafe.example
        mia: Workspace Opened on 03-08..03-12
        mia: Page View, path=/pricing on 03-01
        mia: Invite Sent ×4 on 03-12
        tom: Model Edited on 03-08..03-12
        tom: Page View, path=/pricing on 03-01
        tom: Invite Sent on 03-12
        liv: Sync Created ×9 on 03-14
        ann: Sync Created on 03-08..03-11
        ann: Page View, path=/docs on 03-11
        ann: Page View, path=/pricing on 03-11
        """,
    )
    assert found == {
        "mia": (100, 3, YES),  # 0 + 1 (active on 8..12 March) + 1 + 1
        "tom": (100, 2, YES),  # the same, -1 for gmail
        "liv": (0, -1, NO),  # -1, on one day only
        "ann": (0, 1, NO),  # the pricing page; active on 4 days
    }


def test_two_of_five_features(scored):
    """Two features of five are 40 % and qualify; one, however much used, is 20 % and does not (PRODUCT-D3)."""
    found = scored(
        "two-of-five",
        """
        mia @ acme: Project Created on 03-10
        tom @ acme: Report Shared on 03-12
        liv @ bolt: Project Created ×50 on 03-12
        """,
    )
    assert found == {
        "acme": (40, 40, YES),  # 2 ÷ 5; 2 × 20
        "bolt": (20, 20, NO),  # 1 ÷ 5; 1 × 20
    }


def test_trial_by_size(scored):
    """75 % for small companies, 60 % for mid-size, 25 % for large; a big name without usage is no lead (SEM-Q2, Q3)."""
    found = scored(
        "trial-saas-by-size",
        """
        small75 is plan=trial employees=49
        small60 is plan=trial employees=49
        mid60 is plan=trial employees=50
        mid25 is plan=trial employees=499
        large25 is plan=trial employees=500
        large0 is plan=trial employees=90000
        nobody60 is plan=trial
        paying75 is plan=pro employees=49

        a @ small75: Project Created on 03-10
        a @ small75: Teammate Invited on 03-11
        a @ small75: Report Shared on 03-11
        b @ small60: Project Created ×2 on 03-10
        b @ small60: Teammate Invited ×4 on 03-10
        c @ mid60: Signed Up on 03-08 at 09:00
        c @ mid60: Project Created on 03-08
        c @ mid60: Teammate Invited on 03-10 at 09:01
        d @ mid25: Project Created ×9 on 03-10
        e @ large25: Project Created on 03-10
        f @ large0: Signed Up on 03-10
        g @ nobody60: Project Created on 03-10
        g @ nobody60: Teammate Invited on 03-10
        h @ paying75: Project Created on 03-10
        h @ paying75: Teammate Invited on 03-10
        h @ paying75: Report Shared on 03-10
        """,
    )
    assert found == {
        "small75": (75, 30, YES),  # 25 + 35 + 15 %; 10 + 10, and 10 for inviting after 24 hours
        "small60": (60, 60, NO),  # 25 + 35 %; 2 × 10; 4 × 10 held to 30; 10 at once
        "mid60": (60, 40, YES),  # 20 of fit, 10 + 10; the invitation came after 48 hours and a minute: 0
        "mid25": (25, 40, NO),  # 20; 9 × 10 held to 20
        "large25": (25, 30, YES),  # 20 + 10
        "large0": (0, 20, NO),  # 20 for the name alone
        "nobody60": (60, 30, NO),  # unknown counts as small; 10 + 10 + 10
        "paying75": (75, 30, NO),  # 75 % of no trial
    }
