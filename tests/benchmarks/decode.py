"""How many records a second each engine decodes, next to the plainest reading of the same bytes.

The yardstick knows nothing: no checksum, no ranges, no status, no names. It tells what Python's own
struct.unpack, float() or json.loads would take for these bytes on this machine, at this hour.
"""

import json
import re
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

from tests.benchmarks.figures import Figure
from tests.drivers.good_frames import good_samples
from tests.drivers.patterns_in_re import slow

from edaphon_drivers.ascii import sheet as frames
from edaphon_drivers.ascii.engine import decode_stream
from edaphon_drivers.codec_process import pool
from edaphon_drivers.javascript import Codec, decode_with
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.message_values import JsonField, JsonFields
from edaphon_drivers.readings import Turn
from edaphon_drivers.sheets import load_sheet

__all__ = ["TITLE", "figures"]

TITLE = "records decoded per s of CPU, next to bare reading of the same bytes"
ROUNDS, SLICE_S = 5, 0.2
_CPU_OF_A_PROCESS = 2  # CPUCLOCK_SCHED in the kernel's clock of a process, clock_getcpuclockid(3)
ROWS = 500  # of a file's piece


class Race(NamedTuple):
    """One kind of record; both read `records` of them in one call."""

    what: str
    ours: Callable[[], object]
    bare: Callable[[], object]
    records: int = 1


def figures(folder: Path) -> list[Figure]:
    return [_figure(race) for race in (*_races(), *_codecs(), _patterns())]


def _figure(race: Race) -> Figure:
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(_rate(race.ours) * race.records)
        bare.append(_rate(race.bare) * race.records)
    return Figure(race.what, median(ours), median(bare))


def _cpu_s() -> float:
    """Of this process and of those in which codecs run."""
    own = [time.clock_gettime(~pid << 3 | _CPU_OF_A_PROCESS) for pid in pool.processes()]
    return time.process_time() + sum(own)


def _rate(work: Callable[[], object]) -> float:
    """Calls per second of CPU."""
    calls, batch = 0, 1
    begun = _cpu_s()
    while (took := _cpu_s() - begun) < SLICE_S:
        for _ in range(batch):
            work()
        calls += batch
        batch *= 2 if took < SLICE_S / 8 else 1
    return calls / took


def _races() -> list[Race]:
    return [
        _race("sdi12: TEROS 12, 3 values, CRC", "sdi12", "meter.teros12", _floats(b"+"), "CRC"),
        _race(
            "modbus: 7 registers, CRC-16", "modbus", "generic.soil-7in1-temperature-first", _words
        ),
        _race("ascii: LI-850, XML", "ascii", "licor.li-850", _elements),
        _race("ascii: LI-7810, checksum", "ascii", "licor.li-7810", _floats(b"\t")),
        _race("lorawan: DL-TRS12", "lorawan", "decentlab.dl-trs12", _words),
        _race("lorawan: EM500-SMTC", "lorawan", "milesight.em500-smtc", _words),
        _race("message: BME280 in JSON", "message", "tasmota.bme280", json.loads),
        _race("w1: w1_slave", "w1", "maxim.ds18b20", lambda data: int(data[-6:]) / 1000),
        _race("i2c: SCD4x, 3 words, CRC-8", "i2c", "sensirion.scd4x", _words),
        _rows(),
    ]


def _race(
    what: str, name: str, model: str, bare: Callable[[bytes], object], family: str = ""
) -> Race:
    found = [s for s in good_samples(name) if s.sheet.model == model and family in s.family]
    sample = max(found, key=lambda s: len(s.frames[0]))
    data = sample.frames[0]
    return Race(what, lambda: sample.decode(data), lambda: bare(data))


def _rows() -> Race:
    """Rows of a file by the piece, as it is followed after a while without the logger."""
    found = [s for s in good_samples("file") if s.sheet.model == "licor.li-850-file"]
    sample = next(s for s in found if s.family == "rows of files")
    data = sample.frames[0].rstrip(b"\r\n") + b"\n"
    piece, bare = data * ROWS, _floats(b"\t")
    return Race(
        f"file: rows of an LI-850, {ROWS} a piece",
        lambda: sample.decode(piece),
        lambda: [bare(line) for line in piece.splitlines()],
        ROWS,
    )


def _floats(separator: bytes) -> Callable[[bytes], list[float]]:
    """float() of whatever is a number between separators."""

    def read(data: bytes) -> list[float]:
        return [
            float(part) for part in data.split(separator) if part[:1].isdigit() and _plain(part)
        ]

    def _plain(part: bytes) -> bool:
        return part.replace(b".", b"", 1).isdigit()

    return read


def _elements(data: bytes) -> list[float]:
    return [float(text) for text in _ELEMENT.findall(data)]


_ELEMENT = re.compile(rb">([-+.0-9eE]+)<")


def _words(data: bytes) -> tuple[int, ...]:
    return struct.unpack_from(f">{len(data) // 2}H", data)


# A small codec of our own, and the sheet of the same node.
EM500 = """
function decodeUplink(input) {
  var b = input.bytes, data = {}, i = 0;
  function u16() { var v = b[i + 2] | b[i + 3] << 8; i += 4; return v; }
  while (i < b.length) {
    var key = b[i] << 8 | b[i + 1];
    if (key === 0x0175) { data.battery = b[i + 2]; i += 3; }
    else if (key === 0x0367) { var t = u16(); data.t = (t > 0x7FFF ? t - 0x10000 : t) / 10; }
    else if (key === 0x04CA) { data.moisture = u16() / 100; }
    else if (key === 0x057F) { data.ec = u16(); }
    else return { errors: ["unknown channel " + key] };
  }
  return { data: data };
}
"""
UPLINK = bytes.fromhex("017564 0367 1001 04ca 7a09 057f f000")
FIELDS = JsonFields(
    (
        JsonField("battery_level", "battery", "battery_level", "%"),
        JsonField("soil_temperature", "t", "soil_temperature", "degC"),
        JsonField("soil_moisture", "moisture", "volumetric_water_content", "%"),
        JsonField("bulk_electrical_conductivity", "ec", "bulk_electrical_conductivity", "uS/cm"),
    )
)


def _patterns() -> Race:
    """A line on which six patterns are tried; the yardstick runs them in Python's re."""
    found = [s for s in good_samples("ascii") if s.sheet.model == "sartorius.sbi"]
    sheet, turns = (
        load_sheet("sartorius.sbi"),
        [Turn(0, False, found[0].frames[0].strip() + b"\r\n")],
    )
    before = replace(sheet)  # another object, whose frame is made with another engine
    with patch.object(frames, "compiled", slow):
        frames.frame_of(before)
    assert decode_stream(turns, sheet) == decode_stream(turns, before)  # noqa: S101
    return Race(
        "ascii: Sartorius SBI, patterns in RE2 and in re",
        lambda: decode_stream(turns, sheet),
        lambda: decode_stream(turns, before),
    )


def _codecs() -> list[Race]:
    """The same uplink by a maker's kind of JavaScript; the yardstick is the native codec."""
    codec, sheet = Codec(EM500, "own.js"), load_sheet("milesight.em500-smtc")
    scripted = decode_with(codec, UPLINK, 85, FIELDS)
    native = decode_uplink(UPLINK, 85, sheet)
    assert [r.number for r in scripted] == [r.number for r in native]  # noqa: S101
    return [
        Race(
            "EM500-SMTC in JavaScript, in its own process; yardstick: the native codec",
            lambda: decode_with(codec, UPLINK, 85, FIELDS),
            lambda: decode_uplink(UPLINK, 85, sheet),
        )
    ]
