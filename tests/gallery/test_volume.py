"""Gallery: so many of one thing, by an account or by a person."""

from __future__ import annotations

from tests.gallery.conftest import NO, YES


def test_slack_by_volume(scored):
    """2,000 messages of the whole team qualify it, 1,999 do not, and neither do 2,500 long ago (SEM-Q3)."""
    found = scored(
        "slack-volume",
        """
        mia @ acme: Message Sent ×1200 on 03-12
        tom @ acme: Message Sent ×800 on 03-13
        liv @ bolt: Message Sent ×1999 on 03-13
        old @ cold: Message Sent ×2500 on 02-20
        """,
    )
    assert found == {
        "acme": (100, 100, YES),  # 1,200 + 800 = 2,000: 3 of 3 stages, 20 hundreds × 5 points
        "bolt": (67, 95, NO),  # 1,999: 2 of 3 stages (66.7 %), 19 whole hundreds × 5
        "cold": (100, 100, NO),  # 25 × 5 = 125 held to 100; not active since 1 March
    }


def test_drift(scored):
    """A hundred conversations qualify, 99 do not."""
    found = scored(
        "drift",
        """
        mia @ acme: Conversation Started ×80 on 03-01
        tom @ acme: Conversation Started ×20 on 03-14
        liv @ bolt: Conversation Started ×99 on 03-02
        new @ cafe: Conversation Started ×9 on 03-14
        """,
    )
    assert found == {
        "acme": (100, 100, YES),  # 100 ÷ 10 × 7 = 70; 20 this week × 2 = 40, held to 30
        "bolt": (67, 63, NO),  # 9 whole tens × 7 = 63; none this week; 2 of 3 stages
        "cafe": (33, 18, NO),  # 0 whole tens; 9 × 2 = 18; the first stage
    }


def test_dropbox(scored):
    """Ten files of an account qualify it; sharing folders adds points and a stage, but replaces no file."""
    found = scored(
        "dropbox",
        """
        mia @ acme: File Uploaded ×6 on 03-10
        tom @ acme: File Uploaded ×4 on 03-11
        liv @ bolt: File Uploaded ×9 on 03-10
        liv @ bolt: Folder Shared ×3 on 03-10
        """,
    )
    assert found == {
        "acme": (67, 60, YES),  # 6 + 4 = 10 × 6 = 60; the folder is missing: 2 of 3 stages
        "bolt": (67, 94, NO),  # 9 × 6 = 54, 3 × 20 = 60 held to 40: 94; ten files are missing
    }


def test_facebook(scored):
    """Seven different friends qualify a person; the same friend added twice is one."""
    friends = "\n".join(f"mia: Friend Added, friend=f{n} on 03-10" for n in range(7))
    others = "\n".join(f"tom: Friend Added, friend=f{n} on 03-11" for n in range(6))
    found = scored("facebook", f"{friends}\n{others}\ntom: Friend Added, friend=f0 on 03-12")
    assert found == {
        "mia": (100, 70, YES),  # 7 × 10; all 3 stages
        "tom": (67, 60, NO),  # 6 different ones of 7 added × 10; 1 and 3 friends, not 7
    }


def test_minimum_viable(scored):
    """The tenth login qualifies a user, wherever colleagues stand."""
    found = scored(
        "minimum-viable",
        """
        mia @ acme: Logged In on 03-02..03-11
        tom @ acme: Logged In on 03-02..03-10
        new @ acme: Logged In on 03-14
        """,
    )
    assert found == {
        "mia": (100, 100, YES),  # 10 logins × 10
        "tom": (67, 90, NO),  # 9: came back, five logins
        "new": (0, 10, NO),  # one login is no stage
    }
