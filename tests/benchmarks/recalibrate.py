"""A calibration of ten years ago put right: a channel at one minute, then twenty of half a year."""

from pathlib import Path

import numpy as np
from tests.benchmarks.figures import Figure
from tests.benchmarks.nodes import NODES, broker, facts, sources
from tests.benchmarks.processes import line_from, python
from tests.stories.station import Station

from edaphon.clock import DAY_NS, SystemClock
from edaphon.derive.deriver import Deriver
from edaphon.facts import fact_of, to_payload
from edaphon.journal import Entry, Journal, JournalReader, Kind
from edaphon.model import Observations
from edaphon.series import Series

__all__ = ["TITLE", "figures"]

DAYS, PER_DAY, FIRST_DAY = 3652, 1440, 16_801  # 2016 to 2025
LARGEST_MB, AIM_S = 300.0, 20.0
BATCH_DAYS = 100
TITLE = f"deriving {DAYS * PER_DAY:,} readings again after a calibration, from the series"


def figures(folder: Path) -> list[Figure]:
    one, twenty = folder / "one", folder / "twenty"
    for place, channels, days in ((one, 1, DAYS), (twenty, NODES, DAYS // NODES)):
        place.mkdir()
        _station(place)
        _history(place, [_channel(i) for i in range(channels)], days)
        _correct(place, [_channel(i) for i in range(channels)])
    one_s, one_mb, copied_s = _recalibrated(one)
    twenty_s, twenty_mb, _ = _recalibrated(twenty)
    return [
        Figure("s of CPU, one channel of 10 years", one_s, AIM_S, True),
        Figure("next to reading and writing its blocks alone [s]", one_s, copied_s),
        Figure("peak memory, one channel [MB]", one_mb, LARGEST_MB, True),
        Figure(f"s of CPU, {NODES} channels of half a year", twenty_s, one_s),
        Figure(f"peak memory, {NODES} channels [MB]", twenty_mb, LARGEST_MB, True),
    ]


def _channel(node: int) -> str:
    return f"node{node:02d}-vwc"


def _station(folder: Path) -> None:
    """A daemon's first start writes configuration, clock and facts."""
    station = Station(folder, [broker(9), sources()], [facts()])
    station.start()
    station.stop()


def _history(folder: Path, channels: list[str], days: int) -> None:
    """Readings as though they had been derived when they came."""
    storage = folder / "storage"
    series = Series(storage / "series.sqlite")
    deriver = Deriver(JournalReader(storage / "journal"), series, folder / "again.sqlite")
    while deriver.turn():
        pass
    rng = np.random.default_rng(12)
    named = {s.channel: s.derivation for s in deriver.plan.segments()}
    for first in range(FIRST_DAY, FIRST_DAY + days, BATCH_DAYS):
        n = min(BATCH_DAYS, FIRST_DAY + days - first)
        runs = [_days(channel, named[channel], first, n, rng) for channel in channels]
        series.merge(runs, deriver.plan.texts)
        deriver.flush()
    # as though these had been the latest records: else nothing of that time would be derived again
    deriver._newest_ns = (FIRST_DAY + days) * DAY_NS  # noqa: SLF001
    deriver.flush()
    series.close()


def _days(
    channel: str, derivation: str, first: int, n: int, rng: np.random.Generator
) -> Observations:
    minutes = np.arange(n * PER_DAY, dtype=np.int64)
    time_ns = first * DAY_NS + minutes * (DAY_NS // PER_DAY)
    raw = np.round(0.25 + rng.normal(0.0, 0.002, len(time_ns)).cumsum() / 100, 3)
    columns = (time_ns, time_ns, raw, raw, np.full(len(raw), 1e-3), np.full(len(raw), 2e-2))
    flag, source_flag = np.ones(len(raw), np.int8), np.full(len(raw), 2, np.int8)
    sequence = minutes + (first - FIRST_DAY) * PER_DAY + 1
    return Observations(channel, derivation, *columns, flag, source_flag, sequence)


def _correct(folder: Path, channels: list[str]) -> None:
    with Journal(folder / "storage" / "journal", SystemClock()) as journal:
        for channel in channels:
            row = {
                "kind": "calibration",
                "id": f"corrected-{channel}",
                "channel": channel,
                "curve": "polynomial",
                "parameters": {"c0": -0.02, "c1": 1.05, "c2": 0.04},
                "covariance": [[1e-6, 0, 0], [0, 4e-6, 0], [0, 0, 1e-6]],
                "from_unit": "m3/m3",
                "to_unit": "m3/m3",
            }
            payload = to_payload(fact_of(row), "", "", "bench.toml", "bench")
            journal.append_now(Entry(Kind.CALIBRATION, 0, 0, "boot", "", payload))


def _recalibrated(folder: Path) -> tuple[float, float, float]:
    """(s of CPU, peak memory in MB, s of CPU of reading and writing the blocks alone)."""
    with python("tests.benchmarks.recalibrating", str(folder)) as process:
        cpu_s, peak, differing, copied_s = line_from(process, 600).split()
    assert int(differing) > 5_000_000, differing
    return float(cpu_s), float(peak), float(copied_s)
