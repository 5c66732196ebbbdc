"""The newest values of the channels: voltages by day, codes of failures, and who gave data."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edaphon.alerts.look import Week
from edaphon.clock import DAY_NS
from edaphon.config import LorawanSource
from edaphon.derive.calibrate import within_physics
from edaphon.facts.model import Deployment
from edaphon.journal import DamagedRow
from edaphon.model import EntryId, Float, Observations
from edaphon.series import Series
from edaphon_calibration.checks import Flag
from edaphon_calibration.units import conversion
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Status

if TYPE_CHECKING:
    from edaphon.service.service import Service

_Rows = dict[tuple[int, int], Status | None]  # by time and sequence
_Statuses = Mapping[tuple[str, int | None], Status]  # by output and time [UTC ns]
DAYS = 7
SUPPLY_DAYS = 10  # that daily minima are kept of, and the last number is looked for in
MOST_FAILED = 2000  # times of a channel: a stream that fails for a day has 86400
ROWS_AT_ONCE = 100_000
GAPS = 24  # between the last numbers of a channel: how often it gives one at most


class Codes:
    """Decodes each record with a failure once; `of` is asked of one channel after the other."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        scripts = service.config.sources  # a maker's JavaScript may take long
        self._closed = {s.path for s in scripts if isinstance(s, LorawanSource) and s.codec_file}
        self._known: dict[str, _Rows] = {}  # by channel
        self._reported: dict[str, tuple[tuple[int, ...], str]] = {}  # what they come to
        self._record: tuple[int, _Statuses] = (-1, {})  # the last one: its channels fail together

    def of(self, deployment: Deployment, failed: Mapping[int, int]) -> tuple[tuple[int, ...], str]:
        """When the instrument reported a failure [UTC ns], in order, and the code it gave last.

        `failed` are the rows without a number: time -> sequence of the record.
        """
        if not failed:
            return (), ""
        known = self._known.get(deployment.channel, {})
        if known.keys() != failed.items():
            rows: _Rows = {}
            for row in sorted(failed.items()):
                rows[row] = known[row] if row in known else self._status(deployment, *row)
            stated = [(row[0], s) for row, s in rows.items() if s is not Status.INVALID]
            last = stated[-1][1] if stated else None
            found = tuple(time_ns for time_ns, _ in stated), last.value if last else ""
            self._known[deployment.channel], self._reported[deployment.channel] = rows, found
        return self._reported[deployment.channel]

    def _status(self, deployment: Deployment, time_ns: int, sequence: int) -> Status | None:
        """None where the record can't be read here."""
        if deployment.source in self._closed:
            return None
        if self._record[0] != sequence:
            self._record = sequence, self._decoded(sequence)
        statuses, output = self._record[1], deployment.output
        own = [status for (name, _), status in statuses.items() if name == output]
        return statuses.get((output, time_ns), own[-1] if own else None)

    def _decoded(self, sequence: int) -> _Statuses:
        service = self._service
        try:
            entry = service.journal.entry(EntryId.of(sequence))
            decoded = service.deriver.sources.decode(entry)
        except (DamagedRow, KeyError, Fault):
            return {}
        return {
            (reading.output, reading.time_ns): reading.status
            for reading in within_physics(decoded.readings)
            if reading.number is None
        }


class DaysWithData:
    """By UTC day since 1970, how many records and missed measurements there were at its begin."""

    def __init__(self) -> None:
        self._days: dict[int, tuple[int, int]] = {}

    def look(self, service: "Service", now_ns: int) -> None:
        day = now_ns // DAY_NS
        if day not in self._days:
            kept = {d: n for d, n in self._days.items() if day - DAYS <= d < day}
            self._days = {**kept, day: _counts(service)}

    def week(self, service: "Service") -> Week:
        """Since the oldest day that is known, a week at most."""
        records, missed = _counts(service)
        before = self._days[min(self._days)] if self._days else (records, missed)
        days = service.room().days
        return Week(max(0, records - before[0]), max(0, missed - before[1]), days)

    def save(self) -> list[list[int]]:
        return [[day, *counts] for day, counts in self._days.items()]

    def restore(self, table: Any) -> None:
        self._days = {int(day): (int(records), int(missed)) for day, records, missed in table}


def _counts(service: "Service") -> tuple[int, int]:
    gaps: Mapping[str, int] = service.deriver.state.gaps
    growing = sum(gap.n for gap in service.sources.open_gaps)
    return service.deriver.journalled, sum(gaps.values()) + growing


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


class ChannelValues:
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
