"""LoRaWAN uplinks from the network server to InfluxDB: published ones and thousands more."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.conformance.comparing import complaints
from tests.conformance.entries import Entry, Given, entry_bytes, read_entries
from tests.programs import Influx1, Mosquitto, wait_until
from tests.stories.influx import Database, Point
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station

from edaphon_drivers.sheets import Sheet, load_sheet
from edaphon_drivers.simulators.lorawan import chirpstack_v4, frames, tts_v3

VECTORS = Path(__file__).parent.parent / "conformance" / "vectors"
SERVERS: Mapping[str, Callable[..., tuple[str, bytes]]] = {"ttn": tts_v3, "cs": chirpstack_v4}
MODELS = {
    "decentlab.dl-trs12": ["Decentlab DL-TRS12"],
    "decentlab.dl-smtp": ["Decentlab DL-SMTP"],
    "dragino.lse01-1.1.4": ["Dragino LSE01"],
    "dragino.lse01-1.2.1": ["Dragino LSE01 (fw >=1.2.1, MOD 1)"],
    "dragino.se01-lb": ["Dragino SE01-LB"],
    "milesight.em500-smtc": ["Milesight EM500-SMTC"],
}
FRAMES = 1000
SECOND_NS = 10**9


class Device(NamedTuple):
    """A device behind one network server; its plot is called like it."""

    model: str
    server: str
    number: int

    @property
    def sheet(self) -> Sheet:
        return load_sheet(self.model)

    @property
    def eui(self) -> str:
        return f"A8404100000000{self.number:02X}"

    @property
    def plot(self) -> str:
        return f"{self.server}-{self.number}"

    @property
    def source(self) -> str:
        place = f'broker = "{self.server}"\ndev_eui = "{self.eui}"'
        return f'[[source]]\n{place}\nmodel = "{self.model}"\n'

    @property
    def facts(self) -> str:
        """A channel for each output; replicates tell those of one quantity apart."""
        rows = [f'[[plot]]\nid = "{self.plot}"\n']
        for number, output in enumerate(self.sheet.outputs.values(), 1):
            channel = f"{self.plot}-{output.name}"
            rows.append(
                f'[[channel]]\nid = "{channel}"\nplot = "{self.plot}"\n'
                f'quantity = "{output.quantity}"\nunit = "{output.unit}"\nreplicate = {number}\n'
                f'[[deployment]]\nid = "d-{channel}"\nchannel = "{channel}"\n'
                f'source = "{self.server}/{self.eui.lower()}"\noutput = "{output.name}"\n'
            )
        return "".join(rows)

    def points(self, database: Database) -> dict[int, dict[str, Point]]:
        """By time and output, what InfluxDB holds of this device."""
        found: dict[int, dict[str, Point]] = {}
        for output in self.sheet.outputs.values():
            points = database.points(output.quantity, f"{self.plot}-{output.name}")
            for time_ns, point in points.items():
                found.setdefault(time_ns, {})[output.name] = point
        return found


DEVICES = [
    Device(model, server, number)
    for number, (model, server) in enumerate((m, s) for m in MODELS for s in SERVERS)
]


class Sent(NamedTuple):
    """An uplink that went out; `values` are those it must give by output, None for no number."""

    device: Device
    time_ns: int
    payload: bytes
    f_port: int
    values: Mapping[str, float | None]
    vector: Entry | None = None


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as program:
        yield program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx1]:
    with Influx1(tmp_path_factory.mktemp("influx")) as program:
        yield program


def started(folder: Path, broker: Mosquitto, database: Database, devices: list[Device]) -> Station:
    tables = [
        broker_table(broker, "ttn", "v3/#", "tts-v3"),
        broker_table(broker, "cs", "application/#", "chirpstack-v4"),
        database.sink,
        *(device.source for device in devices),
    ]
    station = Station(folder, tables, [device.facts for device in devices])
    station.start()
    wait_until(lambda: not problem(station), "both brokers")
    return station


def problem(station: Station) -> list[str]:
    found: list[str] = station.ask("status")["trouble"]
    return found


def settled(station: Station, records: int) -> dict[str, Any]:
    """The ledgers, once that many records are derived and delivered."""

    def done() -> bool:
        ledgers = station.ask("status")["ledgers"]
        kept = sum(ledgers[name] for name in ("current", "conflicts", "repeats", "replaced"))
        # What is counted and not written yet waits for no sink so far.
        is_whole = ledgers["entries"]["records"] >= records and ledgers["derived"] == kept
        return is_whole and not any(ledgers["waiting"].values())

    wait_until(done, f"{records} records to be derived and delivered", within_s=60)
    found: dict[str, Any] = station.ask("status")["ledgers"]
    return found


def messages(sent: Iterable[Sent]) -> Iterator[tuple[str, bytes]]:
    counters: dict[Device, int] = {}
    for one in sent:
        f_cnt = counters[one.device] = counters.get(one.device, -1) + 1
        wrap = SERVERS[one.device.server]
        yield wrap(one.device.eui, one.payload, one.f_port, f_cnt, one.time_ns)


def published_vectors(before_ns: int) -> Iterator[Sent]:
    """Every vector of the named models that is fit for use, through both network servers."""
    labels = {label: model for model, own in MODELS.items() for label in own}
    # Without those that expect what a factory curve makes of a number: the channels are raw.
    entries = [
        entry
        for name, entry in read_entries(VECTORS)
        if entry["device"] in labels and not name.startswith("more_")
    ]
    assert len(entries) >= 10
    for number, entry in enumerate(entries):
        for device in DEVICES:
            fit = not (entry.get("expect_unusable") or entry.get("expect_error"))
            if device.model == labels[entry["device"]] and fit:
                time_ns = before_ns - number * SECOND_NS
                yield Sent(device, time_ns, entry_bytes(entry), entry["f_port"], {}, entry)


def random_frames(before_ns: int) -> Iterator[Sent]:
    rng = random.Random("uplinks")
    for model in MODELS:
        own = [device for device in DEVICES if device.model == model]
        for number, frame in enumerate(frames(model, seed=20261122, n=FRAMES)):
            time_ns = before_ns - number * SECOND_NS - rng.randrange(SECOND_NS)
            yield Sent(rng.choice(own), time_ns, frame.payload, frame.f_port, frame.values)


@pytest.mark.timeout(180)
def test_published_and_random_uplinks_come_back_from_influxdb_exactly(
    tmp_path: Path, broker: Mosquitto, server: Influx1
) -> None:
    database = Database(server, "uplinks")
    station = started(tmp_path, broker, database, DEVICES)
    try:
        now = time.time_ns()
        sent = list(published_vectors(now - 30 * SECOND_NS))
        sent += random_frames(now - 100 * SECOND_NS)
        records = publish(broker, messages(sent))
        ledgers = settled(station, records)
        assert ledgers["entries"]["decoded"] == records
        assert ledgers["entries"]["duplicates"] == ledgers["entries"]["dead"] == 0
        assert ledgers["conflicts"] == 0
        held = {device: device.points(database) for device in DEVICES}
        for one in sent:
            points = held[one.device].pop(one.time_ns, {})
            if one.vector is not None:
                assert_as_published(one.device, one.vector, points)
            else:
                assert {name: number(p) for name, p in points.items()} == one.values
        assert not any(held.values()), "points that no uplink brought"
        station.json("verify", "--deep", "--wait", "20")
        # of random frames the newest number may be none
        assert [words for words in problem(station) if not words.startswith("channel ")] == []
    finally:
        station.stop()


def number(point: Point) -> float | None:
    """The number; none with flag 9, and flag 9 only without one."""
    assert (point["raw"] is None) == (point["flag"] == 9), point
    assert point["value"] == point["raw"], "a channel in the output's own unit"
    found: float | None = point["raw"]
    return found


def assert_as_published(device: Device, vector: Entry, points: Mapping[str, Point]) -> None:
    outputs = device.sheet.outputs
    given = [
        Given(name, number(point), outputs[name].unit, outputs[name].failure)
        for name, point in points.items()
    ]
    assert complaints(vector, given) == [], vector["id"]
    codes = {code for output in outputs.values() for code in output.failure}
    numbers = {g.value for g in given}
    for row in vector["expected"]:
        if row["value"] is not None and row["value"] not in codes and not row.get("tolerance"):
            assert row["value"] in numbers, (vector["id"], row, "to the last bit")


def test_repeats_holes_joins_and_strangers_are_told_apart(
    tmp_path: Path, broker: Mosquitto, server: Influx1
) -> None:
    database = Database(server, "repeats")
    node = Device("dragino.lse01-1.1.4", "ttn", 0x51)
    other = Device("dragino.lse01-1.1.4", "cs", 0x52)
    station = started(tmp_path, broker, database, [node, other])
    try:
        start = time.time_ns() - 3600 * SECOND_NS
        wet = [frame.payload for frame in frames(node.model, seed=1, n=12)]

        def up(device: Device, f_cnt: int, n: int, session: str = "s1") -> tuple[str, bytes]:
            at = start + n * 60 * SECOND_NS
            return SERVERS[device.server](device.eui, wet[n], 2, f_cnt, at, session)

        received = [up(node, 7, 0), up(node, 8, 1)]
        repeats = [up(node, 8, 1), up(node, 7, 0)]  # through another gateway, or sent again
        hole = [up(node, 12, 2), up(node, 13, 3)]  # 9, 10 and 11 are missing
        late = [up(node, 10, 4)]
        joins = [join_tts(node), join_chirpstack(other)]
        after = [up(node, 0, 5, "s2"), up(node, 1, 6, "s2")]  # a session counts from 0 again
        there = [up(other, 0, 7), up(other, 1, 8), up(other, 1, 8), up(other, 5, 9)]
        strangers = Device(node.model, "ttn", 0xEE), Device(node.model, "cs", 0xEF)
        unknown = [up(stranger, 1, n) for n, stranger in enumerate(strangers, 10)]
        sent = [*received, *repeats, *hole, *late, *joins, *after, *there, *unknown]
        ledgers = settled(station, publish(broker, sent))
        assert ledgers["entries"] == {
            "records": len(sent),
            "decoded": len(sent) - 5,
            "duplicates": 3,
            "dead": 2,
            "held": 0,
            "conflicts": 0,
        }
        missed = {s["path"]: s["missed_uplinks"] for s in station.ask("status")["sources"]}
        assert missed == {f"ttn/{node.eui.lower()}": 2, f"cs/{other.eui.lower()}": 3}
        assert sorted(node.points(database)) == [start + n * 60 * SECOND_NS for n in range(7)]
        assert sorted(other.points(database)) == [start + n * 60 * SECOND_NS for n in (7, 8, 9)]
        for eui, name in (("a8404100000000ee", "ttn"), ("a8404100000000ef", "cs")):
            lines = [line for line in station.log().splitlines() if eui in line]
            assert len(lines) == 1
            assert "dead letter" in lines[0]
            assert f"from {name}: expected the DevEUI of a configured source" in lines[0]
        station.json("verify", "--deep", "--wait", "20")
    finally:
        station.stop()


def join_tts(device: Device) -> tuple[str, bytes]:
    name = f"eui-{device.eui.lower()}"
    ids = {"device_id": name, "dev_eui": device.eui, "dev_addr": "260B1AFB"}
    accept = {"session_key_id": "AXA50tHUqUucCzzdvWMKOg==", "received_at": "2026-11-22T02:00:00Z"}
    message = {"end_device_ids": ids, "join_accept": accept}
    return f"v3/soil@ttn/devices/{name}/join", json.dumps(message).encode()


def join_chirpstack(device: Device) -> tuple[str, bytes]:
    info = {"deviceName": "probe", "devEui": device.eui.lower()}
    message = {"time": "2026-11-22T02:00:00+00:00", "deviceInfo": info, "devAddr": "00189440"}
    return f"application/1/device/{device.eui.lower()}/event/join", json.dumps(message).encode()
