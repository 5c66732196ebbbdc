"""LoRaWAN devices and network servers that exist only here: frames and envelopes to decode.

A second opinion: written from the makers' tables, it imports nothing of the decoders.
"""

import base64
import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, NamedTuple

Values = Mapping[str, float | None]
Words = Sequence[int]
# By output: lowest and highest count, and how many are one of its unit.
_Spans = Mapping[str, tuple[int, int, int]]


class SimulatedFrame(NamedTuple):
    """A payload, the port it goes out on, and the numbers that must come back, by output.

    None stands for a number that the instrument says it could not measure.
    """

    payload: bytes
    f_port: int
    values: Values


class _Model(NamedTuple):
    f_port: int
    encode: Callable[[Values], bytes]
    draw: Callable[[random.Random], Values]


def frames(model: str, seed: int, n: int) -> Iterator[SimulatedFrame]:
    """`n` frames of a model with random values that its resolution can carry."""
    rng = random.Random(seed)  # noqa: S311 - reproducible values, no secret
    for _ in range(n):
        yield _frame_of(model, rng)


def _frame_of(model: str, rng: random.Random) -> SimulatedFrame:
    if model in WORDED:
        payload, values = _worded(model, rng)
        return SimulatedFrame(payload, 1, values)
    maker = MODELS[model]
    values = maker.draw(rng)
    return SimulatedFrame(maker.encode(values), maker.f_port, values)


def encode(model: str, values: Values) -> tuple[bytes, int]:
    """The payload and port with which a model sends these values, rounded to its resolution."""
    maker = MODELS[model]
    return maker.encode(values), maker.f_port


def _counted(values: Values, name: str, per_unit: int) -> int:
    value = values[name]
    return 0 if value is None else round(value * per_unit)


def _counts(values: Values, spans: _Spans) -> list[int]:
    return [_counted(values, name, per_unit) for name, (_, _, per_unit) in spans.items()]


def _drawn(spans: _Spans, rng: random.Random) -> dict[str, float | None]:
    return {
        name: rng.randint(lowest, highest) / per_unit
        for name, (lowest, highest, per_unit) in spans.items()
    }


# Dragino: eleven bytes, big endian; the last one carries the mode in its top bit.

_OUTSIDE: _Spans = {
    "battery_voltage": (2100, 3700, 1000),
    "ds18b20_temperature": (-550, 849, 10),
}
_LSE01: _Spans = {
    **_OUTSIDE,
    "volumetric_water_content": (0, 10000, 100),
    "soil_temperature": (-4000, 8500, 100),
    "bulk_electrical_conductivity": (0, 20000, 1),
}
_LSE01_RAW: _Spans = {
    **_OUTSIDE,
    "relative_permittivity": (10, 810, 10),
    "water_content_counts": (0, 65535, 1),
    "electrical_conductivity_counts": (0, 65535, 1),
}
_SOIL_PH: _Spans = {
    **_OUTSIDE,
    "soil_ph": (0, 1400, 100),
    "soil_temperature": (-400, 850, 10),
}


def _dragino(values: Values) -> bytes:
    raw = "relative_permittivity" in values
    form, spans, mode = (">HhHHHB", _LSE01_RAW, 0x90) if raw else (">HhHhHB", _LSE01, 0x10)
    battery, *others = _counts(values, spans)
    return struct.pack(form, battery | 0xC000, *others, mode)


def _draw_dragino_both(rng: random.Random) -> Values:
    return _drawn(_LSE01 if rng.random() < 0.5 else _LSE01_RAW, rng)


def _soil_ph(values: Values) -> bytes:
    return struct.pack(">HhHhHB", *_counts(values, _SOIL_PH), 0, 1)


# Milesight: channel, type, value; little endian; FFFF says that the measurement failed.

_MILESIGHT = {
    "battery_level": (b"\x01\x75", 1, 1),
    "soil_temperature": (b"\x03\x67", 2, 10),
    "air_temperature": (b"\x03\x67", 2, 10),
    "volumetric_water_content": (b"\x04\xca", 2, 100),
    "relative_humidity": (b"\x04\x68", 1, 2),
    "bulk_electrical_conductivity": (b"\x05\x7f", 2, 1),
    "co2_mole_fraction": (b"\x05\x7d", 2, 1),
    "air_pressure": (b"\x06\x73", 2, 10),
}
_SMTC: _Spans = {
    "battery_level": (0, 100, 1),
    "soil_temperature": (-400, 800, 10),
    "volumetric_water_content": (0, 10000, 100),
    "bulk_electrical_conductivity": (0, 20000, 1),
}
_AIR: _Spans = {
    "battery_level": (0, 100, 1),
    "air_temperature": (-400, 850, 10),
    "relative_humidity": (0, 200, 2),
}
_GAS: _Spans = {"co2_mole_fraction": (0, 10000, 1), "air_pressure": (3000, 11000, 10)}


