"""Whom a station tells what: an adapter pulled, a cable cut, a logger killed, kills of its alerts.

EDAPHON_FAULTS=long (`./run faults`) kills two hundred times.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.programs import Mosquitto, wait_until
from tests.stories.load import LONG, random_of, table
from tests.stories.station import Station, teros12_facts

from edaphon.journal import Kind, read_only
from edaphon.storage.client import DaemonOff
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

KILLS = 200 if LONG else 8
PROGRAM = (str(Path(__file__).with_name("watchful_daemon.py")),)
ADDRESSES = "abcdefghijkl"


class FakeServer:
    """A web server that takes everything; `posts` are what came, by path."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str]] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                own.posts.append((self.path, body.decode()))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, path: str) -> list[str]:
        return [body for own, body in list(self.posts) if own == path]

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def notify(server: FakeServer, name: str) -> str:
    body = '{\\"occasion\\": {occasion}, \\"number\\": {number}, \\"text\\": {text}}'
    return (
        f'[[notify]]\nname = "{name}"\nkind = "webhook"\nurl = "{server.url}/{name}"\n'
        f'body = "{body}"\n'
    )


def messages(server: FakeServer, name: str) -> list[dict[str, str]]:
    return [json.loads(body) for body in server.of(f"/{name}")]


@contextmanager
def adapter_with_probes(
    tmp_path: Path, server: FakeServer, interval: str, addresses: str = ADDRESSES
) -> Iterator[tuple[SimulatedBus, Station]]:
    link = tmp_path / "usb-FTDI_A10K2XYZ-port0"
    probes = [Probe(a, f"14METER   TER12 312T12-{a}", (2000, 11.5, 120)) for a in addresses]
    bus = SimulatedBus(probes, second_s=0.02, link=link)
    bus.start()
    tables = [f'[bus.line]\nkind = "sdi12"\nport = "{link}"\n', notify(server, "technician")]
    tables += [
        f'[[source]]\nbus = "line"\naddress = "{a}"\nmodel = "meter.teros12"\n'
        f'interval = "{interval}"\n'
        for a in addresses
    ]
    facts = [teros12_facts(f"line/{a}", f"P{a}") for a in addresses]
    station = Station(tmp_path / "station", tables, facts, PROGRAM)
    station.start()
    try:
        yield bus, station
    finally:
        station.stop()
        bus.stop()


def open_numbers(station: Station) -> list[int]:
    try:
        found = station.ask("alert", do="list")["incidents"]
    except DaemonOff:
        return [-1]
    return [one["number"] for one in found]


def all_speak(station: Station) -> Callable[[], bool]:
    return lambda: all(
        one["state"] == "ok" and not one["detail"] for one in station.ask("status")["sources"]
    )


@pytest.mark.timeout(240)
def test_an_adapter_pulled_is_one_message_and_a_cut_cable_another(tmp_path: Path) -> None:
    with FakeServer() as server, adapter_with_probes(tmp_path, server, "5s") as (bus, station):
        wait_until(all_speak(station), "all twelve probes", 60)
        bus.unplug()
        wait_until(lambda: messages(server, "technician"), "the message of the adapter", 60)
        status = station.json("status", codes=(1,))
        (incident,) = status["incidents"]
        assert incident["title"] in station.command(
            "status", "--config", str(station.file), codes=(1,)
        )
        assert incident["cause"] == "bus line"
        assert not any("silent" in words for words in status["trouble"])
        time.sleep(5)  # whatever else there is to say
        bus.replug()
        wait_until(lambda: len(messages(server, "technician")) > 1, "the message of the return", 60)
        wait_until(lambda: not open_numbers(station), "no open incident", 30)
        cut = bus.probes.pop("c")
        wait_until(lambda: len(messages(server, "technician")) > 2, "the message of the cable", 60)
        time.sleep(5)
        bus.probes["c"] = cut
        wait_until(lambda: len(messages(server, "technician")) > 3, "its return", 60)
        found = messages(server, "technician")
    assert [one["occasion"] for one in found] == ["opened", "resolved"] * 2
    assert "usb-FTDI_A10K2XYZ-port0" in found[0]["text"]
    assert [one["number"] for one in found] == [1, 1, 2, 2]
    assert "line/c" in found[2]["text"]


@pytest.mark.timeout(120)
def test_a_killed_logger_is_noticed_outside(tmp_path: Path) -> None:
    with FakeServer() as server, Mosquitto(tmp_path / "mosquitto") as broker:
        received: list[tuple[bytes, bool]] = []
        outside = Client(CallbackAPIVersion.VERSION2)
        outside.on_message = lambda _, __, message: received.append(
            (message.payload, message.retain)
        )
        outside.connect("127.0.0.1", broker.port)
        outside.subscribe("plots/story-1/alive", 1)
        outside.loop_start()
        tables = [
            f'[broker.local]\nhost = "127.0.0.1"\nport = {broker.port}\ntopics = ["plot/#"]\n',
            f'[alerts]\nheartbeat_url = "{server.url}/ping/secret"\nheartbeat_broker = "local"\n'
            'heartbeat_topic = "plots/story-1/alive"\nheartbeat_every = "1s"\n',
        ]
        station = Station(tmp_path / "station", tables, [], PROGRAM)
        station.start()
        try:
            wait_until(lambda: len(server.of("/ping/secret")) > 1, "two heartbeats", 30)
            wait_until(lambda: received, "the retained message", 30)
            assert json.loads(received[-1][0])["alive"] is True
            station.kill()
            killed_s = time.monotonic()
            wait_until(lambda: not json.loads(received[-1][0])["alive"], "the last will", 30)
            calls = len(server.of("/ping/secret"))
            time.sleep(max(0.0, 3 - (time.monotonic() - killed_s)))
            assert len(server.of("/ping/secret")) == calls
        finally:
            station.stop()
            outside.loop_stop()
            outside.disconnect()
        late = Client(CallbackAPIVersion.VERSION2)
        late.on_message = lambda _, __, message: received.append((message.payload, message.retain))
        late.connect("127.0.0.1", broker.port)
        late.subscribe("plots/story-1/alive", 1)
        late.loop_start()
        wait_until(lambda: received[-1][1], "the retained will", 10)
        assert json.loads(received[-1][0]) == {"alive": False, "why": "lost"}
        station.start()
        wait_until(lambda: json.loads(received[-1][0])["alive"], "a sign of life again", 30)
        station.stop()
        wait_until(lambda: not json.loads(received[-1][0])["alive"], "the word of the stop", 10)
        assert json.loads(received[-1][0]) == {"alive": False, "why": "stopped"}
        late.loop_stop()
        late.disconnect()
        assert "secret" not in station.log()


