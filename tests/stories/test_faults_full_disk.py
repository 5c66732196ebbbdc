"""A start on a full disk: it records in memory, says why, and keeps all once there is room."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.service.test_starts import stated, station_of
from tests.programs import wait_until
from tests.stories.station import Station
from tests.stories.test_faults_disk import fill

from edaphon.alerts.model import What
from edaphon.clock import SystemClock
from edaphon.journal import Journal

DISK_FULL = "the disk is full: nothing is kept"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB and 60 files."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["-o", "size=8m,nr_inodes=60", "edaphon-test"]
    if subprocess.run(["mount", "-t", "tmpfs", *words, folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def stopped(tmp_path: Path, small_disk: Path) -> Station:
    """A station with values on the small disk, stopped cleanly."""
    station = station_of(tmp_path / "station")
    station.storage.symlink_to(small_disk)
    station.start()
    station.stop()
    with Journal(station.storage / "journal", SystemClock()) as journal:
        for number in range(10):
            journal.append_now(stated(number))
    station.start()
    station.ask("flush")
    station.stop()
    return station


def without_reserve(folder: Path) -> None:
    for part in (folder / "reserve").glob("*"):
        part.unlink()


def no_inodes(folder: Path) -> Path:
    """Empty files until no more can be made."""
    many = folder / "many"
    many.mkdir()
    try:
        for number in range(1000):
            (many / str(number)).touch()
    except OSError:
        return many
    raise AssertionError("expected an end of the inodes")


def answers_of(station: Station) -> None:
    """`query` and `verify` answer."""
    config = ("--config", str(station.file))
    assert station.command("query", "n1-vwc", *config).count("\n") == 11
    assert '"good"' in station.command("verify", "--json", *config, codes=(0, 1))


@pytest.mark.timeout(120)
def test_a_start_on_a_full_disk_says_so_and_keeps_all_once_there_is_room(
    stopped: Station, small_disk: Path
) -> None:
    without_reserve(small_disk)
    ballast = fill(small_disk)
    answers_of(stopped)
    stopped.start()
    try:
        status = stopped.json("status", codes=(1,))
        stated = [*status["trouble"], *(one["what"] for one in status["incidents"])]
        assert any(DISK_FULL in words or words == What.DISK_FULL for words in stated)
        assert status["disk"]["full"]
        answers_of(stopped)
        ballast.unlink()
        wait_until(lambda: not stopped.ask("status")["disk"]["full"], "room", 60)
        wait_until(lambda: list((small_disk / "reserve").glob("*")), "the reserve", 30)
        stopped.ask("flush")
        assert stopped.json("verify")["good"]
        assert "Traceback" not in stopped.log()
    finally:
        stopped.stop()
    assert "Traceback" not in stopped.log()


@pytest.mark.timeout(120)
def test_a_power_cut_on_a_full_disk_leaves_logs_that_are_read_without_room(
    stopped: Station, small_disk: Path
) -> None:
    stopped.start()
    stopped.ask("flush")
    stopped.kill()
    logs = list(small_disk.rglob("*.sqlite-wal"))
    assert all(log.stat().st_size for log in logs)
    for shared in small_disk.rglob("*.sqlite-shm"):  # of a power cut they may be empty or gone
        shared.unlink()
    without_reserve(small_disk)
    ballast = fill(small_disk)
    answers_of(stopped)
    stopped.start()
    try:
        assert DISK_FULL in stopped.json("status", codes=(1,))["trouble"][0]
        answers_of(stopped)
        ballast.unlink()
        wait_until(lambda: not stopped.ask("status")["disk"]["full"], "room", 60)
        stopped.ask("flush")
        answers_of(stopped)
    finally:
        stopped.stop()
    assert "Traceback" not in stopped.log()
    assert stopped.json("verify")["good"]


@pytest.mark.timeout(120)
def test_the_reserve_is_given_up_first(stopped: Station, small_disk: Path) -> None:
    assert list((small_disk / "reserve").glob("*"))
    fill(small_disk)
    stopped.start()
    try:
        assert not list((small_disk / "reserve").glob("*"))
        status = stopped.json("status", codes=(1,))
        assert any("the reserve is given up" in words for words in status["trouble"])
        assert not status["disk"]["full"]
    finally:
        stopped.stop()
    assert "they wait in memory" not in stopped.log()


@pytest.mark.timeout(120)
def test_a_start_without_inodes_goes_on(stopped: Station, small_disk: Path) -> None:
    without_reserve(small_disk)
    many = no_inodes(small_disk)
    answers_of(stopped)
    process = stopped.launch()
    try:
        wait_until(lambda: "recording into" in stopped.log(), "a start", 30)
        time.sleep(1)
        assert process.poll() is None, stopped.log()
        for file in many.iterdir():
            file.unlink()
        wait_until(stopped.answers, "an answer", 30)
        wait_until(lambda: not stopped.ask("status")["disk"]["full"], "room", 60)
    finally:
        stopped.stop()
    assert "Traceback" not in stopped.log()
