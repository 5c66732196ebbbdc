"""A disk that is full while messages come: nothing is acknowledged that is not kept."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs import Mosquitto, wait_until
from tests.stories.load import LONG, Publisher, kept_messages, loaded_station, table
from tests.stories.station import Station

FULL_S = 60 if LONG else 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "edaphon-test", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def troubled(station: Station) -> bool:
    return "they wait in memory" in station.log()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("killed", [False, True], ids=["alive", "killed"])
def test_a_full_disk_stops_nothing_for_good_and_loses_nothing(
    tmp_path: Path, small_disk: Path, capfd: pytest.CaptureFixture[str], killed: bool
) -> None:
    with Mosquitto(tmp_path) as broker:
        station = loaded_station(tmp_path / "station", broker)
        station.storage.symlink_to(small_disk)  # its log is somewhere else
        try:
            station.start()
            with Publisher(broker) as nodes:
                wait_until(lambda: len(kept_messages(station)) > 100, "messages")
                ballast = fill(small_disk)
                wait_until(lambda: troubled(station), "the problem to be reported", 60)
                time.sleep(FULL_S)
                assert station.process is not None
                assert station.process.poll() is None
                assert station.answers()
                held = len(kept_messages(station))
                if killed:
                    station.kill()
                    process = station.launch()
                    wait_until(station.answers, "an answer with the full disk", 30)
                    time.sleep(3)
                    assert process.poll() is None, station.log()
                    ballast.unlink()
                else:
                    assert station.log().count("they wait in memory") == 1
                    ballast.unlink()
                freed = time.monotonic()
                wait_until(lambda: len(kept_messages(station)) > held, "commits again", 60)
                took = time.monotonic() - freed
                nodes.finish()
            wait_until(lambda: nodes.accepted <= kept_messages(station).keys(), "messages", 60)
            assert set(kept_messages(station).values()) == {1}
            verdict = station.json("verify")
            assert verdict["good"], verdict
            assert "Traceback" not in station.log()
        finally:
            station.kill()
    rows = [("kept while it was full, accepted in all", held, len(nodes.accepted))]
    rows.append(("until commits again [s]", f"{took:.2f}", ""))
    table(capfd, f"disk full for {FULL_S} s, the daemon {'killed' if killed else 'alive'}", rows)
