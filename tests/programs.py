"""Real programs for tests: found or fetched, started on a free loopback port, killed by id."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from edaphon.commands.programs import (
    ProgramEnded,
    Running,
    broker_conf,
    find_program,
    free_port,
    launch,
    listens,
)

ROOT = Path(__file__).resolve().parent.parent
READY_S = 20.0


class Missing(Exception):
    """A program is neither installed nor could it be fetched."""


def cache_folder() -> Path:
    """Where fetched programs live, made at first use; EDAPHON_CACHE names another place."""
    folder = Path(os.environ.get("EDAPHON_CACHE") or ROOT / ".cache" / "programs")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def require(program: str, package: str) -> Path:
    """The program's path; a missing one skips the test at home and fails it with CI=true."""
    try:
        return find(program, package)
    except Missing as error:
        reason = f"{program} is not installed and could not be fetched: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@cache
def find(program: str, package: str) -> Path:
    """First on PATH, then in the cache folder, then fetched from the distribution."""
    if installed := find_program(program):
        return installed
    folder = cache_folder() / package
    if not (found := _unpacked(folder, program)):
        _fetch(folder, package)
        found = _unpacked(folder, program)
    if not found:
        raise Missing(f"package {package} holds no {program}")
    return found


def _unpacked(folder: Path, program: str) -> Path | None:
    found = [p for p in sorted(folder.glob(f"usr/*bin/{program}")) if os.access(p, os.X_OK)]
    return found[0] if found else None


def _fetch(folder: Path, package: str) -> None:
    """The package and whatever of its dependencies this machine lacks, unpacked side by side."""
    parts = folder.with_name(f"{package}.{os.getpid()}.part")
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    try:
        listed = _run(
            "apt-get", "install", "--print-uris", "--yes", "--no-install-recommends", package
        )
        names = re.findall(r"^'[^']+' ([^_ ]+)_\S+ \d+", listed, re.MULTILINE)
        _run("apt-get", "download", *(names or [package]), cwd=parts)
        for deb in parts.glob("*.deb"):
            _run("dpkg-deb", "-x", str(deb), str(parts))
            deb.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        parts.rename(folder)
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _run(*words: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            words, cwd=cwd, capture_output=True, text=True, timeout=50, check=True
        )
    except FileNotFoundError:
        raise Missing(f"no {words[0]}: fetching works on Debian and Ubuntu only") from None
    except subprocess.SubprocessError as error:
        stated = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise Missing(f"{' '.join(words[:2])} failed: {stated}; is apt-get update due?") from None
    return done.stdout


class Program:
    """One server on a free loopback port; it keeps port and data over kill() and start()."""

    program: ClassVar[str]
    package: ClassVar[str]
    host = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self._path = require(self.program, self.package)
        self.folder = folder / self.program
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._running: Running | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._running is not None, f"{self.program} is not running"
        return self._running.process.pid

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """Everything the program has printed, over all its starts."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def start(self) -> Self:
        """Start and wait until it answers; a test fails that waits longer than 20 s."""
        assert self._running is None, f"{self.program} already runs"
        self._running = launch([self._path, *self._arguments()], self.folder / "log")
        try:
            self._running.wait_ready(self._answers, READY_S)
        except ProgramEnded as ended:
            self.kill()
            pytest.fail(str(ended))
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """SIGKILL, as a power cut would end it; nothing happens when it doesn't run."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL if it takes longer than 10 s."""
        self._end(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def _arguments(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _end(self, number: int) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.end(number)


def _http_says(port: int, path: str, statuses: set[int]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in statuses
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Mosquitto(Program):
    """An MQTT broker with the configuration that edaphon ships, or another one's text."""

    program = package = "mosquitto"
    _own = re.compile(r"^\s*(listener|persistence_location|user|log_\w+)\b.*$", re.MULTILINE)

    def __init__(self, folder: Path, conf: str | None = None) -> None:
        shipped = ROOT / "deploy" / "mosquitto" / "edaphon.conf"
        self.conf = shipped.read_text("utf-8") if conf is None else conf
        super().__init__(folder)

    @property
    def saved_bytes(self) -> int:
        """The size of what a kill of the broker would leave."""
        database = self.folder / "mosquitto.db"
        return database.stat().st_size if database.exists() else 0

    def _arguments(self) -> list[str]:
        lines = f"{self._own.sub('', self.conf)}\npersistence_location {self.folder}/"
        (self.folder / "mosquitto.conf").write_text(broker_conf(self.port, lines), "utf-8")
        return ["-c", str(self.folder / "mosquitto.conf")]

    def _answers(self) -> bool:
        return listens(self.port)


class Influx1(Program):
    """InfluxDB 1.6.7: /write, /query and /ping; `settings` adds lines to sections, by name."""

    program, package = "influxd", "influxdb"

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._settings = dict(settings or {})
        self._rpc_port = free_port()
        super().__init__(folder)

    def _arguments(self) -> list[str]:
        sections = {
            "meta": f'dir = "{self.folder}/meta"',
            "data": f'dir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"',
            "http": f'bind-address = "{self.host}:{self.port}"\nlog-enabled = false',
            "monitor": "store-enabled = false",
        }
        text = f'reporting-disabled = true\nbind-address = "{self.host}:{self._rpc_port}"\n'
        for name in {**sections, **self._settings}:
            text += f"[{name}]\n{sections.get(name, '')}\n{self._settings.get(name, '')}\n"
        (self.folder / "influxdb.conf").write_text(text, "utf-8")
        return ["run", "-config", str(self.folder / "influxdb.conf")]

    def _answers(self) -> bool:
        return _http_says(self.port, "/ping", {204})


class VictoriaMetrics(Program):
    """VictoriaMetrics single node; `flags` are added to its command line."""

    program = package = "victoria-metrics"

    def __init__(self, folder: Path, flags: tuple[str, ...] = ()) -> None:
        self._flags = flags
        super().__init__(folder)

    def _arguments(self) -> list[str]:
        return [
            f"-httpListenAddr={self.host}:{self.port}",
            f"-storageDataPath={self.folder}/data",
            "-retentionPeriod=100y",
            *self._flags,
        ]

    def _answers(self) -> bool:
        return _http_says(self.port, "/health", {200})


def output(*words: object, **options: Any) -> str:
    """What a command printed; a test fails with its last lines where the command fails."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **options)
    if done.returncode:
        printed = (done.stdout + done.stderr).strip().splitlines()[-20:]
        pytest.fail("\n".join([f"{words[0]} ended with exit code {done.returncode}:", *printed]))
    return done.stdout


def wait_until(true: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Fail the test when `true()` has not become so in time."""
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited {within_s:g} s for {what}")
        time.sleep(0.01)


def fetch_all() -> int:
    """What `./run test` gets before it begins; 1 if a program is missing, each with the reason."""
    missing = 0
    wanted = [(kind.program, kind.package) for kind in (Mosquitto, Influx1, VictoriaMetrics)]
    wanted += [(name, name) for name in ("openssl", "debootstrap")]
    for program, package in wanted:
        try:
            find(program, package)
        except Missing as error:
            missing = 1
            print(f"{program}: {error}", file=sys.stderr)
    return missing


if __name__ == "__main__":
    sys.exit(
        fetch_all() if sys.argv[1:] == ["fetch", "all"] else "python -m tests.programs fetch all"
    )
