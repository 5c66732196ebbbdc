"""Ten years of one channel, asked on the command line: the first row, all of it, and its memory."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.grown import day_rows
from tests.benchmarks.nodes import broker, facts, sources
from tests.benchmarks.processes import cpu_s
from tests.programs import free_port
from tests.stories.station import Station

from edaphon.clock import DAY_NS
from edaphon.series.rows import digest
from edaphon.series.store import SeriesStore

__all__ = ["TITLE", "figures"]

DAYS, CHANNEL = 3652, "node00-temp"
TITLE = "`query` of ten years of one channel at one minute, 5,258,880 rows"


def figures(folder: Path) -> list[Figure]:
    station = Station(folder, [broker(free_port()), sources()], [facts()])
    station.start()
    station.stop()
    _fill(station.storage / "series.sqlite")
    found = []
    _asked(station, "csv")  # what is read once is in the cache from now on
    for format in ("csv", "table", "json"):
        first_s, first_cpu_s, whole_s, peak_mb, rows = _asked(station, format)
        found += [
            Figure(f"first row, {format} [s]", first_s, 0.5, True),
            Figure("  CPU until then [s]", first_cpu_s),
            Figure(f"  all {rows:,} lines [s]", whole_s),
            Figure("  peak memory [MB]", peak_mb, 100.0, True),
        ]
    return found


def _fill(path: Path) -> None:
    last = time.time_ns() // DAY_NS
    with closing(SeriesStore(path)) as store:
        store.begin()
        id = next(iter(store.derivations().values()), "0" * 12)
        store.add_derivation(1, id, "{}")
        for day in range(last - DAYS, last):
            rows = day_rows(day)
            store.put(CHANNEL, day, rows, digest(rows, lambda _: id))
        store.commit()


def _asked(station: Station, format: str) -> tuple[float, float, float, float, int]:
    """(s to the first row, s of CPU until then, s to the end, peak memory [MB], lines)."""
    words = ["query", CHANNEL, "--format", format, "--config", str(station.file)]
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "edaphon", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    n = os.read(process.stdout.fileno(), 1 << 16).count(b"\n")  # the head and the first rows
    first_s, first_cpu_s = time.monotonic() - begun, cpu_s(process.pid)
    while data := os.read(process.stdout.fileno(), 1 << 20):
        n += data.count(b"\n")
    _, _, usage = os.wait4(process.pid, 0)
    return first_s, first_cpu_s, time.monotonic() - begun, usage.ru_maxrss / 1024, n