@pytest.mark.timeout(3600 if LONG else 240)
def test_kills_of_the_alerts_lose_no_message_and_double_one_at_most(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Devices fall silent and come back, a second for five minutes; kills at random moments."""
    rng = random_of("alerts")
    with FakeServer() as server, Mosquitto(tmp_path / "mosquitto") as broker:
        station = silent_devices(tmp_path, server, broker)
        with speaking(broker.port) as silent:
            for n in range(KILLS):
                station.start()
                silent.clear()
                if n % 2 == 0:
                    silent.add(DEVICES[n // 2 % len(DEVICES)])
                time.sleep(rng.uniform(0.0, 12.0))
                station.kill()
            silent.clear()
            station.start()
            try:
                wait_until(lambda: not wrong_numbers(station), "all well", 60)
                time.sleep(3)
            finally:
                station.stop()
        events = events_of(station)
        rows = [(name, assert_each_once(events, server, name)) for name in ("one", "two")]
        table(capfd, f"{KILLS} kills of the alerts: messages, doubles", rows)


SPEED = 300
DEVICES = "abcdef"


def silent_devices(tmp_path: Path, server: FakeServer, broker: Mosquitto) -> Station:
    tables = [
        f'[broker.local]\nhost = "127.0.0.1"\nport = {broker.port}\ntopics = ["plot/#"]\n',
        notify(server, "one"),
        notify(server, "two"),
        *(
            f'[[source]]\nbroker = "local"\ntopic = "plot/{d}"\nexpect = "10min"\n'
            '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\n'
            'unit = "degC"\n'
            for d in DEVICES
        ),
    ]
    facts = [
        f'[[channel]]\nid = "{d}"\nquantity = "soil_temperature"\nunit = "degC"\ndepth_cm = {n}\n'
        f'[[deployment]]\nid = "d-{d}"\nchannel = "{d}"\nsource = "local/plot/{d}"\noutput = "t"\n'
        for n, d in enumerate(DEVICES)
    ]
    program = (*PROGRAM, str(time.time()), str(SPEED))
    return Station(tmp_path / "station", tables, facts, program)


@contextmanager
def speaking(port: int) -> Iterator[set[str]]:
    """Devices that send each five minutes of the fast clock, but for those in the set."""
    silent, stop = set[str](), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def speak() -> None:
        while not stop.wait(300 / SPEED):
            for device in DEVICES:
                if device not in silent:
                    client.publish(f"plot/{device}", b'{"t": 11.5}', 0)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield silent
    finally:
        stop.set()
        thread.join()
        client.loop_stop()
        client.disconnect()


def wrong_numbers(station: Station) -> list[int]:
    found = station.ask("alert", do="list")
    return [one["number"] for one in found["incidents"] if one["wrong"]] or [-1][found["known"] :]


def events_of(station: Station) -> list[dict[str, Any]]:
    assert "Traceback" not in (station.folder / "daemon.log").read_text()
    journal = read_only(station.storage / "journal")
    return [json.loads(entry.payload) for _, entry in journal.scan(kinds={Kind.ALERT})]


def assert_each_once(events: list[dict[str, Any]], server: FakeServer, name: str) -> str:
    """What the journal says was sent came, once but for what a kill doubled; nothing is lost."""
    came = Counter((one["occasion"], one["number"]) for one in messages(server, name))
    own = [e for e in events if e["did"] in {"sent", "summed"} and e["receiver"] == name]
    sent = Counter((event["occasion"], event["number"]) for event in own)
    doubles = came - sent
    assert not sent - came, "what was not taken is not called sent"
    assert sum(doubles.values()) <= KILLS, "at most one for each kill"
    opened = {e["number"]: e["due_ns"] for e in events if e["did"] == "opened"}
    assert len(opened) == sum(e["did"] == "opened" for e in events), "no number is given twice"
    reported = {number for e in own for number in e["numbers"]}
    ended = {e["number"]: e["time_ns"] for e in events if e["did"] in {"resolved", "joined"}}
    due = {number for number, due_ns in opened.items() if ended.get(number, 2**63) > due_ns}
    assert due <= reported, "whatever was due came"
    assert {n for o, n in came if o == "resolved"} <= ended.keys()
    assert reported, "nothing fell silent"
    return f"{sum(came.values())}, {sum(doubles.values())}"
