"""The two that are compared, each as a process that hears a broker and writes to a sink."""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from tests.benchmarks.nodes import broker, facts, influx, sources
from tests.benchmarks.processes import cpu_s, line_from, peak_mb, python
from tests.programs import Mosquitto
from tests.stories.station import Station

# Of the shipped configuration what bears on speed; without saving, which would make the broker's
# disk the limit of any burst that queues.
BROKER = "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 200000\n"

__all__ = ["Run", "edaphon", "naive", "run_line"]


@dataclass
class Run:
    """One peer's way through one load."""

    messages_per_s: float
    cpu_s: float
    peak_mb: float
    lost: int
    doubled: int
    requests: int
    publishing_s: float
    late_s: list[float] = field(default_factory=list)


@contextmanager
def edaphon(folder: Path, mqtt_port: int, sink_port: int) -> Iterator[int]:
    """The daemon with its 60 channels, ready; its process id."""
    station = Station(
        folder / "station", [broker(mqtt_port), sources(), influx(sink_port)], [facts()]
    )
    station.start()
    try:
        time.sleep(2)  # so that it hears the broker and rests
        assert station.process is not None
        yield station.process.pid
    finally:
        station.stop()
        if noise := station.log():
            print(noise)


@contextmanager
def naive(folder: Path, mqtt_port: int, sink_port: int) -> Iterator[int]:
    with python("tests.benchmarks.naive", str(mqtt_port), str(sink_port)) as process:
        assert "subscribed" in line_from(process, 20)
        time.sleep(1)
        yield process.pid


def get(port: int, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        found: dict[str, Any] = orjson.loads(answer.read())
        return found


def run_line(peer: Any, lines_each: int, folder: Path, messages: int, rate: float = 0.0) -> Run:
    """A fresh broker and sink, the load, and what came; CPU counts from the first message on."""
    folder.mkdir(parents=True)
    first = "now" if rate else str(int(time.time() * 1000) - 120_000)
    words = [str(messages), str(rate), first]
    with (
        Mosquitto(folder, BROKER) as mosquitto,
        python("tests.benchmarks.counting_sink") as sink,
        python("tests.benchmarks.publisher", str(mosquitto.port), *words) as publisher,
    ):
        port = int(line_from(sink, 20))
        with peer(folder, mosquitto.port, port) as pid:
            before = cpu_s(pid)
            assert publisher.stdin is not None
            publisher.stdin.write(b"go\n")
            publisher.stdin.flush()
            begun, ended = map(float, line_from(publisher, 120).split())
            _wait(port, messages * lines_each)
            spent, peak = cpu_s(pid) - before, peak_mb(pid)
        found = get(port, "/report?latency" if rate else "/report")
    points = found["points"]
    return Run(
        messages_per_s=messages / (found["last"] - begun),
        cpu_s=spent,
        peak_mb=peak,
        lost=messages * lines_each - points,
        doubled=found["lines"] - points,
        requests=found["requests"],
        publishing_s=ended - begun,
        late_s=found["late_s"],
    )


def _wait(port: int, lines: int) -> None:
    """Until all lines are there, or nothing has come for 5 s."""
    seen, quiet_since = 0, time.monotonic()
    while seen < lines and time.monotonic() - quiet_since < 5:
        time.sleep(0.05)
        now = get(port, "/lines")["lines"]
        if now != seen:
            seen, quiet_since = now, time.monotonic()
