"""What the series holds in memory is what it has not written, however large the day is."""

import gc
import os
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edaphon.clock import DAY_NS
from edaphon.derive.deriver import FLUSH_AT_ROWS
from edaphon.model import Observations
from edaphon.series import Series

CHANNELS, ROWS = 60, 200  # rows of a channel in one change
LONG = pytest.mark.skipif(os.environ.get("EDAPHON_FAULTS") != "long", reason="a long campaign")
TEXTS = {"d" * 12: "{}"}


def run(channel: int, step: int, steps: int, late: int = 0) -> Observations:
    space_ns = DAY_NS // (steps * ROWS)
    time_ns = (np.arange(ROWS) + step * ROWS - late) * space_ns
    numbers, bytes_ = np.full(ROWS, float(step)), np.ones(ROWS, np.int8)
    return Observations(
        f"c{channel}", "d" * 12, time_ns, time_ns, numbers, numbers, numbers, numbers, bytes_,
        bytes_, np.arange(ROWS) + step * ROWS,
    )  # fmt: skip


def peak_mb(series: Series, values: int, channels: int, late: bool) -> float:
    """What a day of so many values takes at most; with late ones all over it once more."""
    steps = values // channels // ROWS
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    turns = [(step, 0) for step in range(steps)]
    turns += [(step, 1) for step in range(0, steps, 10)] if late else []
    for step, late_ns in turns:
        for first in range(0, channels, 20):  # a turn of the deriver takes some 4,000 readings
            own = [run(c, step, steps) for c in range(first, min(first + 20, channels))]
            for each in own:
                each.time_ns[:] += late_ns
            series.merge(own, TEXTS)
        if series.unflushed_rows > FLUSH_AT_ROWS:
            series.flush()
    series.flush()
    return (tracemalloc.get_traced_memory()[1] - before) / 1e6


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("channels", [1, 60])
@pytest.mark.parametrize("values", [240_000, pytest.param(1_000_000, marks=LONG)])
def test_a_day_of_a_million_values_takes_less_than_10_mb(
    tmp_path: Path, values: int, channels: int, late: bool
):
    """The rows of 240,000 values alone take 17 MB."""
    tracemalloc.start()
    try:
        with closing(Series(tmp_path / "series.sqlite")) as series:
            assert peak_mb(series, values, channels, late) < 10.0
            steps = values // channels // ROWS
            n = steps + (-(-steps // 10) if late else 0)
            assert series.count() == n * channels * ROWS
    finally:
        tracemalloc.stop()


def test_a_day_that_grows_and_is_asked_for_is_not_held(tmp_path: Path):
    tracemalloc.start()
    try:
        with closing(Series(tmp_path / "series.sqlite")) as series:
            for step in range(20):
                series.merge([run(c, step, 21) for c in range(CHANNELS)], TEXTS)
            series.flush()
            before = tracemalloc.get_traced_memory()[0]
            for channel in range(CHANNELS):
                series.merge([run(channel, 20, 21)], TEXTS)
                assert len(series.read(f"c{channel}", 0, DAY_NS)[0]) == 21 * ROWS
                latest = series.latest(f"c{channel}")
                assert latest is not None
            assert (tracemalloc.get_traced_memory()[0] - before) / 1e6 < 3.0
    finally:
        tracemalloc.stop()


def test_rows_behind_stored_ones_and_among_them_are_read_as_one_day(tmp_path: Path):
    """The same rows, whether the day was written between them or not."""
    found = []
    for flushed in (False, True):
        with closing(Series(tmp_path / f"{flushed}.sqlite")) as series:
            for step, late in ((0, 0), (1, 0), (2, 100), (3, 0)):
                series.merge([run(0, step, 10, late)], TEXTS)
                if flushed:
                    series.flush()
                assert series.count() == sum(map(len, series.read("c0", 0, DAY_NS)))
            heads = series.heads()
            latest = series.latest("c0")
            assert latest is not None
            found.append((heads, latest.time_ns.tolist(), series.count_conflicts()))
    assert found[0] == found[1]


@pytest.mark.parametrize("steps", [5, pytest.param(360, marks=LONG)])
def test_memory_is_as_flat_after_a_week_as_after_two_days(tmp_path: Path, steps: int):
    """In the long form 4,320,000 values a day: fifty times 60 channels a minute."""
    days = 7
    most = [0] * days
    tracemalloc.start()
    try:
        with closing(Series(tmp_path / "series.sqlite")) as series:
            for step in range(days * steps):
                series.merge([run(c, step, steps) for c in range(CHANNELS)], TEXTS)
                if series.unflushed_rows > FLUSH_AT_ROWS:
                    series.flush()
                day = step // steps
                most[day] = max(most[day], tracemalloc.get_traced_memory()[0])
            assert max(most[2:]) < max(most[:2]) + 1_000_000
    finally:
        tracemalloc.stop()
