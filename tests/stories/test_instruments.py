"""Story: instruments of every kind on one logger, from the wire to the series, over a restart.

Modbus RTU and TCP, a gas analyser that talks by itself, thermometers of the kernel's 1-wire bus, a
logger's file, a Zigbee gateway, a LoRaWAN device with its maker's JavaScript, and an instrument
that its owner declared: all recorded by the real daemon, through a real broker.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from tests.own_sheets import OWN_SHEETS
from tests.programs import Mosquitto, wait_until
from tests.simulated_files import SimulatedLogger
from tests.stories.sending import broker_table
from tests.stories.station import Station
from tests.switch import SwitchDevice

from edaphon_drivers.simulators.ascii import Instrument, SimulatedPort
from edaphon_drivers.simulators.modbus import SimulatedLine, SimulatedServer, Unit
from edaphon_drivers.simulators.plugged import SimulatedThermometers

EUI = "a84041b2c1d5e6f7"
ROM = "28-0316a2795cff"
CODEC = """
function decodeUplink(input) {
  return { data: { soil: { t: ((input.bytes[0] << 8) | input.bytes[1]) / 100 } } };
}
"""
# (channel, source, output, quantity, unit, the value that must come)
CHANNELS = (
    ("rtu", "rs485/1", "soil_temperature", "soil_temperature", "degC", -10.1),
    ("tcp", "mbtcp/7", "soil_temperature", "soil_temperature", "degC", 21.5),
    ("gas", "gas/0", "co2", "co2_mole_fraction", "ppm", 512.5),
    ("w1", f"w1/{ROM}", "soil_temperature", "soil_temperature", "degC", 7.0625),
    ("file", "file/cr1000", "soil_temperature", "soil_temperature", "degC", 4.25),
    ("zigbee", "home/zigbee2mqtt/soil1", "soil_temperature", "soil_temperature", "degC", 18.0),
    ("js", f"cs/{EUI}", "t", "soil_temperature", "degC", 12.34),
    ("own", "bench/0@south+relay", "ph", "soil_ph", "pH", 6.4),
)


def facts() -> str:
    return "".join(
        f'[[channel]]\nid = "{name}"\nquantity = "{quantity}"\nunit = "{unit}"\n'
        f"replicate = {number}\n"
        f'[[deployment]]\nid = "d-{name}"\nchannel = "{name}"\nsource = "{source}"\n'
        f'output = "{output}"\n'
        for number, (name, source, output, quantity, unit, _) in enumerate(CHANNELS, 1)
    )


def asked(bus: str, address: str, model: str) -> str:
    return f'[[source]]\nbus = "{bus}"\naddress = "{address}"\nmodel = "{model}"\ninterval = "1s"\n'


class Plot:
    """Every simulated instrument, the broker, and the station that records them."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder, self.broker = folder, broker
        soil = {0: 658, 1: 65435, 2: 1000}
        self.line = SimulatedLine([Unit(1, holding=soil)])
        self.server = SimulatedServer([Unit(7, holding={**soil, 1: 215})])
        record = b"<li850><data><celltemp>5.1e1</celltemp><co2>5.125e2</co2></data></li850>\n"
        self.gas = SimulatedPort(Instrument(lines=iter(lambda: record, b""), period_s=0.2))
        self.bench = SimulatedPort(Instrument(answers={b"PH?": b"64,19.5\r\n"}))
        self.thermometers = SimulatedThermometers(folder / "w1")
        self.thermometers.show(ROM, 7.0625)
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=800)
        fields = [("T_5_Avg", "Deg C", "Avg")]
        self.logger = SimulatedLogger(
            folder / "cr1000.dat", fields, begin.replace(tzinfo=None), timedelta(minutes=30)
        )
        self.logger.step([4.25])
        (folder / "codec.js").write_text(CODEC)
        self.mux, self.relay = SwitchDevice(), SwitchDevice()
        self.station = Station(folder, [*self.tables(), OWN_SHEETS], [facts()])

    def tables(self) -> Iterator[str]:
        rs485, gas, bench = self.line.start(), self.gas.start(), self.bench.start()
        yield f'[bus.rs485]\nkind = "serial"\nport = "{rs485}"\n'
        yield f'[bus.mbtcp]\nkind = "modbus-tcp"\nport = "tcp://127.0.0.1:{self.server.start()}"\n'
        yield f'[bus.gas]\nkind = "stream"\nport = "{gas}"\n'
        yield (
            f'[bus.bench]\nkind = "serial"\nport = "{bench}"\n'
            f'[bus.bench.multiplexer]\nfile = "{self.mux.path}"\n'
            'ports = { north = "N", south = "S" }\n'
        )
        yield f'[bus.w1]\nkind = "w1"\nport = "{self.folder / "w1"}"\n'
        yield broker_table(self.broker, "home", "zigbee2mqtt/#", "json")
        yield broker_table(self.broker, "cs", "application/#", "chirpstack-v4")
        yield asked("rs485", "1", "dfrobot.sen0601") + asked("mbtcp", "7", "dfrobot.sen0601")
        yield asked("w1", ROM, "maxim.ds18b20")
        yield asked("bench", "0", "acme.ph1") + 'branch = "south"\nsupply = "relay"\n'
        yield f'[supply.relay]\nfile = "{self.relay.path}"\nwarm_up = "100ms"\n'
        yield '[[source]]\nbus = "gas"\nmodel = "licor.li-850"\nexpect = "1s"\n'
        yield (
            f'[[source]]\nname = "cr1000"\nfile = "{self.folder}/*.dat"\nmodel = "plot.cr1000"\n'
            'settings = { utc_offset = "+00:00", interval_s = 1800 }\n'
        )
        yield (
            '[[source]]\nbroker = "home"\ntopic = "zigbee2mqtt/soil1"\nmodel = "tuya.ts0601-soil"\n'
        )
        yield (
            f'[[source]]\nbroker = "cs"\ndev_eui = "{EUI}"\n'
            f'codec_file = "{self.folder / "codec.js"}"\n'
            '[[source.field]]\nname = "t"\npath = "soil.t"\n'
            'quantity = "soil_temperature"\nunit = "degC"\n'
        )

    def publish(self, number: int) -> None:
        """A message of the Zigbee probe, and an uplink of the LoRaWAN device."""
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        uplink = {
            "time": datetime.now(UTC).isoformat(),
            "deviceInfo": {"devEui": EUI},
            "fPort": 2,
            "fCnt": number,
            "devAddr": "01020304",
            "data": base64.b64encode((1234).to_bytes(2, "big")).decode(),
        }
        probe = {"soil_moisture": 31, "temperature": 18, "battery": 90}
        for topic, message in (
            ("zigbee2mqtt/soil1", probe),
            (f"application/1/device/{EUI}/event/up", uplink),
        ):
            client.publish(topic, json.dumps(message), qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    def values(self, channel: str) -> list[float | None]:
        rows: dict[str, Any] = self.station.ask("series", channel=channel, start_ns=0, end_ns=2**62)
        return list(rows["value"])

    def silent(self) -> list[str]:
        """The channels without a value."""
        return [name for name, *_ in CHANNELS if not self.values(name)]

    def stop(self) -> None:
        self.station.stop()
        for part in (self.line, self.server, self.gas, self.bench):
            part.stop()


@pytest.fixture
def plot(tmp_path: Path) -> Iterator[Plot]:
    with Mosquitto(tmp_path / "broker") as broker:
        plot = Plot(tmp_path, broker)
        try:
            plot.station.start()
            wait_until(lambda: not plot.station.ask("status")["trouble"], "both brokers")
            plot.publish(1)
            yield plot
        finally:
            plot.stop()


def test_instruments_of_every_kind_give_their_numbers_and_each_row_of_a_file_once(plot: Plot):
    wait_until(lambda: not plot.silent(), "values of every kind of instrument", 20)
    for name, *_, expected in CHANNELS:
        assert set(plot.values(name)) == {expected}, name
    rows = plot.station.ask("series", channel="file", start_ns=0, end_ns=2**62)
    assert rows["time_ns"][0] - rows["start_ns"][0] == 1800 * 10**9  # a mean is no instant

    assert plot.mux.last == "S"

    plot.logger.step([5.5])
    plot.station.stop()
    assert plot.relay.last == "0"
    plot.logger.step([6.75])
    text = plot.station.file.read_text()
    plot.station.file.write_text(text.replace("divide = { ph = 10 }", "divide = { ph = 8 }"))
    codec = plot.folder / "codec.js"
    codec.write_text(CODEC.replace("/ 100", "/ 10"))
    plot.station.start()
    wait_until(lambda: len(plot.values("file")) == 3, "the rows written meanwhile", 20)
    assert plot.values("file") == [4.25, 5.5, 6.75]
    # A scale that was wrong from the start is right for what was recorded before, too.
    wait_until(lambda: set(plot.values("own")) == {8.0}, "the corrected scale in the past", 20)

    wait_until(lambda: plot.values("js") == [123.4], "the corrected codec in the past", 20)

    ledgers = plot.station.ask("status")["ledgers"]["entries"]
    assert ledgers["records"] == ledgers["decoded"]
    assert ledgers["dead"] == 0
