"""A simulated plot: probes on a line, LoRaWAN devices and a node, with what they would say."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orjson

from edaphon_drivers.simulators import lorawan
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

__all__ = ["BROKER", "NODE_TOPIC", "messages", "plot_text", "probes"]

Clock = Callable[[], float]
BROKER, NODE_TOPIC = "field", "plot/node1"
DAY_S, STEP_S = 86_400, 600
DEVICES = {
    "A84041000000D001": "decentlab.dl-trs12",
    "A84041000000D002": "dragino.lse01-1.1.4",
    "A84041000000D003": "milesight.em500-smtc",
}
DEPTHS = {"a": 5, "b": 20, "c": 50}


def temperature(time_s: float, depth_cm: float) -> float:
    """Soil temperature [degC]: the daily wave damped and delayed with depth (damping 12 cm)."""
    damped = depth_cm / 12.0
    return 11.0 + 4.0 * math.exp(-damped) * math.sin(2 * math.pi * time_s / DAY_S - damped - 2.0)


def moisture(time_s: float, depth_cm: float) -> float:
    """Volumetric water content [m3/m3]: drying since a shower six hours into the day."""
    since_rain = (time_s - 21_600) % DAY_S
    wave = 0.05 * math.exp(-since_rain / 40_000.0 - depth_cm / 25.0)
    return 0.21 + 0.0012 * depth_cm + wave


class _Teros12:
    """What a TEROS 12 at a depth says: counts by its maker's mineral line, degC, uS/cm."""

    def __init__(self, depth_cm: float, now_s: Clock) -> None:
        self._depth_cm = depth_cm
        self._now_s = now_s
        self._noise = random.Random(round(depth_cm))  # noqa: S311  repeatable noise

    def __call__(self) -> list[float | str]:
        now = self._now_s()
        counts = (moisture(now, self._depth_cm) + 0.6956) / 3.879e-4
        stated = counts + self._noise.gauss(0.0, 0.3)
        return [round(stated, 2), round(temperature(now, self._depth_cm), 1), 120]


def probes(now_s: Clock) -> SimulatedBus:
    """Three probes; the deepest has a loose plug and now and then says nothing."""
    line = [
        Probe(address, f"13METER   TER12 411T12-0000{depth:04d}", _Teros12(depth, now_s))
        for address, depth in DEPTHS.items()
    ]
    asked = [0]

    def loose(command: str) -> str | None:
        asked[0] += 1
        return "silent" if asked[0] % 40 > 30 else None

    line[-1].fault = loose
    return SimulatedBus(line, second_s=0.1)


def messages(now_s: Clock) -> Iterator[tuple[float, str, bytes]]:
    """(seconds to wait, topic, payload): the node's stored day, then everybody in turn."""
    now = now_s()
    for past in range(DAY_S, 0, -STEP_S):
        yield 0.0, NODE_TOPIC, _node(now - past)
    counter = 0
    while True:
        for dev_eui, model in DEVICES.items():
            payload, f_port = lorawan.encode(model, _said(model, now_s()))
            time_ns = round(now_s() * 1e9)
            topic, data = lorawan.tts_v3(dev_eui, payload, f_port, counter, time_ns)
            yield 0.0, topic, data
        yield 2.0, NODE_TOPIC, _node(now_s())
        counter += 1


def _said(model: str, time_s: float) -> Mapping[str, float | None]:
    """The outputs of a device at its depth, in its own units."""
    if model == "decentlab.dl-trs12":
        counts = (moisture(time_s, 30) + 0.6956) / 3.879e-4
        return {
            "water_content_counts": round(counts, 1),
            "soil_temperature": round(temperature(time_s, 30), 1),
            "bulk_electrical_conductivity": 120,
            "battery_voltage": 3.1,
        }
    depth = 40 if model.startswith("dragino") else 60
    stated: dict[str, float | None] = {
        "soil_temperature": round(temperature(time_s, depth), 1),
        "volumetric_water_content": round(100 * moisture(time_s, depth), 2),
        "bulk_electrical_conductivity": 140,
    }
    if model.startswith("dragino"):
        stated |= {"battery_voltage": 3.3, "ds18b20_temperature": 0.0}
    return stated


