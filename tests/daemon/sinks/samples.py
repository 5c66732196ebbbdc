"""Channels, observations, and stand-ins for the neighbours of a sink."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edaphon.journal import SetAside
from edaphon.model import Channel, Observations
from edaphon.sinks.feed import Batch
from edaphon.sinks.refusals import RefusedPoint, sifted
from edaphon.sinks.sink import Never, PointWithdrawal, Read, Sink

MINUTE_NS = 60 * 10**9
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z

SWC = Channel("hw.n1.swc.5", "volumetric_water_content", "m3/m3", "hw", "N1", depth_cm="5")
TEMPERATURE = Channel("hw.n1.ts.7.5", "soil_temperature", "degC", "hw", "N1", depth_cm="7.5")
CHANNELS = {channel.id: channel for channel in (SWC, TEMPERATURE)}


def run(
    channel: Channel = SWC,
    n: int = 3,
    start_ns: int = T0,
    derivation: str = "0123456789abcdef",
    seed: int = 1,
    **columns: Any,
) -> Observations:
    """n observations a minute apart; `columns` replaces columns, one number fills one."""
    random = np.random.default_rng(seed)
    time_ns = start_ns + np.arange(n, dtype=np.int64) * MINUTE_NS
    made: dict[str, Any] = {
        "time_ns": time_ns,
        "start_ns": time_ns,
        "raw": random.normal(1800.0, 30.0, n),
        "value": random.normal(0.3, 0.05, n),
        "u_random": np.full(n, 0.001),
        "u_systematic": np.full(n, 0.02),
        "flag": np.ones(n, np.int8),
        "source_flag": np.full(n, 2, np.int8),
        "sequence": np.arange(1, n + 1, dtype=np.int64) | 1 << 32,
    }
    for name, column in columns.items():
        made[name] = np.full(n, column, made[name].dtype) if np.isscalar(column) else column
    return Observations(channel.id, derivation, **made)


def keys_of(batch: Iterable[Observations]) -> list[tuple[str, int]]:
    return [(each.channel, t) for each in batch for t in each.time_ns.tolist()]


def write_sifted(sink: Sink, batch: Sequence[Observations]) -> list[RefusedPoint]:
    """Write a batch as a delivery does: the points that are refused."""
    try:
        sink.write(batch)
    except Never as never:
        return sifted(sink.write, batch, never)
    return []


class PickySink:
    """Takes everything but the points in `bad`; like InfluxDB 1 it keeps the good of a batch."""

    notices: Sequence[str] = ()
    server = ""
    read: Read | None = None

    def __init__(self, bad: set[tuple[str, int]], keeps_good: bool = True) -> None:
        self.bad = bad
        self.keeps_good = keeps_good
        self.taken: set[tuple[str, int]] = set()
        self.requests = 0
        self.closed = False

    def write(self, batch: Sequence[Observations]) -> None:
        self.requests += 1
        keys = keys_of(batch)
        wrong = [key for key in keys if key in self.bad]
        if self.keeps_good or not wrong:
            self.taken.update(set(keys) - self.bad)
        if wrong:
            raise Never("the server refuses points", f"bad point {wrong[0]}")

    def withdraw(self, withdrawal: PointWithdrawal) -> None:
        self.taken -= {(withdrawal.channel.id, t) for t in withdrawal.times_ns.tolist()}

    def close(self) -> None:
        self.closed = True


class Notes(dict[str, Any]):
    """Stands for the state file of a feed."""

    def put(self, key: str, value: Any) -> None:
        self[key] = value

    def remove(self, key: str) -> None:
        self.pop(key, None)


class ListFeed:
    """Hands out batches in order; `upto` is the number of batches delivered so far."""

    def __init__(self, batches: Sequence[Batch | Sequence[Observations]] = ()) -> None:
        self.batches: list[Batch] = []
        self.place = 0
        for batch in batches:
            self.add(batch)

    def add(self, batch: Batch | Sequence[Observations]) -> None:
        made = batch if isinstance(batch, Batch) else Batch(batch, (), None)
        upto = len(self.batches) + 1
        self.batches.append(Batch(made.observations, made.withdrawals, upto))

    def next_batch(self, limit: int) -> Batch | None:
        return self.batches[self.place] if self.place < len(self.batches) else None

    def delivered(self, upto: int) -> None:
        self.place = upto

    def current(self, keys: Sequence[tuple[str, int]]) -> list[Observations]:
        return self._standing(set(keys), self.batches)

    def between(self, channel: str, first_ns: int, last_ns: int) -> list[Observations]:
        done = self.batches[: self.place]
        keys = {key for batch in done for key in keys_of(batch.observations)}
        inside = {key for key in keys if key[0] == channel and first_ns <= key[1] <= last_ns}
        return self._standing(inside, done)

    def _standing(
        self, wanted: set[tuple[str, int]], batches: Sequence[Batch]
    ) -> list[Observations]:
        """The last of each."""
        found: list[Observations] = []
        for batch in reversed(batches):
            for run in batch.observations:
                keys = keys_of([run])
                found.append(run.take(np.flatnonzero([key in wanted for key in keys])))
                wanted = wanted - set(keys)
        return [run for run in found if len(run)]

    @property
    def done(self) -> bool:
        return self.place == len(self.batches)


class MemoryAside:
    """Set-aside points in memory, as journal.StateFile keeps them in a file."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, str, int], SetAside] = {}
        self.notes: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.notes.get(key, default)

    def put(self, key: str, value: Any) -> None:
        self.notes[key] = value

    def add_set_aside(self, points: Iterable[SetAside]) -> None:
        for point in points:
            key = point.sink, point.channel, point.time_ns
            known = self.points.get(key)
            self.points[key] = point if known is None else point._replace(tries=known.tries + 1)

    def clear_set_aside(self, sink: str, channel: str, times_ns: Iterable[int]) -> None:
        for time_ns in times_ns:
            self.points.pop((sink, channel, time_ns), None)

    def set_aside(self, sink: str, channel: str | None = None) -> list[SetAside]:
        return [p for p in self.points.values() if p.sink == sink]


class QuickClock:
    """Time that passes at once when it is waited for, 1 ms really; `waits` are in seconds."""

    def __init__(self) -> None:
        self.now_ns = T0
        self.waits: list[float] = []

    def wall_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return self.now_ns

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        self.waits.append((mono_ns - self.now_ns) / 1e9)
        self.now_ns = max(self.now_ns, mono_ns)
        return stop.wait(0.001)


def withdrawal(channel: Channel, *times_ns: int) -> PointWithdrawal:
    """Each time is a span of its own."""
    times = np.array(times_ns, np.int64)
    return PointWithdrawal(channel, times, [(t, t) for t in times.tolist()])
