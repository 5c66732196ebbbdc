"""Whatever comes in: no crash, no number from it, one clear line, and the others go on."""

import json
import os
import re
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.programs import ROOT, Influx1, Mosquitto, wait_until
from tests.stories.influx import Database
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station, json_node, json_node_facts, teros12_facts

from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
HUGE = 20_000_000
GOOD_LINE = b"a+2000+10.5+12"


class Wire:
    """A port behind which anything may hang: `answer` tells what comes back for a command."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return os.ttyname(self._theirs)

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def _serve(self) -> None:
        asked = b""
        while not self._stop.is_set():
            if not select.select([self._ours], [], [], 0.05)[0]:
                continue
            asked += os.read(self._ours, 4096)
            *commands, asked = asked.split(b"!")
            for command in commands:
                stated = self.answer(command)
                while stated and not self._stop.is_set():
                    if select.select([], [self._ours], [], 0.05)[1]:
                        stated = stated[os.write(self._ours, stated[:512]) :]


def crc(line: bytes) -> bytes:
    """SDI-12 v1.4, 4.4.12: CRC-16 with 0xA001, as three characters."""
    value = 0
    for byte in line:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return bytes(0x40 | value >> shift & 0x3F for shift in (12, 6, 0))


def healthy(command: bytes) -> bytes:
    lines = {
        b"aI": b"a14METER   TER12 312T12-1",
        b"aMC": b"a0003",
        b"aD0": GOOD_LINE + crc(GOOD_LINE),
    }
    return lines.get(command, b"a") + b"\r\n"


def another_number(command: bytes) -> bytes:
    """One digit changed on the way: only the CRC shows it."""
    return healthy(command).replace(b"+2000", b"+3000")


def without_crc(command: bytes) -> bytes:
    return GOOD_LINE + b"\r\n" if command == b"aD0" else healthy(command)


def half(command: bytes) -> bytes:
    return healthy(command)[: len(healthy(command)) // 2]


def noise(command: bytes) -> bytes:
    return bytes(range(256)) * 3 + b"\r\n"


def flood(command: bytes) -> bytes:
    return b"+1" * 40_000


def echo(command: bytes) -> bytes:
    return command + b"!" + healthy(command)


BAD_LINES = [another_number, without_crc, half, noise, flood, echo]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Influx1]:
    with Influx1(tmp_path) as program:
        yield program


@pytest.mark.timeout(120)
def test_a_spoilt_serial_line_gives_gaps_and_no_number(tmp_path: Path, server: Influx1) -> None:
    database = Database(server, "lines")
    wire = Wire(healthy)
    stated = [2100.0]

    def count() -> tuple[float, ...]:
        stated.append(stated[-1] + 1)
        return stated[-1], 10.5, 100.0

    neighbour = SimulatedBus([Probe("a", "14METER   TER12 312T12-2", count)], second_s=0.02)
    with wire as port:
        source = '[[source]]\nbus = "{}"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "2s"\n'
        tables = [
            f'[bus.bad]\nkind = "sdi12"\nport = "{port}"\nanswer_s = 0.05\n',
            f'[bus.good]\nkind = "sdi12"\nport = "{neighbour.start()}"\nanswer_s = 0.3\n',
            source.format("bad") + "crc = true\n",
            source.format("good"),
            database.sink,
        ]
        facts = [teros12_facts("bad/a", "bad"), teros12_facts("good/a", "good")]
        station = Station(tmp_path / "station", tables, facts)
        station.start()
        try:
            for spoilt in BAD_LINES:
                wait_until(lambda: state(station, "bad/a") == "ok", "a whole answer")
                wire.answer = spoilt
                wait_until(lambda: state(station, "bad/a") == "silent", f"a gap by {spoilt}")
                wire.answer = healthy
            wait_until(lambda: state(station, "bad/a") == "ok", "the last whole answer")
            found = station.json("verify", "--deep", "--wait", "20")
            assert found["slots"]["bad/a"]["in_gaps"] >= len(BAD_LINES)
            assert found["slots"]["good/a"]["in_gaps"] == 0
        finally:
            station.stop()
            neighbour.stop()
    counts = [p["raw"] for p in database.points("volumetric_water_content", "good-vwc").values()]
    assert len(counts) >= len(BAD_LINES)
    assert counts == sorted(set(counts) & set(stated)), "the neighbour's own, in order"
    bad = database.points("volumetric_water_content", "bad-vwc").values()
    assert {p["raw"] for p in bad} == {2000.0}, "only what came with its own checksum"
    log = whole_log(station)
    lost = [line for line in log if "bad/a" in line and "expected" in line]
    assert len(lost) == len(BAD_LINES)
    assert all("got" in line for line in lost)
    assert len([line for line in log if line.endswith("bad/a is back")]) == len(BAD_LINES)


def state(station: Station, path: str) -> str:
    sources = station.ask("status")["sources"]
    return next(s["state"] for s in sources if s["path"] == path)


def whole_log(station: Station) -> list[str]:
    """Every line that the daemon ever printed; each must be safe to show."""
    text = (station.folder / "daemon.log").read_text("utf-8")
    assert "Traceback" not in text
    lines = text.splitlines()
    assert [line for line in lines if NOT_PRINTABLE.search(line)] == []
    assert text.count("\n") == len(lines)
    return lines


NODE = "plot/node"
NOT_A_MESSAGE = {
    "nothing": b"",
    "binary": bytes(range(256)),
    "zeros": bytes(4000),
    "half": b'{"t": 1790000000000, "vwc": 0.3',
    "text": b"0.31",
    "a list": b'[{"vwc": 0.31}]',
    "two": b'{"vwc": 0.31}{"vwc": 0.32}',
    "deep lists": b"[" * 60_000,
    "deep objects": b'{"vwc":' * 9_000 + b"0.31" + b"}" * 9_000,
    "endless": b'{"vwc": 0.31, "x": ' + b"1" * 65_000 + b"e9",
    "infinite": b'{"vwc": 1e999, "temp": }',
    "latin": '{"vwc": 0.31, "ort": "Gößweinstein"}'.encode("latin-1"),
    "a bomb": b'{"vwc": 0.31, "x": "' + b"A" * 90_000 + b'"}',
    "20 MB": b'{"vwc": 0.31, "x": "' + b"A" * HUGE + b'"}',
    "20 MB of blanks": b'{"vwc": 0.31}' + b" " * HUGE,
    "20 MB of noise": bytes(range(256)) * (HUGE // 256),
}
NO_NUMBER = {
    "a word": b'{"vwc": "0,31"}',
    "truth": b'{"vwc": true}',
    "null": b'{"vwc": null}',
    "an object": b'{"vwc": {"value": 0.31}}',
    "a list of numbers": b'{"vwc": [0.31]}',
    "not a number": b'{"vwc": NaN}',
    "without end": b'{"vwc": -Infinity}',
}
TOPICS = [
    "plot/<script>alert(1)</script>",
    "plot/<img src=x onerror=alert(1)>",
    "plot/%s%n{0}{x!r}",
    "plot/../../etc/passwd",
    "plot/'; DROP TABLE entry; --",
    "plot/\u202etxt.exe",
    "plot/\u2028\u2029line",
    "plot/node/",
    "plot//node",
    "plot/ünïcode/💧",
    "plot/" + "x" * 60_000,
]
CONTROLS = ["plot/\x1b[2J", "plot/a\nb", "plot/\x7f", "plot/\x00"]  # no broker lets them through


@pytest.mark.timeout(150)
def test_hostile_messages_are_kept_told_and_give_no_number(tmp_path: Path, server: Influx1) -> None:
    database = Database(server, "messages")
    shipped = (ROOT / "deploy" / "mosquitto" / "edaphon.conf").read_text("utf-8")
    conf = re.sub(r"(?m)^message_size_limit .*$", "message_size_limit 0", shipped)
    with Mosquitto(tmp_path, conf) as broker:
        nodes = [json_node("local", NODE), json_node("local", "plot/good")]
        facts = [json_node_facts("local", f"plot/{node}", node) for node in ("node", "good")]
        tables = [broker_table(broker, "local", "plot/#"), *nodes, database.sink]
        station = Station(tmp_path / "station", tables, facts)
        station.start()
        try:
            wait_until(lambda: not station.ask("status")["trouble"], "the broker")
            begun_ms = time.time_ns() // 10**6
            good = {begun_ms - 1000 * n: 0.1 + n / 1000 for n in range(200)}
            hostile = [
                *((NODE, data) for data in NOT_A_MESSAGE.values()),
                *((topic, b'{"vwc": 0.31, "temp": 9.5}') for topic in TOPICS),
                *((NODE, data) for data in NO_NUMBER.values()),
            ]
            mixed = [("plot/good", message(t, vwc)) for t, vwc in good.items()]
            for n, bad in enumerate(hostile):
                mixed.insert(6 * n, bad)
            sent = publish(broker, mixed)
            assert all(refused(broker, topic) for topic in CONTROLS)
            wait_until(lambda: records(station) >= sent, "every message to be derived", 40)
            entries = station.ask("status")["ledgers"]["entries"]
            assert records(station) == sent
            assert entries["dead"] == sent - len(good) - len(NO_NUMBER)
            assert entries["duplicates"] == 0
            found = station.json("verify", "--deep", "--wait", "20")
            assert found["entries"]["journalled"] == sent
            (words,) = station.ask("status")["trouble"]
            assert words.startswith("channel node-vwc: the newest value is missing")
        finally:
            station.stop()
    lines = [line for line in whole_log(station) if "dead letter" in line]
    causes = [line.partition(" from local: ")[2] for line in lines]
    assert len(set(causes)) == len(causes), "a cause is reported once"
    assert all(re.fullmatch(r"expected .+, got .+ from [^ ]+", cause) for cause in causes)
    assert max(map(len, lines)) < 600
    for topic in TOPICS:
        shown = ascii(topic.encode()[:80])[2:-1]
        assert f"expected the topic of a configured source, got {shown} from local" in causes
    garbled = [cause for cause in causes if cause.endswith(f" from {NODE}")]
    assert len(garbled) + len(TOPICS) == len(causes)
    assert [cause for cause in garbled if "at most 65536 bytes, not 200000" in cause]
    vwc = database.points("volumetric_water_content", "good-vwc")
    assert {t // 10**6: p["value"] for t, p in vwc.items()} == good
    node = database.points("volumetric_water_content", "node-vwc").values()
    assert [(p["value"], p["raw"], p["flag"]) for p in node] == [(None, None, 9)] * len(NO_NUMBER)
    assert database.count() == len(good) + len(NO_NUMBER)


def message(time_ms: int, vwc: float) -> bytes:
    return json.dumps({"t": time_ms, "vwc": vwc}).encode()


def records(station: Station) -> int:
    found: int = station.ask("status")["ledgers"]["entries"]["records"]
    return found


def refused(broker: Mosquitto, topic: str) -> bool:
    """Whether the broker ends the connection over this topic."""
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    ended = threading.Event()
    client.on_disconnect = lambda *_: ended.set()
    client.connect(broker.host, broker.port)
    client.loop_start()
    client.publish(topic, b'{"vwc": 0.31}', qos=1)
    found = ended.wait(5)
    client.loop_stop()
    return found
