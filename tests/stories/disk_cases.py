"""Stations whose disk is replayed or refuses: recorded once, and many cases run side by side."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import orjson
from tests.daemon.service.test_starts import station_of
from tests.stories import disk_life
from tests.stories.station import Station

__all__ = ["Lives", "laid_station", "recorded"]

Case = Mapping[str, Any]


def recorded(folder: Path, shim: Path, synchronous: str = "FULL") -> tuple[Station, Path]:
    """Two lives of a new station, and the log of their file operations."""
    station, log = station_of(folder / "recorded"), folder / "operations"
    words = ["record", station.folder, log, synchronous]
    environment = _preloaded(shim, station.folder)
    subprocess.run(
        [sys.executable, disk_life.__file__, *words],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return station, log


def laid_station(folder: Path, like: Station) -> Path:
    """A station with that one's configuration and facts, and no storage folder yet."""
    folder.mkdir()
    shutil.copytree(like.inbox, folder / "facts")
    text = like.file.read_text().replace(str(like.folder), str(folder))
    (folder / "edaphon.toml").write_text(text)
    return folder


def _preloaded(shim: Path | None, folder: Path) -> dict[str, str]:
    own = {"LD_PRELOAD": str(shim), "DISK_FOLDER": str(folder)} if shim else {}
    return {**os.environ, **own}


class Lives:
    """Processes that run cases as `disk_life.py serve` does, so many at a time."""

    def __init__(self, at_a_time: int, shim: Path | None = None) -> None:
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._all = [_server(shim) for _ in range(at_a_time)]
        for process in self._all:
            self._free.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self._all:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()

    def run(
        self, cases: Iterable[Any], lay: Callable[[Any], tuple[Path, Case]]
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """What was found of each case; `lay` makes its station's folder and its words."""

        def one(case: Any) -> tuple[Any, dict[str, Any]]:
            folder, words = lay(case)
            found = self._found({"station": str(folder), **words})
            shutil.rmtree(folder)
            return case, found

        with ThreadPoolExecutor(len(self._all)) as pool:
            yield from pool.map(one, cases)

    def _found(self, case: Case) -> dict[str, Any]:
        process = self._free.get()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(orjson.dumps(case) + b"\n")
        process.stdin.flush()
        found: dict[str, Any] = orjson.loads(process.stdout.readline())
        self._free.put(process)
        return found


def _server(shim: Path | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, disk_life.__file__, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_preloaded(shim, Path("/nowhere")),
    )
