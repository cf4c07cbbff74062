"""Rate limits count real seconds in a sliding window."""

from __future__ import annotations

from pql.sandbox.world import Window


def test_a_window_lets_in_so_many_and_says_how_long_to_wait() -> None:
    """Sixty calls an hour: the sixty-first waits until the first is an hour old; keys do not share."""
    now = [100.0]
    window = Window(60, 3600, lambda: now[0])
    assert [window.wait_s() for _ in range(60)] == [0] * 60
    now[0] += 600
    assert window.wait_s() == 3000
    assert window.wait_s("another") == 0
    now[0] += 3000
    assert window.wait_s() == 0