def _milesight(values: Values) -> bytes:
    """Each channel that is given, in their order."""
    frame = b""
    for name, value in values.items():
        tag, n_bytes, per_unit = _MILESIGHT[name]
        counted = -1 if value is None else round(value * per_unit)
        frame += tag + (counted % (1 << 8 * n_bytes)).to_bytes(n_bytes, "little")
    return frame


def _draw_milesight(rng: random.Random) -> Values:
    drawn = _drawn(_SMTC, rng)
    if drawn["soil_temperature"] in {-0.1, -0.3}:  # the failure codes: the device can't say them
        drawn["soil_temperature"] = 0.0
    for name in ("soil_temperature", "volumetric_water_content", "bulk_electrical_conductivity"):
        if rng.random() < 0.1:
            drawn[name] = None
    chosen = rng.sample(sorted(drawn), rng.randint(1, 4))
    return {name: drawn[name] for name in chosen}


def _draw_air(rng: random.Random) -> Values:
    drawn = _drawn(_AIR, rng)
    return {name: drawn[name] for name in rng.sample(sorted(drawn), rng.randint(1, 3))}


def _draw_air_co2(rng: random.Random) -> Values:
    gas = _drawn(_GAS, rng)
    return {**_draw_air(rng), **gas}


# Decentlab: a group of words for each sensor, announced by its flag. TRS12 and SMTP are encoded
# from values; of the others the words are drawn, and the values follow by the maker's formulas.


class Sensor(NamedTuple):
    """One sensor of a model: the range of each of its words, and the values that they mean."""

    ranges: tuple[tuple[int, int], ...]
    values: Callable[[Words], Values]


def _worded(model: str, rng: random.Random) -> tuple[bytes, Values]:
    """A payload of drawn words and what must come back; now and then a sensor is missing."""
    groups: list[Words | None] = []
    values: dict[str, float | None] = {}
    for sensor in WORDED[model]:
        words = [rng.randint(*span) for span in sensor.ranges] if rng.random() < 0.8 else None
        groups.append(words)
        values |= sensor.values(words) if words is not None else {}
    return _frame(*groups), values


def _frame(*groups: Words | None) -> bytes:
    flags = sum(1 << n for n, words in enumerate(groups) if words is not None)
    body = b"".join(struct.pack(f">{len(words)}H", *words) for words in groups if words)
    return bytes([2]) + (4307).to_bytes(2, "big") + flags.to_bytes(2, "big") + body


_BATTERY_SPAN: _Spans = {"battery_voltage": (2000, 3600, 1000)}
_TRS12: _Spans = {
    "water_content_counts": (16000, 40000, 10),
    "soil_temperature": (-400, 600, 10),
    "bulk_electrical_conductivity": (0, 20000, 1),
}


def _battery_word(values: Values) -> Words | None:
    return _counts(values, _BATTERY_SPAN) if "battery_voltage" in values else None


def _some(rng: random.Random, *groups: Values) -> Values:
    """The values of a random choice of the sensors, in order; now and then of none."""
    return {name: n for group in groups if rng.random() < 0.8 for name, n in group.items()}


def _trs12(values: Values) -> bytes:
    probe = None
    if "water_content_counts" in values:
        water, warmth, salt = _counts(values, _TRS12)
        probe = (water, 0x8000 + warmth, salt)
    return _frame(probe, _battery_word(values))


def _draw_trs12(rng: random.Random) -> Values:
    return _some(rng, _drawn(_TRS12, rng), _drawn(_BATTERY_SPAN, rng))


_DEPTHS = range(8)


def _smtp(values: Values) -> bytes:
    words: list[int] = []
    for depth in _DEPTHS if "soil_moisture_0" in values else ():
        absent = values[f"soil_moisture_{depth}"] is None
        moisture = 2500 + _counted(values, f"soil_moisture_{depth}", 500)
        warmth = 0x8000 + _counted(values, f"soil_temperature_{depth}", 100)
        words += [0, 0] if absent else [moisture, warmth]
    return _frame(tuple(words) or None, _battery_word(values))


