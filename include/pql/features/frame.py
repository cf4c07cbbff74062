"""The columns of the feature frame: what is measured block by block, and what is known of subjects besides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pql.definition.model import Definition, Signal, Window
from pql.features.clock import Clock
from pql.features.measures import Measured, Measures, hours_between
from pql.features.presence import Presence
from pql.features.rows import Block, Usage
from pql.features.scratch import Column, Flags, Floats, Ints
from pql.features.signup import Signups
from pql.features.slots import Positions
from pql.features.spread import Attributes
from pql.features.stages import Reached
from pql.features.subjects import Subjects
from pql.features.wants import USAGE_MEASURES, active_keys, event_keys, half_life_signals

Part = dict[str, Column]
WORKERS = 2  # blocks worked on while the next is fetched; each needs memory of its own

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Frame:
    """What the columns are made of."""

    definition: Definition
    clock: Clock
    asked: Ints  # the moments, µs
    timezone: str
    subjects: Subjects
    signups: Signups
    usage: Usage
    attributes: Attributes
    presence: Presence
    history_start: int

    def assemble(self) -> pd.DataFrame:
        """All columns, one row per subject and moment at which it exists."""
        measured = self._measured()
        columns = {**self._about(measured), **{f"attr.{name}": values for name, values in self._attributes.items()}}
        for signal in self.definition.signals:
            columns[f"signal.{signal.name}"] = self._signal(signal, columns, measured)
        columns |= {name: values for name, values in measured.items() if name not in columns}
        return pd.DataFrame(columns, copy=False)

    @cached_property
    def _attributes(self) -> dict[str, pd.Series]:
        return self.attributes.columns()

    def _about(self, measured: Mapping[str, Column]) -> dict[str, Column | pd.Series]:
        stay, moment = self.attributes.stay, self.attributes.moment
        first_seen, newest_ingested = self.presence.at(stay, moment)
        return {
            "as_of": self.asked[moment].astype("datetime64[us]"),
            "subject_key": _texts(self.subjects.key, stay),
            "account_key": self.attributes.account_keys(),
            "signup_at": measured["signup_at"],
            "signup_day": measured["signup_day"],
            "first_seen_at": _instants(first_seen),
            "last_active_at": measured["last_active_at"],
            "newest_ingested_at": _instants(newest_ingested),
            "users": measured["users"] if self.definition.subject == "account" else self.attributes.per_account(),
            "domain": self._attributes["domain"],
            "is_free_mail": self._attributes["is_free_mail"],
            "crm_backdated": self.attributes.backdated(),
        }

    def _signal(
        self, signal: Signal, earlier: Mapping[str, Column | pd.Series], measured: Mapping[str, Column]
    ) -> Column | pd.Series:
        if signal.measure == "attribute":
            assert signal.attribute is not None
            return self._attributes[signal.attribute]
        if signal.measure == "share":
            return _share(earlier[f"signal.{signal.numerator}"], self._attributes[str(signal.denominator)])
        return measured[f"signal.{signal.name}"]

    # --- by blocks ---------------------------------------------------------------------------------------------

    def _measured(self) -> Part:
        """What is computed from usage, per existing stay and moment."""
        positions = Positions(self.clock, self.usage.slots, self.clock.positions(self.asked))
        blocks = self.usage.blocks(self.subjects, max(len(self.usage.slots), len(positions)))
        parts = list(ahead(lambda block: self._existing(block, positions), blocks, WORKERS))
        if not parts:
            parts = [{name: values.ravel() for name, values in self._of_block(self.usage.nobody(), positions)}]
        return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}

    def _existing(self, block: Block, positions: Positions) -> Part:
        exists = self.subjects.exists(block.first, block.last, len(self.asked))
        return {name: values[exists] for name, values in self._of_block(block, positions)}

    def _of_block(self, block: Block, positions: Positions) -> Iterator[tuple[str, Column]]:
        signups = self.signups.of(block.first_member, block.last_member)
        measured = Measured(self.definition, self.timezone, self.usage, block, signups)
        measures = Measures(measured, positions)
        yield "signup_at", _instants(measures.signup_at)
        yield "signup_day", (measures.signup_day * _DAY_US).astype("datetime64[us]")
        keys = active_keys(self.definition)
        yield "last_active_at", _instants(measures.newest(keys, Window()))
        if self.definition.subject == "account":
            yield "users", measures.users()
        stages = Reached(measured, measures).times() if self.definition.stages else []
        for signal in self.definition.signals:
            if signal.measure == "time_to" and signal.stage is not None:
                stage = [stage.name for stage in self.definition.stages].index(signal.stage)
                yield f"signal.{signal.name}", hours_between(measures.signup_at, stages[stage])
            elif signal.measure not in ("attribute", "share"):
                yield f"signal.{signal.name}", measures.value(signal)
        yield from self._windows(measures)
        yield from ((f"stage_at.{i}", _instants(at)) for i, at in enumerate(stages))

    def _windows(self, measures: Measures) -> Iterator[tuple[str, Column]]:
        for signal in half_life_signals(self.definition):
            at = measures.newest(event_keys(self.definition, signal), signal.window)
            yield f"signal_at.{signal.name}", _instants(at)
        for signal in self.definition.signals:
            if signal.window.days is None or signal.measure not in USAGE_MEASURES:
                continue
            yield f"short.{signal.name}", self._is_short(measures, signal, signal.window.days)
            if signal.window.kind == "first":
                today = self.clock.local_day[measures.positions.k]
                yield f"not_yet.{signal.name}", today < measures.signup_day + signal.window.days

    def _is_short(self, measures: Measures, signal: Signal, days: int) -> Flags:
        """Whether the window reaches before the loaded history (SEM-T5)."""
        if signal.window.kind == "first":
            return measures.signup_day < self.history_start
        reach = 2 * days if signal.measure == "change" else days
        first_day: Ints = measures.positions.window_day - reach + 1
        return np.broadcast_to(first_day < self.history_start, measures.signup_day.shape)


def ahead(work: Callable[[Block], Part], blocks: Iterable[Block], workers: int) -> Iterator[Part]:
    """The work's results in order. So many blocks are in work at a time, beside the one that is being fetched."""
    running: deque[Future[Part]] = deque()
    with ThreadPoolExecutor(workers) as pool:  # numpy lets other threads run while it is busy with an array
        for block in blocks:
            if len(running) == workers:
                yield running.popleft().result()
            running.append(pool.submit(work, block))
        while running:
            yield running.popleft().result()


def _share(part: Column | pd.Series, whole: Column | pd.Series) -> Floats:
    """part ÷ whole in %; unknown where either is, or the whole is 0."""
    above, below = _numbers(part), _numbers(whole)
    told = ~np.isnan(above) & ~np.isnan(below) & (below != 0)
    share: Floats = np.divide(above * 100, below, out=np.full(len(above), np.nan), where=told)
    return share


def _numbers(values: Column | pd.Series) -> Floats:
    numbers: pd.Series = pd.to_numeric(pd.Series(values), errors="coerce")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _instants(at: Ints) -> Column:
    """µs as datetime64; −1 stands for never."""
    return np.where(at == -1, np.iinfo(np.int64).min, at).astype("datetime64[us]")


def _texts(values: Column, index: Ints) -> pd.Series:
    return pd.Series(values, dtype="str").take(index).reset_index(drop=True)
