"""Queries: units as UCUM codes, and what was known at a time of the past."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.daemon.commands.calling import call
from tests.daemon.commands.test_explain import FACTS, TABLES
from tests.daemon.commands.test_release import CORRECTION, settled
from tests.daemon.sinks.samples import TEMPERATURE, run
from tests.stories.station import Station

from edaphon.clock import DAY_NS
from edaphon.series import Series
from edaphon.service.check import open_storage
from edaphon.storage.access import settled_deriver

__all__ = ["settled"]  # a fixture


@pytest.fixture
def plot(settled: Path, tmp_path: Path) -> Station:
    station = Station(tmp_path / "plot", TABLES, FACTS)
    shutil.copytree(settled, station.storage)
    return station


def test_units_are_shown_as_ucum_codes(plot: Station) -> None:
    def units(*words: str) -> set[str]:
        rows = call(plot, "query", "p-temp", *words)[0].splitlines()[1:]
        return {row.split(",")[3] for row in rows}

    assert (units(), units("--ucum")) == ({"degC"}, {"Cel"})
    assert units("--ucum", "--level", "raw") == {"Cel"}


def test_what_was_known_before_a_correction_stays_answerable(plot: Station) -> None:
    before = call(plot, "query", "p-temp")[0]
    then = datetime.now(UTC) + timedelta(milliseconds=1)
    while datetime.now(UTC) < then:
        pass
    file = plot.folder / "bath.toml"
    file.write_text(CORRECTION)
    call(plot, "apply", str(file))
    with settled_deriver(open_storage(plot.file)):
        pass
    assert call(plot, "query", "p-temp")[0] != before
    assert call(plot, "query", "p-temp", "--as-known-at", then.isoformat())[0] == before
    later = (then + timedelta(hours=1)).isoformat()
    known_later = call(plot, "query", "p-temp", "--as-known-at", later)[0]
    assert known_later == call(plot, "query", "p-temp")[0]


def test_a_time_of_which_nothing_is_known_is_refused(plot: Station) -> None:
    _, stated = call(plot, "query", "p-temp", "--as-known-at", "1990-01-01", codes=(1,))
    assert "nothing was known then" in stated
    _, stated = call(plot, "query", "p-temp", "--as-known-at", "soon", codes=(2,))
    assert "expected a time such as 2026-04-01" in stated
    words = ("--as-known-at", "2026-01-01", "--release", "r")
    assert "got both" in call(plot, "query", "p-temp", *words, codes=(2,))[1]


MEASURED = """
import subprocess, sys, time, resource
begun = time.monotonic()
words = [sys.executable, "-m", "edaphon", *sys.argv[1:]]
with subprocess.Popen(words, stdout=subprocess.PIPE) as p:
    p.stdout.readline()
    p.stdout.readline()
    first = time.monotonic() - begun
    n = sum(1 for _ in p.stdout)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(n, first, usage.ru_maxrss / 1000, time.monotonic() - begun)
"""


@pytest.mark.parametrize("format", ["csv", "table"])
def test_a_long_answer_streams_in_little_memory(plot: Station, format: str) -> None:
    """Ten years at one minute with EDAPHON_FAULTS=long, four months without."""
    days = 3653 if os.environ.get("EDAPHON_FAULTS") == "long" else 120
    start_ns = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    with closing(Series(plot.storage / "series.sqlite")) as series:
        for day in range(0, days, 50):
            n = min(50, days - day) * 1440
            made = run(TEMPERATURE, n=n, start_ns=start_ns + day * DAY_NS)
            series.merge([replace(made, channel="p-temp")], {made.derivation: "{}"})
            series.flush()
    words = ["query", "p-temp", "--start", "2030-01-01", "--format", format]
    words += ["--config", str(plot.file)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True
    )
    n, first_s, memory_mb, whole_s = map(float, done.stdout.split())
    print(
        f"{format}: {n:.0f} rows, first after {first_s:.2f} s, {memory_mb:.0f} MB, {whole_s:.0f} s"
    )
    assert n in {days * 1440 - 1, days * 1440 - 2}
    assert memory_mb < 90
