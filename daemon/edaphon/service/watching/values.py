"""What the newest rows of the series say of each channel, followed as a sink follows them.

A pass reads what changed since the last one; days are read at the start, and where the memory of
the series begins later than the last pass.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.model import Float, Observations
from edaphon.series import Series
from edaphon_calibration.flags import Flag
from edaphon_calibration.units import conversion

__all__ = ["Lately", "Values", "Voltages"]

SUPPLY_DAYS = 10  # that daily minima are kept of, and the last number is looked for in
MOST_FAILED = 2000  # times of a channel: a stream that fails for a day has 86400
ROWS_AT_ONCE = 100_000
GAPS = 24  # between the last numbers of a channel: how often it gives one at most


@dataclass(slots=True)
class Lately:
    """Of a channel: when its last numbers were, and the rows of the last day without one."""

    numbers_ns: list[int] = field(default_factory=list)  # in order
    failed: dict[int, int] = field(default_factory=dict)  # time [UTC ns] -> sequence

    def take(self, run: Observations) -> None:
        numbered = ~np.isnan(run.raw)
        if numbered.any():
            newest = np.sort(run.time_ns[numbered])[-GAPS - 1 :].tolist()
            self.numbers_ns = sorted({*self.numbers_ns, *newest})[-GAPS - 1 :]
            for time_ns in run.time_ns[numbered].tolist() if self.failed else ():
                self.failed.pop(time_ns, None)
        rows = zip(run.time_ns[~numbered].tolist(), run.sequence[~numbered].tolist(), strict=True)
        self.failed.update(rows)

    @property
    def last_number_ns(self) -> int | None:
        return self.numbers_ns[-1] if self.numbers_ns else None

    @property
    def rhythm_ns(self) -> int:
        """The shortest time between two of the last numbers, 0 if that is not known.

        A chamber that closes each half hour has a cell in each row of its logger's table.
        """
        gaps = (b - a for a, b in itertools.pairwise(self.numbers_ns))
        return min(gaps, default=0)

    def forget(self, before_ns: int) -> None:
        kept = [time_ns for time_ns in sorted(self.failed) if time_ns >= before_ns][-MOST_FAILED:]
        if len(kept) < len(self.failed):
            self.failed = {time_ns: self.failed[time_ns] for time_ns in kept}


@dataclass(slots=True)
class Voltages:
    """Of a measured supply [V]: its last value, lowest and highest of each UTC day."""

    last_ns: int = -(2**63)
    last_v: float = float("nan")
    days: dict[int, tuple[float, float]] = field(default_factory=dict)  # since 1970

    def take(self, run: Observations, volts: Float) -> None:
        good = ~np.isnan(volts) & (run.flag != Flag.FAIL)
        times = run.time_ns[good].tolist()
        for time_ns, v in zip(times, volts[good].tolist(), strict=True):
            if time_ns >= self.last_ns:
                self.last_ns, self.last_v = time_ns, v
            low, high = self.days.get(time_ns // DAY_NS, (v, v))
            self.days[time_ns // DAY_NS] = min(low, v), max(high, v)

    def forget(self, before_day: int) -> None:
        for day in [day for day in self.days if day < before_day]:
            del self.days[day]

    @property
    def minima_v(self) -> tuple[float, ...]:
        """Of each day that has values, the oldest first."""
        return tuple(self.days[day][0] for day in sorted(self.days))

    @property
    def highest_v(self) -> float:
        return max((high for _, high in self.days.values()), default=self.last_v)


class Values:
    """Of one thread. `units`: of the channels that measure a supply, that of their values."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._change: int | None = None  # what is known already
        self._units: Mapping[str, str] = {}
        self.channels: dict[str, Lately] = {}
        self.supplies: dict[str, Voltages] = {}

    def follow(self, channels: Iterable[str], units: Mapping[str, str], now_ns: int) -> None:
        """Take in what is new; channels that were not followed before are read."""
        self._units, here = units, set(channels)
        self.channels = {id: own for id, own in self.channels.items() if id in here}
        self.supplies = {id: own for id, own in self.supplies.items() if id in units}
        new = units.keys() - self.supplies.keys()  # a channel may become one that measures a supply
        self.channels = {id: own for id, own in self.channels.items() if id not in new}
        self._take_changes()
        for id in sorted(here - self.channels.keys()):
            self._read(id, now_ns)
        for own in self.channels.values():
            own.forget(now_ns - DAY_NS)
        for supply in self.supplies.values():
            supply.forget(now_ns // DAY_NS - SUPPLY_DAYS)

    def _take_changes(self) -> None:
        after = self._change
        changes = None if after is None else self.series.recent(after, ROWS_AT_ONCE)
        while after is not None and changes:
            for change in changes:
                for run in change.observations:
                    self._take(run)
            after = changes[-1].number
            changes = self.series.recent(after, ROWS_AT_ONCE)
        if changes is None:
            self.channels, self.supplies = {}, {}
            after = self.series.change
        self._change = after

    def _take(self, run: Observations) -> None:
        if (own := self.channels.get(run.channel)) is not None:
            own.take(run)
        if (supply := self.supplies.get(run.channel)) is not None:
            supply.take(run, conversion(self._units[run.channel], "V").apply(run.value))

    def _read(self, id: str, now_ns: int) -> None:
        """The last days of a supply; else the last one, and further back to the last number."""
        own = self.channels[id] = Lately()
        if id in self._units:
            self.supplies[id] = Voltages()
        days = range(now_ns // DAY_NS, now_ns // DAY_NS - SUPPLY_DAYS, -1)
        for n, day in enumerate(days):
            if n < 2 or id in self._units or own.last_number_ns is None:
                for run in self.series.read(id, day * DAY_NS, (day + 1) * DAY_NS):
                    self._take(run)