def _node(time_s: float) -> bytes:
    table = {
        "t": round(time_s * 1000),
        "soil": {"vwc": round(moisture(time_s, 10), 4), "t": round(temperature(time_s, 10), 2)},
        "battery": 3.61,
    }
    return orjson.dumps(table)


def plot_text(folder: Path, port: str, broker_port: int, web: str) -> str:
    """edaphon.toml of this plot, its facts included."""
    head = f"""# The simulated plot of `edaphon demo`.
[logger]
id = "demo-1"
[site]
id = "demo"
name = "Simulated plot"
utc_offset = "+01:00"
[storage]
folder = "{folder}/storage"
[clock]
trust = "system"
[web]
listen = "{web}"
[bus.sdi12]
kind = "sdi12"
port = "{port}"
[broker.{BROKER}]
host = "127.0.0.1"
port = {broker_port}
topics = ["v3/+/devices/+/up"]
envelope = "tts-v3"
[broker.node]
host = "127.0.0.1"
port = {broker_port}
topics = ["plot/#"]
[[sink]]
name = "files"
kind = "jsonl"
folder = "{folder}/values"
[[plot]]
id = "P1"
treatment = "control"
[[profile]]
id = "P1-pit"
plot = "P1"
soil = "Haplic Luvisol"
"""
    return head + "".join((*_probe_tables(), *_device_tables(), _node_tables()))


def _probe_tables() -> Iterator[str]:
    for address, depth in DEPTHS.items():
        yield f"""
[[source]]
bus = "sdi12"
address = "{address}"
model = "meter.teros12"
interval = "2s"
"""
        path = f"sdi12/{address}"
        yield _channel(f"P1-vwc-{depth}", "volumetric_water_content", "m3/m3", depth)
        yield _deployment(f"P1-vwc-{depth}", path, "water_content_counts", 'factory = "mineral"\n')
        yield _channel(f"P1-temp-{depth}", "soil_temperature", "degC", depth)
        yield _deployment(f"P1-temp-{depth}", path, "soil_temperature")


def _device_tables() -> Iterator[str]:
    wanted = {
        "decentlab.dl-trs12": (("water_content_counts", 'factory = "mineral"\n'), 30),
        "dragino.lse01-1.1.4": (("volumetric_water_content", ""), 40),
        "milesight.em500-smtc": (("volumetric_water_content", ""), 60),
    }
    for dev_eui, model in DEVICES.items():
        (output, more), depth = wanted[model]
        path = f"{BROKER}/{dev_eui.lower()}"
        yield f"""
[[source]]
broker = "{BROKER}"
dev_eui = "{dev_eui}"
model = "{model}"
expect = "5s"
"""
        yield _channel(f"P1-vwc-{depth}", "volumetric_water_content", "m3/m3", depth)
        yield _deployment(f"P1-vwc-{depth}", path, output, more)


def _node_tables() -> str:
    return f"""
[[source]]
broker = "node"
topic = "{NODE_TOPIC}"
time = {{ path = "t", format = "epoch_ms" }}
expect = "5s"
[[source.field]]
name = "vwc"
path = "soil.vwc"
quantity = "volumetric_water_content"
unit = "m3/m3"
[[source.field]]
name = "temp"
path = "soil.t"
quantity = "soil_temperature"
unit = "degC"
""" + "".join(
        (
            _channel("P1-vwc-10", "volumetric_water_content", "m3/m3", 10),
            _deployment("P1-vwc-10", f"node/{NODE_TOPIC}", "vwc"),
            _channel("P1-temp-10", "soil_temperature", "degC", 10),
            _deployment("P1-temp-10", f"node/{NODE_TOPIC}", "temp"),
        )
    )


def _channel(id: str, quantity: str, unit: str, depth: int) -> str:
    return f"""
[[channel]]
id = "{id}"
quantity = "{quantity}"
unit = "{unit}"
profile = "P1-pit"
depth_cm = {depth}
"""


def _deployment(channel: str, path: str, output: str, more: str = "") -> str:
    return f"""
[[deployment]]
id = "{channel}-first"
channel = "{channel}"
source = "{path}"
output = "{output}"
{more}"""
