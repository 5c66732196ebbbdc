"""How long the daemon takes to answer, what its imports cost, and what it holds at rest."""

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure
from tests.benchmarks.grown import grow
from tests.benchmarks.nodes import broker, facts, influx, sources
from tests.benchmarks.processes import cpu_s, peak_mb, resident_mb
from tests.programs import free_port
from tests.stories.station import Station

__all__ = ["TITLE", "figures"]

TITLE = "start with 60 channels, a broker and a sink that are away"
ROUNDS, TOP = 3, 10
SIZES = (0, 1_000_000, 5_000_000, 20_000_000)  # readings in the folder; the last take 2.4 GB


def figures(folder: Path) -> list[Figure]:
    first, again = [], []
    for i in range(ROUNDS):
        tables = [broker(free_port()), sources(), influx(free_port())]
        station = Station(folder / str(i), tables, [facts()])
        first.append(_started(station))
        again.append(_started(station))
    own = _imports()
    heaviest = own.most_common(TOP)
    return [
        Figure("first start to first answer [s]", median(w for w, _, _ in first), 1.0, True),
        Figure("later start to first answer [s]", median(w for w, _, _ in again), 1.0, True),
        Figure("CPU of a later start [s]", median(c for _, c, _ in again)),
        Figure("RSS at rest [MB]", median(r for _, _, r in again), 80.0, True),
        Figure("imports of edaphon run [ms]", own.total() / 1e3),
        *(Figure(f"  of it {name} [ms]", us / 1e3) for name, us in heaviest),
        *_grown(folder),
    ]


def _grown(folder: Path) -> Iterator[Figure]:
    """Starts of folders that hold much, against that of one that holds nothing."""
    least: tuple[float, ...] = ()
    for readings in SIZES:
        tables = [broker(free_port()), sources(), influx(free_port())]
        station = Station(folder / f"grown-{readings}", tables, [facts()])
        station.start()
        station.stop()
        grow(station.storage, readings)
        first_s = _started(station)[0]
        found = _grown_start(station)
        least = least or found
        held = f"{readings / 1e6:g} million readings"
        yield Figure(f"first start after an update, {held} [s]", first_s, least[0])
        for what, own, base in zip(
            ("start [s]", "status [ms]", "peak [MB]"), found, least, strict=True
        ):
            yield Figure(f"  {what}, {held}", own, base)
        shutil.rmtree(station.folder)


def _grown_start(station: Station) -> tuple[float, float, float]:
    """(seconds to the first answer, ms of a status, peak memory [MB])."""
    begun = time.monotonic()
    process = station.launch()
    while not station.answers():
        assert process.poll() is None, station.log()
        time.sleep(0.01)
    start_s, status_s = time.monotonic() - begun, []
    for _ in range(9):
        asked = time.monotonic()
        station.ask("status")
        status_s.append(time.monotonic() - asked)
    time.sleep(3)
    peak = peak_mb(process.pid)
    station.stop()
    return start_s, median(status_s) * 1e3, peak


def _started(station: Station) -> tuple[float, float, float]:
    """(seconds to the first answer, CPU until then, resident memory some seconds later)."""
    begun = time.monotonic()
    process = station.launch()
    while not station.answers():
        assert process.poll() is None, station.log()
        time.sleep(0.01)
    wall_s = time.monotonic() - begun
    spent = cpu_s(process.pid)
    time.sleep(3)
    resident = resident_mb(process.pid)
    station.stop()
    return wall_s, spent, resident


def _imports() -> "Counter[str]":
    """Microseconds that each package's own modules take to import, by its top name."""
    words = [sys.executable, "-X", "importtime", "-c", "import edaphon.commands.run"]
    stated = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    own: Counter[str] = Counter()
    for line in stated.splitlines()[1:]:
        times, _, name = line.removeprefix("import time:").rpartition("|")
        top = name.strip().partition(".")[0]
        own[top if top not in sys.stdlib_module_names else "standard library"] += int(
            times.split("|")[0]
        )
    return own
