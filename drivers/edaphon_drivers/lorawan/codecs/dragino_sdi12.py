"""Dragino SDI-12-LB and -LS: battery, version of the payload, then what SDI-12 probes answered.

`frame.probe` names the sheet of the one probe behind it, or `frame.outputs` the values in order.
Bit 15 of the battery says that an interrupt woke the device; a byte from F0 on stands, with the one
behind it, between the answers of different commands (decoder of the maker).
"""

import re

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.relayed import relayed_readings
from edaphon_drivers.lorawan.uplink_numbers import read_numbers
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

PORTS = _DATA, _STATUS, _DEBUG = 2, 5, 100
_HEADER_BYTES, _STATUS_BYTES = 3, 7
_BETWEEN = re.compile(rb"[\xf0-\xff].?", re.DOTALL)
_BATTERY = {"output": "battery_voltage", "at": 0, "mask": 0x7FFF, "divide": 1000}


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """Battery and values; a status has the battery alone, the answer to a downlink nothing."""
    if f_port == _DEBUG:
        return ()
    if f_port == _STATUS and len(data) == _STATUS_BYTES:
        return tuple(read_numbers(data, [{**_BATTERY, "at": 5}], "big", sheet))
    if f_port != _DATA:
        raise Garbled(f"f_port 2, or 5 with 7 bytes, not {f_port}", data, sheet.model)
    if len(data) < _HEADER_BYTES:
        raise Garbled("battery and version", data, sheet.model)
    battery = read_numbers(data, [_BATTERY], "big", sheet)
    return (*battery, *relayed_readings(_answers(data), sheet.frame, sheet))


def answer_text(data: bytes) -> bytes:
    """What the probes answered, without what the device put between it."""
    return _BETWEEN.sub(b"", data[_HEADER_BYTES:])


def _answers(data: bytes) -> list[bytes]:
    pieces = _BETWEEN.sub(b"\r\n", data[_HEADER_BYTES:]).splitlines()
    return [piece for piece in pieces if piece]
