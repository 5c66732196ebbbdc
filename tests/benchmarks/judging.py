"""Quality tests with context, and days of minute values: rows a second, next to a plain loop."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.benchmarks.figures import Figure
from tests.conformance.quality_plots import Plot

from edaphon.clock import DAY_NS, HOUR_NS
from edaphon.model import Observations
from edaphon.tables import ChannelRow, means_of

__all__ = ["TITLE", "figures"]

TITLE = "all tests of a plot of 6 channels at 10 min, next to range and rate in a plain loop"
DAYS, ROW_NS = 120, 600_000_000_000
YEARS_DAYS = 3653
CHANNELS = {
    "t5": ("soil_temperature", "degC", 5, 12.0, 4.0),
    "t20": ("soil_temperature", "degC", 20, 12.0, 1.5),
    "wa": ("volumetric_water_content", "m3/m3", 5, 0.25, 0.02),
    "wb": ("volumetric_water_content", "m3/m3", 5, 0.24, 0.02),
    "air": ("air_temperature", "degC", None, 11.0, 7.0),
    "co2": ("co2_mole_fraction", "ppm", 5, 2000.0, 300.0),
}


def figures(folder: Path) -> list[Figure]:
    plot, n = made(), DAYS * 144
    begun = time.process_time()
    for id in plot.columns:
        plot.report(id)
    judged_s = time.process_time() - begun
    begun = time.process_time()
    for values in plot.columns.values():
        looped(values.tolist())
    plain_s = time.process_time() - begun
    rows = n * len(plot.columns)
    day_s, hour_s = (means_s(every) for every in (DAY_NS, HOUR_NS))
    return [
        Figure("rows judged a second of CPU", rows / judged_s, rows / plain_s),
        Figure("of a core, 50 channels looked at each 6 h [%]", share(plot), 0.15, aim=True),
        Figure("days of ten years of minute values [s]", day_s, 10.0, aim=True),
        Figure("hours of ten years of minute values [s]", hour_s, 10.0, aim=True),
    ]


def made() -> Plot:
    random = np.random.default_rng(1)
    rows = np.arange(DAYS * 144)
    plot = Plot(rows * ROW_NS)
    for id, (quantity, unit, depth, mean, swing) in CHANNELS.items():
        values = (
            mean + swing * np.sin(rows * 2 * np.pi / 144) + random.normal(0, swing / 50, len(rows))
        )
        plot.add(id, quantity, unit, depth, [f"{value:.4f}" for value in values])
    return plot


def share(plot: Plot) -> float:
    """Of the time, for what the service does each six hours with 50 such channels."""
    begun = time.process_time()
    plot.doubts(100 * DAY_NS)
    return (time.process_time() - begun) / len(plot.columns) * 50 / (6 * 3600) * 100


def looped(values: list[float]) -> int:
    """What a script does: a range and a rate, row by row."""
    failed, before = 0, None
    for value in values:
        if not -1e6 <= value <= 1e6 or (before is not None and abs(value - before) > 1e5):
            failed += 1
        before = value
    return failed


def means_s(every_ns: int) -> float:
    row = ChannelRow("a", "soil_temperature", "degC")
    begun = time.process_time()
    means_of([(row, minutes())], every_ns, 0, [1, 2])
    return time.process_time() - begun


def minutes() -> Iterator[Observations]:
    time_ns = np.arange(1440) * 60_000_000_000
    value, none, flag = np.sin(time_ns / DAY_NS), np.zeros(1440), np.ones(1440, np.int8)
    day = Observations("a", "d", time_ns, time_ns, value, value, none, none, flag, flag, time_ns)
    for n in range(YEARS_DAYS):
        times = time_ns + n * DAY_NS
        yield replace(day, time_ns=times, start_ns=times)
