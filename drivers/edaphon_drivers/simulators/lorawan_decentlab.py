"""Decentlab devices that exist only here: a group of words for each sensor, announced by its flag.

An independent second opinion: written from the maker's tables, it imports nothing of the decoders.
TRS12 and SMTP are encoded from values; of the others the words are drawn, and the values follow
from them by the maker's formulas.
"""

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Values = Mapping[str, float | None]
Words = Sequence[int]


class Sensor(NamedTuple):
    """One sensor of a model: the range of each of its words, and the values that they mean."""

    ranges: tuple[tuple[int, int], ...]
    values: Callable[[Words], Values]


def worded(model: str, rng: random.Random) -> tuple[bytes, Values]:
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


def _counted(values: Values, name: str, per_unit: int) -> int:
    value = values[name]
    return 0 if value is None else round(value * per_unit)


def _grid(rng: random.Random, lowest: int, highest: int, per_unit: int) -> float:
    return rng.randint(lowest, highest) / per_unit


def _battery_word(values: Values) -> Words | None:
    return (_counted(values, "battery_voltage", 1000),) if "battery_voltage" in values else None


def _some(rng: random.Random, *groups: Values) -> Values:
    """The values of a random choice of the sensors, in order; now and then of none."""
    taken: dict[str, float | None] = {}
    for group in groups:
        if rng.random() < 0.8:
            taken |= group
    return taken


def _trs12(values: Values) -> bytes:
    probe = None
    if "water_content_counts" in values:
        probe = (
            _counted(values, "water_content_counts", 10),
            0x8000 + _counted(values, "soil_temperature", 10),
            _counted(values, "bulk_electrical_conductivity", 1),
        )
    return _frame(probe, _battery_word(values))


def _draw_trs12(rng: random.Random) -> Values:
    probe = {
        "water_content_counts": _grid(rng, 16000, 40000, 10),
        "soil_temperature": _grid(rng, -400, 600, 10),
        "bulk_electrical_conductivity": _grid(rng, 0, 20000, 1),
    }
    return _some(rng, probe, {"battery_voltage": _grid(rng, 2000, 3600, 1000)})


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
        profile[f"soil_moisture_{depth}"] = _grid(rng, -2000, 50000, 500) if there else None
        profile[f"soil_temperature_{depth}"] = _grid(rng, -4000, 6000, 100) if there else None
    return _some(rng, profile, {"battery_voltage": _grid(rng, 2000, 3600, 1000)})


ENCODED: Mapping[str, tuple[Callable[[Values], bytes], Callable[[random.Random], Values]]] = {
    "decentlab.dl-trs12": (_trs12, _draw_trs12),
    "decentlab.dl-smtp": (_smtp, _draw_smtp),
}

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
