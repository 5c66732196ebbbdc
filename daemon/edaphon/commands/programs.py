"""Programs that run next to edaphon: found, started with their libraries, watched, ended.

The one place that starts a broker, for `edaphon demo`, `edaphon simulate` and the tests.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BROKER = "mosquitto"
READY_S = 5.0
_MORE_FOLDERS = ("/usr/local/sbin", "/usr/sbin")  # not on the PATH of an ordinary account
_LAST_LINES = 12
_OPEN = "allow_anonymous true\npersistence false\n"


class ProgramEnded(Exception):
    """A program ended, or did not answer in time; the text ends with its own last lines."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started program; what it prints is in `log`, from `log_from` [bytes] on."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    log_from: int

    def last_lines(self) -> str:
        """The end of what it printed since this start."""
        printed = self.log.read_bytes()[self.log_from :].decode("utf-8", "replace")
        lines = printed.strip().splitlines()[-_LAST_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (it printed nothing)"

    def check(self) -> None:
        """Raises ProgramEnded if it does not run any more."""
        if (code := self.process.poll()) is not None:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise ProgramEnded(
                f"expected {self.name} to go on, it ended with {how}. Its last lines:\n"
                + self.last_lines()
            )

    def wait_ready(self, answers: Callable[[], bool], within_s: float = READY_S) -> None:
        """Return when it answers. Raises ProgramEnded if it ends, or takes longer."""
        end = time.monotonic() + within_s
        while not answers():
            self.check()
            if time.monotonic() > end:
                raise ProgramEnded(
                    f"expected {self.name} to answer within {within_s:g} s. Its last lines:\n"
                    + self.last_lines()
                )
            time.sleep(0.03)
        self.check()  # another program may have answered in its place

    def end(self, number: int = signal.SIGTERM, within_s: float = 10.0) -> None:
        """Send the signal, and SIGKILL if it still runs after `within_s`."""
        self.process.send_signal(number)
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_program(name: str) -> Path | None:
    """Its path on this machine; servers lie where an ordinary account does not look."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_MORE_FOLDERS])
    found = shutil.which(name, path=folders)
    return Path(found) if found else None


def libraries(program: Path) -> dict[str, str]:
    """The environment in which a program of an unpacked package finds what was unpacked with it."""
    usr = program.absolute().parent.parent
    if usr.name != "usr" or usr.parent == Path("/"):
        return {}
    folders = sorted({str(library.parent) for library in usr.parent.rglob("*.so.*")})
    before = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": os.pathsep.join([*folders, *([before] if before else [])])}


def launch(
    words: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    name: str = "",
) -> Running:
    """Start a program; all that it prints is added to `log`. Its own name is the usual one."""
    program = Path(words[0])
    with log.open("ab") as out:
        before = out.tell()
        process = subprocess.Popen(  # noqa: S603  a program of this machine, found by name
            list(map(str, words)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **libraries(program), **(environment or {})},
        )
    return Running(name or program.name, process, log, before)


def watch(stop: threading.Event, programs: Sequence[Running], seconds: float | None = None) -> None:
    """Wait for `stop`, at most `seconds`. Raises ProgramEnded when one of the programs ends."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        if stop.wait(0.2 if end is None else max(0.0, min(0.2, end - time.monotonic()))):
            return
        try:
            for program in programs:
                program.check()
        except ProgramEnded:
            if stop.wait(0.5):  # Ctrl-C reaches every program of a terminal
                return
            raise


def broker_conf(port: int, lines: str = _OPEN) -> str:
    """A configuration of mosquitto on this port of loopback, with the caller's `lines`."""
    own = f"listener {port} 127.0.0.1\n{lines}\nlog_dest stderr\n"
    # Started as root it would change to the account `mosquitto`, which only its package makes.
    return own + "user root\n" if os.getuid() == 0 else own


@contextlib.contextmanager
def broker(program: Path, home: Path) -> Iterator[tuple[int, Running]]:
    """A mosquitto on a free port, with its files in `home`, ready. Raises ProgramEnded."""
    port = free_port()
    conf = home / "mosquitto.conf"
    conf.write_text(broker_conf(port), "utf-8")
    running = launch([program, "-c", conf], home / "mosquitto.log")
    try:
        running.wait_ready(lambda: listens(port))
        yield port, running
    finally:
        running.end()


@contextlib.contextmanager
def publisher(port: int) -> Iterator[Callable[[str, bytes], object]]:
    """A client of a broker of this machine: what it is called with, topic and payload, is sent."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield lambda topic, data: client.publish(topic, data, qos=1)
    client.disconnect()
    client.loop_stop()


def listens(port: int) -> bool:
    """Whether a program accepts connections on this port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of loopback that no program listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
