"""The columns of the feature frame, assembled over the points of the main panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pql.definition.model import Signal, Window
from pql.features.material import event_keys, half_life_signals
from pql.features.measures import USAGE_MEASURES, Material, Measures, active_keys, hours_between
from pql.features.panel import Panel
from pql.features.presence import Presence
from pql.features.scratch import Column, Flags, Floats, Ints
from pql.features.spread import Attributes
from pql.features.stages import Reached


@dataclass(frozen=True)
class Frame:
    """What the columns are made of."""

    material: Material
    panel: Panel
    attributes: Attributes
    presence: Presence
    history_start: int

    def assemble(self) -> pd.DataFrame:
        """All columns, one row per point."""
        attributes = {f"attr.{name}": values for name, values in self._attributes.items()}
        columns = {**self._about(), **attributes, **self._signals, **dict(self._windows()), **self._stages()}
        return pd.DataFrame(columns, copy=False)

    @cached_property
    def _measures(self) -> Measures:
        return Measures(self.material, self.panel)

    @cached_property
    def _attributes(self) -> dict[str, pd.Series]:
        return self.attributes.columns()

    def _about(self) -> dict[str, object]:
        panel, clock = self.panel, self.material.clock
        first_seen, newest_ingested = self.presence.at(panel.entity, self.attributes.moment)
        signup_day = self._measures.signup_day.astype("datetime64[D]").astype("datetime64[us]")
        return {
            "as_of": _instants(clock.instants[panel.k]),
            "subject_key": _texts(self.material.subjects.key, panel.entity),
            "account_key": self.attributes.account_keys(),
            "signup_at": _instants(self._measures.signup_at),
            "signup_day": signup_day,
            "first_seen_at": _instants(first_seen),
            "last_active_at": _instants(self._last_active()),
            "newest_ingested_at": _instants(newest_ingested),
            "users": self._users(),
            "domain": self._attributes["domain"],
            "is_free_mail": self._attributes["is_free_mail"],
            "crm_backdated": self.attributes.backdated(),
        }

    def _last_active(self) -> Ints:
        keys = active_keys(self.material.definition)
        return self._measures.newest(keys, Window()) if keys else np.full(len(self.panel), -1)

    def _users(self) -> Ints:
        """How many users of the account were seen by then."""
        if self.material.definition.subject == "user":
            return self.attributes.subjects_per_account()
        member_stay = self.material.subjects.member_stay
        start = self.panel.first_at(member_stay, self.material.signups.born_k)
        return self.panel.running(start, self.panel.ends[member_stay])

    @cached_property
    def _stage_times(self) -> list[Ints]:
        return Reached(self.material, self.panel).times() if self.material.definition.stages else []

    def _stages(self) -> dict[str, Column]:
        return {f"stage_at.{i}": _instants(at) for i, at in enumerate(self._stage_times)}

    @cached_property
    def _signals(self) -> dict[str, Column | pd.Series]:
        found: dict[str, Column | pd.Series] = {}
        for signal in self.material.definition.signals:
            found[f"signal.{signal.name}"] = self._signal(signal, found)
        return found

    def _signal(self, signal: Signal, earlier: Mapping[str, Column | pd.Series]) -> Column | pd.Series:
        if signal.measure == "attribute":
            assert signal.attribute is not None
            return self._attributes[signal.attribute]
        if signal.measure == "share":
            return _share(earlier[f"signal.{signal.numerator}"], self._attributes[str(signal.denominator)])
        if signal.measure == "time_to" and signal.stage is not None:
            stage = [stage.name for stage in self.material.definition.stages].index(signal.stage)
            return hours_between(self._measures.signup_at, self._stage_times[stage])
        return self._measures.value(signal)

    def _windows(self) -> Iterator[tuple[str, Column]]:
        definition = self.material.definition
        for signal in half_life_signals(definition):
            at = self._measures.newest(event_keys(definition, signal), signal.window)
            yield f"signal_at.{signal.name}", _instants(at)
        for signal in definition.signals:
            if signal.window.days is None or signal.measure not in USAGE_MEASURES:
                continue
            yield f"short.{signal.name}", self._is_short(signal, signal.window.days)
            if signal.window.kind == "first":
                today = self.material.clock.local_day[self.panel.k]
                yield f"not_yet.{signal.name}", today < self._measures.signup_day + signal.window.days

    def _is_short(self, signal: Signal, days: int) -> Flags:
        """Whether the window reaches before the loaded history (SEM-T5)."""
        if signal.window.kind == "first":
            return self._measures.signup_day < self.history_start
        reach = 2 * days if signal.measure == "change" else days
        first_day: Ints = self.material.clock.window_day[self.panel.k] - reach + 1
        return first_day < self.history_start


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
