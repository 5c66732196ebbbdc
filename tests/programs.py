"""Real programs for tests: found or fetched, started on a free loopback port, killed by id."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar, Self

import pytest

ROOT = Path(__file__).resolve().parent.parent
READY_S = 20.0
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


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
    if installed := shutil.which(program, path=SEARCH):
        return Path(installed)
    folder = cache_folder() / package
    if not (found := _unpacked(folder, program)):
        _fetch(folder, package)
        found = _unpacked(folder, program)
    if not found:
        raise Missing(f"package {package} holds no {program}")
    return found


def libraries(program: Path) -> dict[str, str]:
    """The environment in which an unpacked program finds the libraries unpacked beside it."""
    roots = [p for p in program.parents if p.parent == cache_folder()]
    folders = {str(lib.parent) for root in roots for lib in root.rglob("*.so.*")}
    return {"LD_LIBRARY_PATH": os.pathsep.join(sorted(folders))} if folders else {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


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
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise Missing(f"{' '.join(words[:2])} failed: {said}; is apt-get update due?") from None
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
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.program} is not running"
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """Everything the program has said, over all its starts."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def start(self) -> Self:
        """Start and wait until it answers; a test fails that waits longer than 20 s."""
        assert self._process is None, f"{self.program} already runs"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._path, *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **libraries(self._path)},
            )
        try:
            self._wait_ready()
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

    def _wait_ready(self) -> None:
        assert self._process is not None
        end = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{self.program} did not start: {self.log[-2000:]}")
            time.sleep(0.03)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
        lines = [
            f"listener {self.port} {self.host}",
            self._own.sub("", self.conf),
            f"persistence_location {self.folder}/",
            "log_dest stderr",
        ]
        if os.getuid() == 0:
            lines.append("user root")
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")
        return ["-c", str(self.folder / "mosquitto.conf")]

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True


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


def wait_until(true: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Fail the test when `true()` has not become so in time."""
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited {within_s:g} s for {what}")
        time.sleep(0.01)


def fetch_all() -> int:
    """What `./run test` gets before it begins; 1 if a program is missing, each told with why."""
    missing = 0
    wanted = [(kind.program, kind.package) for kind in (Mosquitto, Influx1, VictoriaMetrics)]
    for program, package in [*wanted, ("openssl", "openssl")]:
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
