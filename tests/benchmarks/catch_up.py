"""After an outage: how fast a backlog of the series reaches a server."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import get
from tests.benchmarks.processes import line_from, python
from tests.daemon.sinks.samples import Notes
from tests.programs import Influx1

from edaphon.clock import DAY_NS, SystemClock
from edaphon.journal import StateFile
from edaphon.model import Channel, Observations
from edaphon.series import Series
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import SeriesFeed
from edaphon.sinks.influxdb import InfluxSettings, open_queries, open_sink

__all__ = ["TITLE", "backlog", "channel_of", "figures", "one_day", "settings_of"]

CHANNELS, DAYS, PER_DAY = 60, 24, 1440  # some 2,000,000 observations
TOTAL = CHANNELS * DAYS * PER_DAY
FIRST_DAY = 20_600
AIM = 50_000.0
TITLE = f"a backlog of {TOTAL:,} observations"


def figures(folder: Path) -> list[Figure]:
    channels = {f"c{i:02d}": channel_of(i) for i in range(CHANNELS)}
    with closing(Series(folder / "series")) as series:
        backlog(series, list(channels), TOTAL)
    with python("tests.benchmarks.counting_sink") as sink:
        port = int(line_from(sink, 20))
        wall_s, cpu_s = _brought(folder, f"http://127.0.0.1:{port}", channels)
        lines = get(port, "/lines")["lines"]
    with Influx1(folder) as influx:
        open_queries(settings_of(influx.url)).ask('CREATE DATABASE "plots"')
        real_s, _ = _brought(folder, influx.url, channels)
    return [
        Figure("observations/s into the counting sink", TOTAL / wall_s, AIM, True),
        Figure("observations/s into InfluxDB 1.6.7", TOTAL / real_s, AIM, True),
        Figure("CPU s per 1,000,000 observations", cpu_s / TOTAL * 1e6),
        Figure("lines in the counting sink", lines, TOTAL),
    ]


def channel_of(i: int) -> Channel:
    return Channel(f"c{i:02d}", "soil_temperature", "degC", "bench", f"P{i % 6}", depth_cm="5")


def backlog(series: Series, channels: list[str], most: int) -> None:
    """Days of values in the file, so many points in all."""
    rng, left, day = np.random.default_rng(12), most, FIRST_DAY
    while left > 0:
        n = min(PER_DAY, -(-left // len(channels)))
        runs = [one_day(channel, day, rng, n) for channel in channels]
        series.merge(runs, {"0123456789ab": "{}"})
        series.flush({})
        left, day = left - n * len(channels), day + 1


def one_day(channel: str, day: int, rng: np.random.Generator, n: int = PER_DAY) -> Observations:
    """The first n minutes of a day."""
    time_ns = day * DAY_NS + np.arange(n, dtype=np.int64) * (DAY_NS // PER_DAY)
    raw = np.round(11.0 + rng.normal(0.0, 0.3, n).cumsum() / 30, 1)
    value = raw * 1.003 - 0.04
    u_random, u_systematic = np.full(n, 0.0289), np.full(n, 0.2887)
    flag, source_flag = np.ones(n, np.int8), np.full(n, 2, np.int8)
    sequence = np.arange(n, dtype=np.int64) + day * PER_DAY
    columns = (time_ns, time_ns, raw, value, u_random, u_systematic, flag, source_flag, sequence)
    return Observations(channel, "0123456789ab", *columns)


def settings_of(url: str) -> InfluxSettings:
    return InfluxSettings(url=url, version=1, database="plots")


def _brought(folder: Path, url: str, channels: dict[str, Channel]) -> tuple[float, float]:
    """(wall, CPU) seconds until the whole backlog is in that server."""
    settings = settings_of(url)
    with _series(folder / "series") as series, StateFile(folder / "state") as state:
        feed = SeriesFeed("bench", series, channels, Notes())
        delivery = Delivery(
            "bench", lambda: open_sink(settings, channels), feed, state, SystemClock()
        )
        begun, spent = time.monotonic(), time.process_time()
        delivery.start()
        pause = threading.Event()
        while delivery.counts.delivered < TOTAL and time.monotonic() - begun < 120:
            pause.wait(0.01)
        took = time.monotonic() - begun, time.process_time() - spent
        delivery.stop()
        if delivery.counts.last_error:
            print(f"{url}: {delivery.counts.last_error}")
    return took


@contextmanager
def _series(path: Path) -> Iterator[Series]:
    series = Series(path, read_only=True)
    try:
        yield series
    finally:
        series.close()
