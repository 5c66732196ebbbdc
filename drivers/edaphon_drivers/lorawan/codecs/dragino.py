"""Dragino payloads: blocks of fixed length, big endian, told apart by port, length and a mode.

The sheet's `frame.block` rows give f_port, allowed lengths, `when` a byte decides which block it
is, and the fields, two bytes wide unless said otherwise. With `record` the block is that many bytes
again and again; with `epoch_at` its readings have a time of their own: stored, sent later.

Dragino SDI-12-LB and -LS: battery, version of the payload, then what SDI-12 probes answered.

`frame.probe` names the sheet of the one probe behind it, or `frame.outputs` the values in order.
Bit 15 of the battery says that an interrupt woke the device; a byte from F0 on stands, with the one
behind it, between the answers of different commands (decoder of the maker).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan.numbers import applies, epoch_ns, read_numbers, relayed_readings
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet


# The maker's manuals and decoders subtract 0xFFFF from a negative soil temperature, which makes it
# one step too warm and FFFF 0.00; the probes send two's complement (0x10000), and so it is read.
def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of the one block of the sheet that fits."""
    blocks = [block for block in sheet.frame["block"] if block["f_port"] == f_port]
    if not blocks:
        ports = sorted({block["f_port"] for block in sheet.frame["block"]})
        raise Garbled(f"f_port {' or '.join(map(str, ports))}, not {f_port}", data, sheet.model)
    fitting = [block for block in blocks if _fits(block, data)]
    if not fitting:
        lengths = sorted({length for block in blocks for length in block.get("lengths", ())})
        raise Garbled(f"{' or '.join(map(str, lengths))} bytes in a known mode", data, sheet.model)
    return tuple(_readings(fitting[0], data, sheet))


def _fits(block: Mapping[str, Any], data: bytes) -> bool:
    if "record" in block:
        whole = len(data) > 0 and len(data) % block["record"] == 0
    else:
        whole = len(data) in block["lengths"]
    return whole and all(applies(block.get("when"), record) for record in _records(block, data))


def _records(block: Mapping[str, Any], data: bytes) -> list[bytes]:
    length = block.get("record", len(data))
    return [data[at : at + length] for at in range(0, len(data), length)]


def _readings(block: Mapping[str, Any], data: bytes, sheet: Sheet) -> Iterator[Reading]:
    at = block.get("epoch_at")
    for record in _records(block, data):
        time_ns = None if at is None else epoch_ns(record[at : at + 4], "big")
        yield from read_numbers(record, block["field"], "big", sheet, time_ns)


SDI12_PORTS = _DATA, _STATUS, _DEBUG = 2, 5, 100
_HEADER_BYTES, _STATUS_BYTES = 3, 7
_BETWEEN = re.compile(rb"[\xf0-\xff].?", re.DOTALL)
_BATTERY = {"output": "battery_voltage", "at": 0, "mask": 0x7FFF, "divide": 1000}


def decode_sdi12(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
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
