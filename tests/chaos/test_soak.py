"""A small soak on both ledgers: killed workers, faults of every kind, and a judge that finds nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.chaos import plan
from tests.chaos.soak import soak

DELIVERIES = 200
# Its weather has lost and late answers, outages and no row that is refused for good: of such a one the ledger may not
# say that it perhaps arrived (tests/faults/test_refused_after_all.py).
SEED = 4


def test_a_small_soak_leaves_no_anomaly(ledger_url: str, tmp_path: Path) -> None:
    """PRODUCT-A5: what was decided has its one effect, through kills, freezes and a sandbox that misbehaves."""
    outcome = soak(plan.make(SEED, DELIVERIES), ledger_url, tmp_path)
    assert [str(each) for each in outcome.anomalies] == []
    assert sum(outcome.states.values()) == DELIVERIES
    assert outcome.states["delivered"] > 0.9 * DELIVERIES
    assert outcome.deaths  # nobody was killed: then nothing was tried


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_is_a_plan(seed: int) -> None:
    """The same seed gives the same work, weather and lives; another one gives others."""
    made, again, other = plan.make(seed, 1000), plan.make(seed, 1000), plan.make(seed + 100, 1000)
    assert made == again != other
    assert [made.life(2, n) for n in range(9)] == [again.life(2, n) for n in range(9)]
    assert sum(len(wave.decisions) for wave in made.waves) == 1000


def test_a_large_plan_has_everything_in_it() -> None:
    """Twenty seeds know every weather, every boundary to die at, replies, and all three destinations."""
    plans = [plan.make(seed, 10_000) for seed in range(20)]
    weather = {part for each in plans for now in each.weather[:-1] for part in now.name.split(" and ")}
    assert len(weather) >= 14
    lives = [each.life(worker, number) for each in plans for worker in range(4) for number in range(20)]
    deaths = Counter(life.boundary for life in lives if life.dies == "boundary")
    assert set(deaths) == set(plan.BOUNDARIES)
    decided = [decision for wave in plans[0].waves for decision in wave.decisions]
    assert {each.destination for each in decided} == {"slack", "crm", "zapier_nudge"}
    assert sum(each.account_key != each.subject_key for each in decided) > 100
