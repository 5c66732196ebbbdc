"""Who is on a line: real ports and probes that are simulated, next to a daemon that records."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.stories.station import Station, teros12_facts
from tests.switch import SwitchDevice

from edaphon.acquire.line_talks import ANSWERS, DUPLICATE, SILENT, modbus_presence, sdi12_presence
from edaphon.clock import SystemClock
from edaphon.commands.scan import _addresses, _bus, port_rows
from edaphon.config import read_config
from edaphon.journal import Entry, Journal, Kind, Purpose, read_only
from edaphon.service.process import running
from edaphon.toml_input.lines import read_document
from edaphon_drivers.readings import Turn, pack_message
from edaphon_drivers.simulators.lorawan import encode, tts_v3
from edaphon_drivers.simulators.modbus import SimulatedLine, Unit, rtu
from edaphon_drivers.simulators.plugged import SimulatedThermometers
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus


def probe(address: str, serial: str = "", model: str = "TER12 ") -> Probe:
    stated = f"13METER   {model}411{serial or 'T12-0000000' + address}"
    return Probe(address, stated, [1807.82, 21.0, 1])


def two_at_once(command: str) -> str | None:
    """What an adapter hears of two probes that answer together."""
    return "garbled" if command.endswith("I") else None


def tables(port: str, *addresses: str, interval: str = "1h", answer_s: float = 0.4) -> list[str]:
    line = f'[bus.sdi12]\nkind = "sdi12"\nport = "{port}"\nanswer_s = {answer_s}\n'
    return [line] + [
        f'[[source]]\nbus = "sdi12"\naddress = "{a}"\nmodel = "meter.teros12"\n'
        f'interval = "{interval}"\n'
        for a in addresses
    ]


def deployed(address: str, serial: str) -> str:
    facts = teros12_facts(f"sdi12/{address}", f"p{address}")
    named = facts.replace('output = "', f'sensor = "{serial}"\noutput = "')
    return f'[[sensor]]\nid = "{serial}"\nmodel = "meter.teros12"\n{named}'


@contextmanager
def line_of(*probes: Probe) -> Iterator[str]:
    line = SimulatedBus(probes, second_s=0.01)
    path = line.start()
    try:
        yield path
    finally:
        line.stop()


def test_a_line_is_scanned_while_it_is_recorded_and_no_slot_is_missed(tmp_path: Path):
    probes = [probe("a"), probe("b"), probe("5", model="TER21 "), probe("d")]
    probes[3].fault = two_at_once
    with line_of(*probes) as port:
        station = Station(
            tmp_path, [*tables(port, "a", "b", interval="2s"), *tables(port, "c")[1:]], []
        )
        with running(station.file) as service:
            found = call_json(station, "scan", "sdi12", "--addresses", "5-6,a-d", codes=(1,))
            assert service.deriver.state.counts.dead == 0
            assert service.deriver.state.gaps == {}
            assert service.sources.open_gaps == []
        (bus,) = found["buses"]
        states = {row["path"]: row["state"] for row in bus["rows"]}
        assert states == {
            "sdi12/a": "ok",
            "sdi12/b": "ok",
            "sdi12/c": "missing",
            "sdi12/5": "unknown",
            "sdi12/d": "duplicate suspected",
        }
        assert bus["asked"] == 6
        (source,) = [p for p in found["proposals"] if 'address = "5"' in p]
        assert 'model = "meter.teros21"' in source
        assert "METER TER21 411 T12-00000005" in source
        kept = [e for _, e in read_only(station.storage / "journal").scan(kinds=[Kind.IDENTITY])]
        scanned = {e.source for e in kept if e.purpose == Purpose.SCAN}
        assert scanned == {"sdi12/a", "sdi12/b", "sdi12/5", "sdi12/d"}


def test_crossed_probes_are_explained_by_scan_and_by_status(tmp_path: Path):
    facts = [deployed("a", "T12-A"), deployed("b", "T12-B")]
    with line_of(probe("a", "T12-B"), probe("b", "T12-A")) as port:
        station = Station(tmp_path, tables(port, "a", "b"), facts)
        alone = call_json(station, "scan", "sdi12", "--addresses", "a-b")
        assert [row["state"] for row in alone["buses"][0]["rows"]] == ["ok", "ok"]
        with running(station.file) as service:
            found = call_json(station, "scan", "sdi12", "--addresses", "a-b", codes=(1,))
            until(lambda: station.ask("status")["trouble"])
            (problem,) = station.ask("status")["trouble"]
            assert not service.problem
        assert [row["state"] for row in found["buses"][0]["rows"]] == ["contradicted"] * 2
        assert "report each other's serial numbers" in found["explanations"][0]
        assert "sdi12/a and sdi12/b report each other's serial" in problem


def test_units_on_a_serial_line_answer_even_with_exceptions(tmp_path: Path):
    smt100 = Unit(3, holding={0: 13100, 1: 2512, 2: 1500, 3: 9000})
    line = SimulatedLine([smt100, Unit(5), Unit(7, inputs={0: 1})])
    port = line.start()
    try:
        table = f'[bus.rs485]\nkind = "serial"\nport = "{port}"\nanswer_s = 0.2\n'
        source = '[[source]]\nbus = "rs485"\naddress = "{}"\nmodel = "truebner.smt100"\n'
        hourly = 'interval = "1h"\n'
        sources = [source.format(3) + hourly, source.format(9) + hourly]
        station = Station(tmp_path, [table, *sources], [])
        words, _ = call(station, "scan", "--addresses", "3,5,7-9", codes=(1,))
        found = {
            line.split()[0]: line.split()[1] for line in words.splitlines() if "rs485/" in line
        }
    finally:
        line.stop()
    assert found == {
        "rs485/3": "ok",
        "rs485/5": "unknown",
        "rs485/7": "unknown",
        "rs485/9": "missing",
    }
    assert 'address = "7"\nmodel = "?"' in words


def test_each_branch_of_a_line_is_looked_at_by_its_own_way(tmp_path: Path):
    mux = SwitchDevice()
    switch = (
        f'[bus.sdi12.multiplexer]\nfile = "{mux.path}"\nports = {{ north = "N", south = "S" }}\n'
        'settle = "1ms"\n'
    )
    chosen: list[str] = []
    one = probe("a")
    one.fault = lambda _: chosen.append(mux.last)
    with line_of(one) as port:
        head, source = tables(port, "a")
        station = Station(tmp_path / "s", [head, switch, source + 'branch = "north"\n'], [])
        (bus,) = call_json(station, "scan", "--addresses", "a-b")["buses"]
    states = {row["path"]: row["state"] for row in bus["rows"]}
    assert states == {"sdi12/a@north": "ok", "sdi12/a@south": "unknown"}
    assert set(chosen[:4]) == {"N"}
    assert set(chosen[4:]) == {"S"}


def test_thermometers_are_listed_from_the_folder_of_the_kernel(tmp_path: Path):
    SimulatedThermometers(tmp_path / "w1").show("28-0316a2795cff", 9.5)
    SimulatedThermometers(tmp_path / "w1").show("10-000802b4d7e1", 9.5)
    own = '[[source]]\nbus = "w1"\naddress = "{}"\nmodel = "maxim.ds18b20"\ninterval = "1h"\n'
    table = f'[bus.w1]\nkind = "w1"\nport = "{tmp_path}/w1"\n'
    sources = own.format("28-0316a2795cff") + own.format("28-000000000001")
    station = Station(tmp_path / "s", [table, sources], [])
    found = call_json(station, "scan", "w1", codes=(1,))
    assert {row["address"]: row["state"] for row in found["buses"][0]["rows"]} == {
        "28-0316a2795cff": "ok",
        "28-000000000001": "missing",
        "10-000802b4d7e1": "unknown",
    }
    assert 'model = "maxim.ds18s20"' in found["proposals"][0]


def test_a_scan_that_is_interrupted_tells_whom_it_found():
    text = (
        '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
        '[bus.s]\nkind = "sdi12"\nport = "/dev/s"\n'
    )
    config, _ = read_config(read_document("edaphon.toml", text))
    row = {"path": "s/0", "address": "0", "state": ANSWERS, "identity": None, "words": ""}
    asked: list[str] = []

    def ask(verb: str, bus: str, addresses: list[str]):
        asked.extend(addresses)
        if len(asked) > 4:
            raise KeyboardInterrupt
        return {"rows": [row]}

    found = _bus(config, "s", config.buses["s"], [*"0123456789"], ask)
    assert found["interrupted"]
    assert [r["state"] for r in found["rows"]] == ["unknown"]


def test_a_journal_that_another_program_writes_is_left_alone(tmp_path: Path):
    with line_of(probe("a")) as port:
        station = Station(tmp_path, tables(port, "a"), [])
        with Journal.open(station.storage / "journal", SystemClock()):
            call(station, "scan", codes=(75,))


def test_a_bus_that_is_none_and_addresses_that_are_none_are_shown(tmp_path: Path):
    station = Station(tmp_path, tables("/dev/serial/by-id/none", "a"), [])
    call(station, "scan", "sdi", codes=(2,))
    call(station, "scan", "--addresses", "1-?", codes=(2,))
    found = call_json(station, "scan", codes=(1,))
    assert "plug the adapter in" in found["buses"][0]["trouble"]
    assert any("bus sdi12: expected a port" in words for words in found["problems"])


def message(source: str, topic: str, data: bytes) -> Entry:
    payload = pack_message(topic, data, 1, False, False)
    return Entry(Kind.RECORD, time.time_ns(), 0, "boot", source, payload)


def test_devices_and_topics_received_lately_are_proposed(tmp_path: Path):
    brokers = (
        '[broker.ttn]\nhost = "127.0.0.1"\ntopics = ["v3/#"]\nenvelope = "tts-v3"\n'
        '[broker.home]\nhost = "127.0.0.1"\ntopics = ["#"]\n'
    )
    own = '[[source]]\nbroker = "ttn"\ndev_eui = "A84041000000D001"\nmodel = "decentlab.dl-trs12"\n'
    station = Station(tmp_path, [brokers, own], [])
    payload, port = encode("decentlab.dl-trs12", {"battery_voltage": 3.0})
    announced = {
        "state_topic": "zigbee2mqtt/soil1",
        "value_template": "{{ value_json.soil_moisture }}",
        "unit_of_measurement": "%",
        "device_class": "moisture",
        "name": "Soil moisture",
        "device": {"manufacturer": "Tuya", "model": "TS0601"},
    }
    with Journal.open(station.storage / "journal", SystemClock()) as journal:
        for n, eui in enumerate(["A84041000000D001", "A84041000000D001", "A84041000000D009"]):
            topic, data = tts_v3(eui, payload, port, n, time.time_ns())
            journal.append_now(message("ttn", topic, data))
        discovery = "homeassistant/sensor/soil1/moisture/config"
        journal.append_now(message("home", discovery, orjson.dumps(announced)))
        journal.append_now(message("home", "zigbee2mqtt/soil1", b'{"soil_moisture":31}'))
        journal.append_now(
            message(
                "home", "plot/\x1b[2J", b'\xef\xbb\xbf{"soil":[{"t":9.5},{"t":"4.2"}],"w":"4,2"}\0'
            )
        )
    found = call_json(station, "scan")
    ttn, home = found["brokers"]
    assert [(row["place"], row["n"], row["state"]) for row in ttn["rows"]] == [
        ("a84041000000d001", 2, "ok"),
        ("a84041000000d009", 1, "unknown"),
    ]
    text = "\n".join(found["proposals"])
    assert 'dev_eui = "a84041000000d009"' in text
    assert 'topic = "zigbee2mqtt/soil1"\n[[source.field]]\nname = "soil_moisture"' in text
    assert 'numbers in it: soil.0.t = 9.5, soil.1.t = "4.2" (text)\n' in text + "\n"
    assert "\x1b" not in call(station, "scan")[0]
    assert len(home["rows"]) == 2


def test_all_addresses_of_a_protocol_are_asked_the_configured_ones_first():
    source = '[[source]]\nbus = "{}"\naddress = "{}"\nmodel = "{}"\ninterval = "1h"\n'
    text = (
        '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
        '[bus.s]\nkind = "sdi12"\nport = "/dev/s"\n[bus.m]\nkind = "serial"\nport = "/dev/m"\n'
        + source.format("s", "Z", "meter.teros12")
        + source.format("m", "9", "truebner.smt100")
    )
    config, config_errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, config_errors
    lines = {name: _addresses(config, name, bus, "") for name, bus in config.buses.items()}
    assert (len(lines["s"]), lines["s"][:2]) == (62, ["Z", "0"])
    assert (len(lines["m"]), lines["m"][:2]) == (247, ["9", "1"])
    assert _addresses(config, "s", config.buses["s"], "0-2,b") == ["0", "1", "2", "b"]


def test_ports_are_shown_with_the_bus_that_uses_them(tmp_path: Path):
    text = (
        '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
        f'[bus.gone]\nkind = "sdi12"\nport = "{tmp_path}/gone"\n'
    )
    config, config_errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, config_errors
    (row,) = [row for row in port_rows(config, tmp_path) if row["trouble"]]
    assert row["buses"] == ["gone"]
    assert "bus gone: expected a port" in row["trouble"]


I_A = b"a13METER   TER12 411T12-0001\r\n"
I_B = b"a13METER   TER12 411T12-0002\r\n"


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ((b"", b""), SILENT),
        ((b"a\r\n", I_A, I_A, I_A), ANSWERS),
        ((b"a\r\n", I_A, b"a13M\xc5TER\r\n", I_A), ANSWERS),  # once is an accident
        ((b"a\r\n", I_A, I_B, I_A), DUPLICATE),
        ((b"a\r\na\r\n", I_A + I_B), DUPLICATE),
        ((b"a\r\n", b"\xff\r\n", I_A, b"a13\r\n"), DUPLICATE),
        ((b"a\r\n", b"", b"", b""), ANSWERS),
        ((b"a\r\n", b"a\r\n" + I_A, I_A, I_A), ANSWERS),  # a service request in front
    ],
)
def test_two_probes_at_one_address_are_distinguished_from_one_and_from_noise(answers, state):
    turns: list[Turn] = []
    for n, came in enumerate(answers):
        turns += [Turn(0, True, b"aI!" if n else b"a!"), Turn(0, False, came)]
    assert sdi12_presence("a", turns).state == state


def test_units_that_only_garble_are_suspected_to_be_two():
    asked, good = rtu(5, bytes.fromhex("0300000001")), rtu(5, b"\x83\x02")
    bad = [Turn(0, True, asked), Turn(0, False, b"\x05\xff")] * 3
    assert modbus_presence(bad).state == DUPLICATE
    assert modbus_presence([*bad, Turn(0, True, asked), Turn(0, False, good)]).state == ANSWERS
    assert modbus_presence([Turn(0, True, asked)]).state == SILENT
