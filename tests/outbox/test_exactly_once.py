"""Whatever goes wrong on the way, a delivery has one effect or none, and the ledger says which."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pql import store
from pql.types import Result

STEPS: list[Any] = [
    "delivered",
    "lost",  # it happened, the answer did not arrive
    Result("ambiguous", reason="503"),  # it did not happen, nobody said so
    Result("not_sent", reason="connection refused"),
    Result("not_sent", reason="429", retry_after_s=3),
    Result("rejected", reason="no such channel"),
    RuntimeError("a bug"),
]


@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=30),
    accounts=st.integers(1, 3),
    minutes=st.lists(st.integers(0, 800), min_size=1, max_size=8),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_delivery_has_one_effect_or_none(
    migrated_sqlite: Path, world_on: Any, steps: list[Any], accounts: int, minutes: list[int]
) -> None:
    """PRODUCT-A5: through any sequence of failures each key takes effect at most once, and exactly if delivered."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(migrated_sqlite, f"{folder}/ledger.db")
        engine = store.connect(f"sqlite:///{folder}/ledger.db")
        world = world_on(engine)
        world.remote.script = list(steps)
        for number in range(accounts):
            world.qualifies(f"org:{number}")
        for wait in [*minutes, *[1600] * 9]:
            world.deliver()
            world.clock.turn(minutes=wait)
        ended = {each.key: each.state for each in world.all()}
        engine.dispose()
    assert len(world.remote.effects) == len(set(world.remote.effects))
    assert {key for key, state in ended.items() if state == "delivered"} == set(world.remote.effects)
    assert set(ended.values()) <= {"delivered", "dead"}