def _draw_smtp(rng: random.Random) -> Values:
    segments = rng.randint(1, 8)
    profile: dict[str, float | None] = {}
    for depth in _DEPTHS:
        there = depth < segments
        spans = {
            f"soil_moisture_{depth}": (-2000, 50000, 500),
            f"soil_temperature_{depth}": (-4000, 6000, 100),
        }
        profile |= _drawn(spans, rng) if there else dict.fromkeys(spans)
    return _some(rng, profile, _drawn(_BATTERY_SPAN, rng))


_ANY = (0, 0xFFFF)
_DAY = (0x8001, 0x8000 + 15000)
_TOP_BYTE = (0, 0xFF)

_BATTERY = Sensor((_ANY,), lambda w: {"battery_voltage": w[0] / 1000})


def _ratio(w: Words) -> float:
    """A word of 24 bits, low part first, on -1..1."""
    return (w[0] + w[1] * 65536) / 8388608 - 1


def _radiation(w: Words) -> Values:
    incoming, reflected = w[0] - 32768, w[1] - 32768
    return {
        "incoming_radiation": incoming / 10,
        "reflected_radiation": reflected / 10,
        "albedo": reflected / incoming if incoming > 0 and reflected > 0 else None,
    }


def _globe(w: Words) -> Values:
    ratio = _ratio(w) / 2
    ohm = 1000 / ratio - 41000
    return {"voltage_ratio": ratio, "thermistor_resistance": ohm if ohm >= 0 else None}


def _pt100(w: Words) -> Values:
    ratio = _ratio(w) / 2
    ohm = ratio * 2000 / (1 - ratio)
    return {"resistance": ohm if ohm >= 0 else None}


def _wire(w: Words) -> Values:
    return {
        "counter_reading": w[0],
        "measurement_interval": w[1] / 32768,
        "frequency": w[0] / w[1] * 32768 if w[1] else None,
    }


def _rain(w: Words) -> Values:
    total = (w[2] + w[3] * 65536) * 0.1
    return {"precipitation": w[0] * 0.1, "interval": w[1], "precipitation_total": total}


def _stems(w: Words) -> Values:
    a, b = _ratio(w[:2]), _ratio(w[2:])
    return {"position_a": a * 20000, "position_b": (a - b) * 20000}


def _light(w: Words) -> Values:
    lux = max(1.0 * w[0] - 1.64 * w[1], 0.59 * w[0] - 0.86 * w[1], 0) * 1.5504
    return {"light_counts": w[0], "infrared_counts": w[1], "illuminance": lux}


def _indoor_co2(w: Words) -> Values:
    co2 = w[0] - 32768 if w[1] == 0 and w[0] >= 32768 else None
    return {"co2_mole_fraction": co2, "co2_status": w[1], "co2_raw_infrared": w[2]}


def _sht35(w: Words) -> Values:
    return {"air_temperature": 175 * w[0] / 65535 - 45, "relative_humidity": 100 * w[1] / 65535}


def _teros21(w: Words) -> Values:
    warmth = (w[1] - 32768) / 10 if w[1] else None
    return {"matric_potential": -(w[0] / 10), "soil_temperature": warmth}


# As in the maker's decoders; the status words are drawn small, to be 0 at times.
WORDED: Mapping[str, tuple[Sensor, ...]] = {
    "decentlab.dl-alb": (Sensor((_DAY, (0x7FF0, 0xA000)), _radiation), _BATTERY),
    "decentlab.dl-blg": (Sensor((_ANY, (0x81, 0xFF)), _globe), _BATTERY),
    "decentlab.dl-dlr2-008": (Sensor((_ANY, _TOP_BYTE), _pt100), _BATTERY),
    "decentlab.dl-kl66": (Sensor((_ANY, (0, 40000), _ANY), _wire), _BATTERY),
    "decentlab.dl-tbrg": (Sensor((_ANY, _ANY, _ANY, _ANY), _rain), _BATTERY),
    "decentlab.dl-trs21": (Sensor((_ANY, _ANY), _teros21), _BATTERY),
    "decentlab.dl-zn2": (Sensor((_ANY, _TOP_BYTE, _ANY, _TOP_BYTE), _stems), _BATTERY),
    "decentlab.dl-iam": (
        _BATTERY,
        Sensor((_ANY, _ANY), _sht35),
        Sensor((_ANY,), lambda w: {"air_pressure": w[0] * 2}),
        Sensor((_ANY, _ANY), _light),
        Sensor((_ANY, (0, 2), _ANY), _indoor_co2),
        Sensor((_ANY,), lambda w: {"activity": w[0]}),
        Sensor((_ANY,), lambda w: {"voc": w[0]}),
    ),
}

