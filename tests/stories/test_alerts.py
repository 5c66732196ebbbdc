"""Whom a station tells what: an adapter pulled, a cable cut, a logger killed, kills of its alerts.

EDAPHON_FAULTS=long (`./run faults`) kills two hundred times.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.programs import Mosquitto, wait_until
from tests.stories.load import LONG, random_of
from tests.stories.station import Station, teros12_facts

from edaphon.commands.control import DaemonOff
from edaphon.journal import Kind, read_only
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

KILLS = 200 if LONG else 10
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
    tmp_path: Path, server: FakeServer, interval: str
) -> Iterator[tuple[SimulatedBus, Station]]:
    link = tmp_path / "usb-FTDI_A10K2XYZ-port0"
    probes = [Probe(a, f"14METER   TER12 312T12-{a}", (2000, 11.5, 120)) for a in ADDRESSES]
    bus = SimulatedBus(probes, second_s=0.02, link=link)
    bus.start()
    tables = [f'[bus.line]\nkind = "sdi12"\nport = "{link}"\n', notify(server, "technician")]
    tables += [
        f'[[source]]\nbus = "line"\naddress = "{a}"\nmodel = "meter.teros12"\n'
        f'interval = "{interval}"\n'
        for a in ADDRESSES
    ]
    facts = [teros12_facts(f"line/{a}", f"P{a}") for a in ADDRESSES]
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
        time.sleep(8)  # whatever else there is to say
        bus.replug()
        wait_until(lambda: len(messages(server, "technician")) > 1, "the message of the return", 60)
        wait_until(lambda: not open_numbers(station), "no open incident", 30)
        cut = bus.probes.pop("c")
        wait_until(lambda: len(messages(server, "technician")) > 2, "the message of the cable", 60)
        time.sleep(8)
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
        heard: list[tuple[bytes, bool]] = []
        outside = Client(CallbackAPIVersion.VERSION2)
        outside.on_message = lambda _, __, message: heard.append((message.payload, message.retain))
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
            wait_until(lambda: heard, "the retained message", 30)
            assert json.loads(heard[-1][0])["alive"] is True
            station.kill()
            killed_s = time.monotonic()
            wait_until(lambda: not json.loads(heard[-1][0])["alive"], "the last will", 30)
            calls = len(server.of("/ping/secret"))
            time.sleep(max(0.0, 3 - (time.monotonic() - killed_s)))
            assert len(server.of("/ping/secret")) == calls
        finally:
            station.stop()
            outside.loop_stop()
            outside.disconnect()
        late = Client(CallbackAPIVersion.VERSION2)
        late.on_message = lambda _, __, message: heard.append((message.payload, message.retain))
        late.connect("127.0.0.1", broker.port)
        late.subscribe("plots/story-1/alive", 1)
        late.loop_start()
        wait_until(lambda: heard[-1][1], "the retained will", 10)
        late.loop_stop()
        assert json.loads(heard[-1][0]) == {"alive": False, "why": "lost"}
        assert "secret" not in station.log()


@pytest.mark.timeout(3600 if LONG else 240)
def test_kills_of_the_alerts_lose_no_message_and_double_one_at_most(tmp_path: Path) -> None:
    """A device falls silent and comes back while the service is killed at random moments."""
    rng = random_of("alerts")
    with FakeServer() as server, Mosquitto(tmp_path / "mosquitto") as broker:
        station = silent_device(tmp_path, server, broker)
        speaker = Client(CallbackAPIVersion.VERSION2)
        speaker.connect("127.0.0.1", broker.port)
        speaker.loop_start()
        quiet = threading.Event()
        threading.Thread(target=speaks, args=(speaker, quiet), daemon=True).start()
        for _ in range(KILLS):
            station.start()
            turn(quiet, rng)
            time.sleep(rng.uniform(0.0, 3.0))
            station.kill()
        station.start()
        quiet.clear()
        wait_until(lambda: not open_numbers(station), "no open incident", 60)
        time.sleep(2)
        station.stop()
        speaker.loop_stop()
        assert_each_once(station, server)


def turn(quiet: threading.Event, rng: random.Random) -> None:
    if rng.random() < 0.5:
        (quiet.clear if quiet.is_set() else quiet.set)()


def silent_device(tmp_path: Path, server: FakeServer, broker: Mosquitto) -> Station:
    tables = [
        f'[broker.local]\nhost = "127.0.0.1"\nport = {broker.port}\ntopics = ["plot/#"]\n',
        '[[source]]\nbroker = "local"\ntopic = "plot/node"\nexpect = "200ms"\n'
        '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\nunit = "degC"\n',
        notify(server, "one"),
        notify(server, "two"),
    ]
    facts = [
        '[[channel]]\nid = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'
        '[[deployment]]\nid = "d"\nchannel = "t"\nsource = "local/plot/node"\noutput = "t"\n'
    ]
    return Station(tmp_path / "station", tables, facts, PROGRAM)


def speaks(client: Client, quiet: threading.Event) -> None:
    while True:
        if not quiet.is_set():
            client.publish("plot/node", b'{"t": 11.5}', 0)
        time.sleep(0.1)


def assert_each_once(station: Station, server: FakeServer) -> None:
    """What the journal says was sent came to the receiver, once but for what a kill doubled."""
    log = (station.folder / "daemon.log").read_text()
    assert "Traceback" not in log
    events = [
        json.loads(entry.payload)
        for _, entry in read_only(station.storage / "journal").scan(kinds={Kind.ALERT})
    ]
    opened = [event["number"] for event in events if event["did"] == "opened"]
    assert len(opened) == len(set(opened)), "no number is given twice"
    for name in ("one", "two"):
        came = Counter((one["occasion"], one["number"]) for one in messages(server, name))
        sent = Counter(
            (event["occasion"], event["number"])
            for event in events
            if event["did"] in {"sent", "summed"} and event["receiver"] == name
        )
        doubles = sum((came - sent).values())
        assert not sent - came, "what was not taken is not called sent"
        assert doubles <= KILLS, "at most one for each kill"
        assert max(sent.values(), default=1) == 1, "no message is called sent twice"
        summed = {n for e in events if e["did"] == "summed" for n in e["numbers"]}
        told = {number for occasion, number in came if occasion == "opened"} | summed
        resolved = {e["number"] for e in events if e["did"] == "resolved"}
        assert resolved & set(opened) <= told | set(opened)
        assert {n for o, n in came if o == "resolved"} <= resolved
        assert told, "nothing fell silent"
