"""Decentlab payloads, protocol version 2: a header, then words of the sensors that took part.

Header: version u8, device id u16, flags u16; flag n says that sensor n of `frame.sensor` (sheet)
follows, flag 0 first. A word is u16; all big endian (DL-TRS12 datasheet, Sensor data message
format). A value is (word - offset) / divide, in the output's unit; what the maker computes further
from it is a factory curve of the sheet.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading
from edaphon_drivers.reported import reported
from edaphon_drivers.sheets import Sheet

__all__ = ["decode"]

_HEADER = struct.Struct(">BHH")
_VERSION = 2


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """A sensor whose flag is clear gives no reading."""
    frame = sheet.frame
    if f_port != frame["f_port"]:
        raise Garbled(f"f_port {frame['f_port']}, not {f_port}", data, sheet.model)
    if len(data) < _HEADER.size or data[0] != _VERSION:
        raise Garbled(f"a header of protocol version {_VERSION}", data, sheet.model)
    _, _, flags = _HEADER.unpack_from(data)
    present = [sensor for n, sensor in enumerate(frame["sensor"]) if flags >> n & 1]
    length = _HEADER.size + 2 * sum(sensor["words"] for sensor in present)
    if flags >> len(frame["sensor"]) or len(data) != length:
        raise Garbled(f"{length} bytes after the flags {flags:#06x}", data, sheet.model)
    return tuple(_readings(present, data, sheet))


def _readings(present: list[Mapping[str, Any]], data: bytes, sheet: Sheet) -> Iterator[Reading]:
    at = _HEADER.size
    for sensor in present:
        words = struct.unpack_from(f">{sensor['words']}H", data, at)
        at += 2 * sensor["words"]
        for value in sensor["value"]:
            number = (words[value["word"]] - value.get("offset", 0)) / value["divide"]
            yield reported(sheet.outputs[value["output"]], number)
