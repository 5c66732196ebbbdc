"""Every file of a storage folder is harmed in every way: the service starts all the same."""

import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.daemon.service.test_starts import stated, station_of
from tests.stories.harms import HARMS, harms_of
from tests.stories.load import LONG, table
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.journal import Journal

START_S = 30.0
SEEDS = 4 if LONG else 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A station of three journal files, values and a release, killed while it ran."""
    station = station_of(tmp_path_factory.mktemp("whole"))
    station.start()
    station.stop()
    with Journal(station.storage / "journal", SystemClock(), largest_bytes=60_000) as journal:
        for k in range(3):
            for number in range(300):
                journal.append([stated(1000 * k + number)])
            journal.append_now(stated(1000 * k + 999))
    station.start()
    config = ("--config", str(station.file))
    station.command("release", "r1", "--who", "test", *config)
    station.ask("flush")
    station.kill()
    return station


def cases(folder: Path) -> list[tuple[str, str, int]]:
    """(file, name of the harm, seed): every file, harmed in every way."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return [
        (str(path.relative_to(folder)), name, seed)
        for path in files
        for name, seed in harms_of(path, SEEDS)
    ]


NAMED = {  # file, harm, and what the log and status name
    ("journal/journal-000001.sqlite", "a directory"): "journal-000001.sqlite.damaged-1",
    ("journal/NEWEST.sqlite-wal", "a directory"): ".sqlite-wal.damaged-1",
    ("series.sqlite", "a directory"): "series.sqlite.damaged-1",
    ("state.sqlite", "another database"): "state.sqlite.damaged-1",
}
SHORT = [
    ("journal/journal-000001.sqlite", "a directory"),
    ("journal/NEWEST.sqlite", "cut to 5000"),
    ("journal/NEWEST.sqlite-wal", "a directory"),
    ("journal/journal.lock", "a directory"),
    ("series.sqlite", "a directory"),
    ("series.sqlite-wal", "flipped"),
    ("series.sqlite", "without a table"),
    ("series.sqlite-shm", "a directory"),
    ("state.sqlite", "another database"),
]


def log_of_a_start(folder: Path, whole: Station, case: tuple[str, str, int]) -> str:
    """Start on a harmed copy and stop; what it wrote. Fails where it does not run within 30 s."""
    file, name, seed = case
    left_out = shutil.ignore_patterns("*.sock")
    shutil.copytree(whole.folder, folder, ignore=left_out)
    config = folder / "edaphon.toml"
    config.write_text(config.read_text().replace(str(whole.folder), str(folder)))
    HARMS[name](folder / "storage" / file, random.Random(f"{file} {name} {seed}"))
    log = folder / "log"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "edaphon", "run", str(config)],
            stdout=out,
            stderr=out,
            env=environment,
        )
    begun = time.monotonic()
    try:
        while "recording into" not in log.read_text(errors="replace"):
            words = f"{case}: {log.read_text(errors='replace')[-1000:]}"
            assert process.poll() is None, words
            assert time.monotonic() - begun < START_S, words
            time.sleep(0.02)
        time.sleep(0.3)  # the deriver reads what is there
        assert process.poll() is None, f"{case}: {log.read_text(errors='replace')[-1000:]}"
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
    text = log.read_text(errors="replace")
    shutil.rmtree(folder)
    assert "Traceback" not in text, f"{case}: {text[-2000:]}"
    return text


@pytest.mark.timeout(3000)
def test_a_start_goes_on_whatever_befell_a_file(
    whole: Station, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    every = cases(whole.storage)
    newest = max(path.stem for path in (whole.storage / "journal").glob("*.sqlite"))
    named = {(f.replace("NEWEST", newest), name): words for (f, name), words in NAMED.items()}
    short = [(file.replace("NEWEST", newest), name, 0) for file, name in SHORT]
    assert set(short) <= set(every)
    chosen = every if LONG else short

    def run(number: int) -> str:
        case = chosen[number]
        try:
            log = log_of_a_start(tmp_path / str(number), whole, case)
            assert named.get(case[:2], "") in log, f"{case} is not named: {log}"
        except AssertionError as failure:
            return str(failure)
        return ""

    with ThreadPoolExecutor(2) as pool:
        failures = list(filter(None, pool.map(run, range(len(chosen)))))
    rows = [("starts on a harmed storage folder", len(chosen), ""), ("failed", len(failures), "")]
    table(capfd, "every file harmed", rows)
    assert not failures, "\n".join(failures)