MODELS: Mapping[str, _Model] = {
    "decentlab.dl-trs12": _Model(1, _trs12, _draw_trs12),
    "decentlab.dl-smtp": _Model(1, _smtp, _draw_smtp),
    "dragino.lse01-1.1.4": _Model(2, _dragino, lambda rng: _drawn(_LSE01, rng)),
    "dragino.lse01-1.2.1": _Model(2, _dragino, _draw_dragino_both),
    "dragino.se01-lb": _Model(2, _dragino, _draw_dragino_both),
    "dragino.lsph01": _Model(2, _soil_ph, lambda rng: _drawn(_SOIL_PH, rng)),
    "milesight.em300-th": _Model(85, _milesight, _draw_air),
    "milesight.em500-co2": _Model(85, _milesight, _draw_air_co2),
    "milesight.em500-smtc": _Model(85, _milesight, _draw_milesight),
}


SIMULATED = frozenset(MODELS) | frozenset(WORDED)


# What network servers send around an uplink; `$name` stands for what differs.
_MESSAGES = json.loads(
    (files("edaphon_drivers.simulators") / "network_servers.json").read_text("utf-8")
)


class NetworkServer(NamedTuple):
    """Gives topic and message of an uplink; values of `omits` are left out where they are empty.

    `form` is how it writes a session, which is `session` where none is given.
    """

    kind: str
    topic: str
    session: str
    form: Callable[[str], str] = str
    zone: str = "Z"
    omits: tuple[str, ...] = ()

    def __call__(
        self, dev_eui: str, payload: bytes, f_port: int, f_cnt: int, time_ns: int, session: str = ""
    ) -> tuple[str, bytes]:
        values = {
            "$device": f"eui-{dev_eui.lower()}",
            "$dev_eui": dev_eui.lower(),
            "$DEV_EUI": dev_eui.upper(),
            "$eui_base64": _base64(bytes.fromhex(dev_eui)),
            "$session": self.form(session or self.session),
            "$f_port": f_port,
            "$f_cnt": f_cnt,
            "$data": _base64(payload),
            "$time": _rfc3339(time_ns, self.zone),
            "$later": _rfc3339(time_ns + 200_000_000, self.zone),
            "$ms": time_ns // 10**6,
        }
        kept = {name: value for name, value in values.items() if value or name not in self.omits}
        message = _filled(_MESSAGES[self.kind], kept)
        return self.topic.format(dev_eui.lower()), json.dumps(message).encode()


def _filled(part: Any, values: Mapping[str, object]) -> Any:
    if isinstance(part, dict):
        kept = {k: v for k, v in part.items() if not str(v).startswith("$") or v in values}
        return {key: _filled(value, values) for key, value in kept.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    return values[part] if isinstance(part, str) and part.startswith("$") else part


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _rfc3339(time_ns: int, zone: str) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}{zone}"


tts_v3 = NetworkServer(
    "tts-v3",
    "v3/soil@ttn/devices/eui-{}/up",
    "s1",
    lambda session: _base64(session.encode()),
    omits=("$session", "$f_port", "$f_cnt", "$data"),
)
chirpstack_v4 = NetworkServer(
    "chirpstack-v4",
    f"application/{_MESSAGES['chirpstack-v4']['deviceInfo']['applicationId']}/device/{{}}/event/up",
    "00189440",
    zone="+00:00",
    omits=("$f_port", "$f_cnt"),
)
# The protocol buffers' JSON, in which bytes are base64 and absent times are null.
chirpstack_v3 = NetworkServer(
    "chirpstack-v3",
    "application/123/device/{}/event/up",
    "00189440",
    lambda session: _base64(bytes.fromhex(session)),
)
helium = NetworkServer("helium", f"helium/{_MESSAGES['helium']['id']}/rx", "B5A44869")
