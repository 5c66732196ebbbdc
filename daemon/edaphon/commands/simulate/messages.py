"""What the senders of a configuration would publish: uplinks and plain JSON, over and over."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from edaphon.commands.simulate.plot import wave
from edaphon.config import Configuration, JsonSource, LorawanSource
from edaphon_drivers.sheets import Output, Sheet
from edaphon_drivers.simulators import lorawan
from edaphon_drivers.simulators import lorawan as mqtt_messages
from edaphon_drivers.simulators.station import nested

__all__ = ["Sender", "publish", "senders_of"]

FAULTS = ("silent", "cut")
HURRIED, HURRIED_S = 30, 2.0
USUAL_S, MOST_S = 60.0, 86_400.0
_DRAWN = 30  # frames from which the outputs of a model are taken
_ENVELOPES = {
    "tts-v3": lorawan.tts_v3,
    "chirpstack-v4": lorawan.chirpstack_v4,
    "chirpstack-v3": mqtt_messages.chirpstack_v3,
    "helium": mqtt_messages.helium,
}
_PER_SECOND = {"epoch_s": 1, "epoch_ms": 1000, "epoch_ns": 10**9}


@dataclass(slots=True)
class Sender:
    """One device; `say` makes its message of that number. A silent one says nothing."""

    path: str
    broker: str
    topic: str
    every_s: float
    say: Callable[[int], bytes]
    next_s: float = 0.0
    n: int = 0
    fault: Callable[[object], str | None] = lambda _: None
    _queued: list[str] = field(default_factory=list)

    @property
    def wait_s(self) -> float:
        """Until the next message [s]; the first ones hurry, a recorder may just have started."""
        return min(self.every_s, HURRIED_S) if self.n < HURRIED else self.every_s

    def fail(self, fault: str, times: int = 1) -> None:
        """The next `times` messages meet that fault."""
        if fault not in FAULTS:
            raise ValueError(f"expected one of {', '.join(FAULTS)}, got {fault!r}")
        self._queued += [fault] * times

    def spoilt(self, data: bytes) -> bytes | None:
        """What goes out of it, None for nothing."""
        fault = self._queued.pop(0) if self._queued else self.fault(data)
        if fault == "silent":
            return None
        return data[: len(data) // 2] if fault == "cut" else data


def senders_of(config: Configuration) -> tuple[list[Sender], dict[str, str]]:
    """The senders that can be simulated, and why each other one can't."""
    found: list[Sender] = []
    why: dict[str, str] = {}
    for source in config.sources:
        if isinstance(source, LorawanSource):
            sender = _device(config, source)
        elif isinstance(source, JsonSource):
            sender = _node(config, source)
        else:
            continue
        if isinstance(sender, str):
            why[source.path] = sender
        else:
            found.append(sender)
    return found, why


def publish(senders: list[Sender], port: int, stop: threading.Event) -> None:
    """Says everything when it is due, on a broker of this machine, until `stop`."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while not stop.wait(0.2):
        now = time.monotonic()
        for sender in senders:
            if sender.next_s <= now:
                sender.next_s = now + sender.wait_s
                data = sender.spoilt(sender.say(sender.n))
                sender.n += 1
                if data is not None:
                    client.publish(sender.topic, data, qos=1)
    client.disconnect()
    client.loop_stop()


def _every_s(expect_ns: int | None) -> float:
    return min(MOST_S, expect_ns / 1e9) if expect_ns else USUAL_S


# -- LoRaWAN -------------------------------------------------------------------------------


def _device(config: Configuration, source: LorawanSource) -> Sender | str:
    envelope = _ENVELOPES.get(config.brokers[source.broker].envelope)
    if source.model is None or source.model not in lorawan.SIMULATED:
        return f"{source.model or 'a codec'} has no simulated device"
    if envelope is None:
        return "its network server has no simulator"
    model, sheet = source.model, config.sheet(source)
    session = secrets.token_hex(4)  # or a new start would be taken for old frames again

    def wrapped(number: int) -> tuple[str, bytes]:
        payload, f_port = _frame(model, sheet, source.path, number)
        return envelope(source.dev_eui, payload, f_port, number, time.time_ns(), session)

    topic, _ = wrapped(0)
    every_s = _every_s(source.expect_ns)
    return Sender(source.path, source.broker, topic, every_s, lambda n: wrapped(n)[1])


def _frame(model: str, sheet: Sheet, path: str, number: int) -> tuple[bytes, int]:
    if model not in lorawan.MODELS:
        frame = next(lorawan.frames(model, number, 1))
        return frame.payload, frame.f_port
    drawn: dict[str, float | None] = {}
    for one in lorawan.frames(model, 1, _DRAWN):
        drawn |= one.values
    now = time.time()
    known = {n: wave(path, o).at(now) for n, o in sheet.outputs.items() if n in drawn}
    return lorawan.encode(model, {**drawn, **known})


# -- JSON ----------------------------------------------------------------------------------


def _node(config: Configuration, source: JsonSource) -> Sender | str:
    if source.model is not None:
        sheet = config.sheet(source)
        values = _of_sheet(sheet)
        if values is None:
            return f"{source.model} sends no JSON with a path to each number"
        outputs, fixed = values
    else:
        outputs = {f.path: Output(f.name, f.quantity, f.unit) for f in source.field}
        fixed = {f.unit_path: f.unit for f in source.field if f.unit_path}

    def say(_: int) -> bytes:
        return orjson.dumps(nested({**fixed, **_now(source, outputs), **_dated(source)}))

    every_s = _every_s(source.expect_ns)
    return Sender(source.path, source.broker, source.topic, every_s, say)


def _of_sheet(sheet: Sheet) -> tuple[dict[str, Output], dict[str, Any]] | None:
    """Path -> output, and path -> unit word; None for forms that are not simulated."""
    frame = sheet.frame
    if frame.get("form", "json") != "json" or "member" in frame or "path" not in frame:
        return None
    outputs = {frame["path"][name]: o for name, o in sheet.outputs.items() if name in frame["path"]}
    units = frame.get("unit", {})
    return outputs, {row["path"]: row["word"] for row in units.values() if "word" in row}


def _now(source: JsonSource, outputs: Mapping[str, Output]) -> Mapping[str, float]:
    now = time.time()
    return {path: wave(source.path, output).at(now) for path, output in outputs.items()}


def _dated(source: JsonSource) -> dict[str, Any]:
    if source.time is None:
        return {}
    if source.time.format == "rfc3339":
        stated: Any = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    else:
        stated = time.time_ns() * _PER_SECOND[source.time.format] // 10**9
    return {source.time.path: stated}
