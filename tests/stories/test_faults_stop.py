"""SIGTERM ends the daemon soon, whatever its servers and probes do meanwhile."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.fake_influx import FakeInflux, Play
from tests.programs import Mosquitto, free_port, wait_until
from tests.stories.load import LONG, Probes, Publisher, kept_messages, loaded_station, table
from tests.stories.station import Station

ENOUGH_S = 10.0 if LONG else 25.0  # below every time-out and Retry-After on the way


@contextmanager
def playing(play: Play) -> Iterator[tuple[str, Callable[[], bool]]]:
    """A database that gives this answer always; and whether it was asked."""
    with FakeInflux(version=1, target="soil") as fake:
        fake.script += [play] * 1000
        yield fake.url, lambda: bool(fake.writes)


@contextmanager
def refusing() -> Iterator[tuple[str, Callable[[], bool]]]:
    yield f"http://127.0.0.1:{free_port()}", lambda: True


@contextmanager
def deaf_server(drip: bytes = b"") -> Iterator[tuple[int, Callable[[], bool]]]:
    """Accepts and never answers, or answers a byte each 0.5 s without an end."""
    server = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    stop = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connections.append(server.accept()[0])

    def dripping() -> None:
        while drip and not stop.wait(0.5):
            for k, connection in enumerate(list(connections)):
                with suppress(OSError):
                    connection.sendall(drip[:40] if k % 2 else drip[:1])

    threads = [threading.Thread(target=work, daemon=True) for work in (serve, dripping)]
    for thread in threads:
        thread.start()
    yield server.getsockname()[1], lambda: bool(connections)
    stop.set()
    server.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    server.close()
    for connection in connections:
        connection.close()


@contextmanager
def dripping() -> Iterator[tuple[str, Callable[[], bool]]]:
    answer = b"HTTP/1.1 503 Service Unavailable\r\nX-Slow: " + b"x" * 1000
    with deaf_server(answer) as (port, asked):
        yield f"http://127.0.0.1:{port}", asked


SINKS = {
    "a database that hangs": lambda: playing(Play(delay_s=600)),
    "a database that refuses connections": refusing,
    "a database that says 503, Retry-After 60": lambda: playing(
        Play(503, {"Retry-After": "60"}, b"busy")
    ),
    "a database that drips its answer": dripping,
}


def stopped(station: Station) -> float:
    """Seconds the stop took; it must have been a clean one."""
    process = station.process
    assert process is not None
    took = station.stop()
    assert process.returncode == 0, station.log()
    assert took < ENOUGH_S
    return took


@pytest.mark.timeout(120)
@pytest.mark.parametrize("state", SINKS)
def test_the_daemon_stops_soon_beside(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], state: str
) -> None:
    with Mosquitto(tmp_path) as broker, SINKS[state]() as (url, asked):
        station = loaded_station(tmp_path / "station", broker, url)
        try:
            station.start()
            with Publisher(broker) as nodes:
                wait_until(lambda: len(nodes.sent) > 100 and asked(), "a request", 30)
                time.sleep(1.5)
                took = stopped(station)
                nodes.finish()
            station.start()
            wait_until(lambda: nodes.accepted <= kept_messages(station).keys(), "messages", 30)
            assert set(kept_messages(station).values()) == {1}
        finally:
            station.kill()
    table(capfd, f"stop next to {state}", [("seconds", f"{took:.2f}")])


@pytest.mark.timeout(120)
def test_the_daemon_stops_soon_beside_a_broker_that_hangs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with deaf_server() as (port, asked):
        broker = type("Broker", (), {"host": "127.0.0.1", "port": port})
        station = loaded_station(tmp_path / "station", broker)
        try:
            station.start()
            wait_until(asked, "a connection")
            took = stopped(station)
        finally:
            station.kill()
    table(capfd, "stop next to a broker that hangs", [("seconds", f"{took:.2f}")])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["silent in mid-measurement", "measuring for a minute"])
def test_the_daemon_stops_soon_beside_a_probe(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    with Probes(tmp_path) as probes:
        for probe in probes.bus.probes.values():
            if fault == "measuring for a minute":
                probe.seconds = 3000  # of 0.02 s each
            else:
                probe.fault = lambda command: "silent" if command[1:2] == "D" else None
        station = loaded_station(tmp_path / "station", port=probes.port)
        try:
            station.start()
            asked = probes.bus.probes["a"].asked
            wait_until(lambda: any(command[1:2] in "MD" for command in asked), "a measurement")
            time.sleep(0.3)
            took = stopped(station)
            assert station.json("verify")["good"]
        finally:
            station.kill()
    table(capfd, f"stop next to a probe {fault}", [("seconds", f"{took:.2f}")])
