"""Earlier years come in through `edaphon import` next to a live probe: all of it, in its place.

The long form (`./run faults`) takes the 55 MB of 526,032 rows x 12 channels.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stories.load import LONG, PROBES, Probes, Spread, random_of, table
from tests.stories.logger_file import (
    COLUMNS,
    expected_rows,
    logger_facts,
    logger_source,
    peak_mb,
    write_table,
)
from tests.stories.station import Station, teros12_facts

from edaphon.journal import Kind, read_only
from edaphon.series import Series
from edaphon_drivers.readings import unpack_piece

ROWS = 526_032 if LONG else 20_000
ROWS_KILLED = 526_032 if LONG else 8_000
KILLS = 10 if LONG else 3
LARGEST_MB = 200 if LONG else 125  # nothing grows with the file; days left open would, early
STOP_S, STATUS_S, LATE_S = 10.0, 2.0, 10.0
UNDELIVERED_ROWS = 150_000
WITHIN_S = 900.0 if LONG else 60.0
FAR_NS = 2**62

pytestmark = pytest.mark.timeout(1800 if LONG else 120)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    (tmp_path / "data").mkdir()
    sink = f'[[sink]]\nkind = "jsonl"\nname = "out"\nfolder = "{tmp_path / "out"}"\n'
    with Probes(tmp_path) as probes:
        sources = "".join(
            f'[[source]]\nbus = "sdi12"\naddress = "{a}"\nmodel = "meter.teros12"\n'
            'interval = "1s"\n'
            for a in PROBES
        )
        tables = [
            logger_source(tmp_path / "data" / "*.dat"),
            f'[bus.sdi12]\nkind = "sdi12"\nport = "{probes.port}"\n{sources}',
            sink if LONG else "",  # on a busy disk it is slower than all else
        ]
        facts = [logger_facts(), *(teros12_facts(f"sdi12/{a}", f"probe-{a}") for a in PROBES)]
        station = Station(tmp_path, tables, facts)
        yield station
        station.kill()


class Watch:
    """Asks for the status all the time: how long it takes, and how old the probes' values are."""

    def __init__(self, station: Station) -> None:
        self._station, self._stop = station, threading.Event()
        self.latencies_s: list[float] = []
        self.ages_s: list[float] = []
        self.seen: list[dict[str, Any]] = []  # what was shown of imports
        self.gaps: dict[str, int] = {}
        self.undelivered: list[int] = []  # rows that are derived and not in the sink
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            begun = time.monotonic()
            answer = self._station.ask("status")
            self.latencies_s.append(time.monotonic() - begun)
            self.seen += answer["imports"]
            ledgers = answer["ledgers"]
            self.gaps = ledgers["gaps"]
            self.undelivered += [ledgers["derived"] - n for n in ledgers["delivered"].values()]
            for channel in answer["channels"]:
                if channel["id"].startswith("probe") and channel["latest"]:
                    age_ns = time.time_ns() - channel["latest"]["time_ns"]
                    self.ages_s.append(age_ns / 1e9)


def test_a_long_file_comes_in_with_little_memory_and_makes_nothing_else_late(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "old years.dat"
    write_table(file, ROWS)
    station.start()
    time.sleep(2)  # the probes' first values
    process = station.process
    assert process is not None
    begun = time.monotonic()
    with Watch(station) as watch:
        station.command(
            "import", str(file), "--wait", "--config", str(station.file), within_s=WITHIN_S
        )
        took_s = time.monotonic() - begun
    peak = peak_mb(process.pid)
    expect_once(station, tmp_path, file, ROWS)
    rows = [
        ("rows, readings", f"{ROWS:,}", f"{ROWS * COLUMNS:,}"),
        ("took [s], readings/s", f"{took_s:.1f}", f"{ROWS * COLUMNS / took_s:,.0f}"),
        ("peak of memory [MB]", f"{peak:.0f}"),
        ("status [s]", Spread(watch.latencies_s)),
        ("age of the probes' latest value [s]", Spread(watch.ages_s)),
        ("rows behind in the sink", Spread(watch.undelivered)),
        ("slots in gaps", watch.gaps),
    ]
    table(capsys, "import next to two probes at 1 s", rows)
    assert peak < LARGEST_MB
    assert max(watch.latencies_s) < STATUS_S
    assert max(watch.ages_s) < LATE_S
    assert max(watch.undelivered, default=0) < UNDELIVERED_ROWS, (
        "or live values wait for all before them"
    )
    assert not watch.gaps
    shown = [one for one in watch.seen if one["file"] == str(file)]
    assert shown
    assert {one["size_bytes"] for one in shown} == {file.stat().st_size}
    assert [one["taken_bytes"] for one in shown] == sorted(one["taken_bytes"] for one in shown)


def test_an_import_that_is_killed_again_and_again_brings_every_reading_once(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, random = tmp_path / "old.dat", random_of("import")
    write_table(file, ROWS_KILLED)
    station.start()
    station.command("import", str(file), "--config", str(station.file))
    stops, done = [], []
    for life in range(KILLS):
        time.sleep(random.uniform(0.0, 4.0 if LONG else 0.6))
        done.append(station.ask("imports", source="file/log", files=[str(file)])["files"][0])
        if life % 3 == 2:
            stops.append(station.stop())
        else:
            station.kill()
        station.start()
    station.command("import", str(file), "--wait", "--config", str(station.file), within_s=WITHIN_S)
    table(
        capsys,
        "import killed and stopped",
        [
            ("taken at each end [MB]", *(f"{one['taken_bytes'] / 1e6:.1f}" for one in done)),
            ("stops [s]", Spread(stops)),
        ],
    )
    assert max(stops) < STOP_S
    expect_once(station, tmp_path, file, ROWS_KILLED)


def expect_once(station: Station, folder: Path, file: Path, rows: int) -> None:
    """The journal holds the bytes of the file once, the series its readings, the sink both."""
    again = station.command(
        "import", str(file), "--wait", "--config", str(station.file), within_s=WITHIN_S
    )
    assert "nothing in it is new" in again
    [lines] = station.ask("status")["file_lines"]
    expected = {"lines": rows + 4, "rows": rows, "headers": 4, "blank": 0, "refused": 0}
    assert {key: lines[key] for key in expected} == expected
    assert not lines["missing"]
    station.command("verify", "--wait", "60", "--config", str(station.file))
    stopped_s = station.stop()
    assert stopped_s < STOP_S
    expect_file_in_journal(station, file)
    series = Series(station.storage / "series.sqlite", read_only=True)
    try:
        for column in range(COLUMNS):
            runs = series.read(f"old-{column + 1}", -FAR_NS, FAR_NS)
            times, numbers = expected_rows(rows, column)
            assert np.array_equal(np.concatenate([run.time_ns for run in runs]), times)
            assert np.array_equal(np.concatenate([run.value for run in runs]), numbers)
        assert not series.conflicts()
    finally:
        series.close()


def expect_file_in_journal(station: Station, file: Path) -> None:
    journal, found = read_only(station.storage / "journal"), b""
    for _, entry in journal.scan(sources={"file/log"}, kinds={Kind.RECORD}):
        piece = unpack_piece(entry.payload)
        assert piece.name == str(file)
        assert piece.offset == len(found or piece.header), "no byte twice, none left out"
        found = (found or piece.header) + piece.data
    assert found == file.read_bytes()
