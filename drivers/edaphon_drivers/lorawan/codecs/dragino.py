"""Dragino payloads: blocks of fixed length, big endian, told apart by port and mode bit.

The sheet's `frame.block` rows give f_port, allowed lengths, the value of bit 7 of byte 10 (`mode`,
where the firmware has one) and the fields: `at` (byte), `mask`, `signed`, `divide`. A field is 16
bits wide.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading
from edaphon_drivers.reported import reported
from edaphon_drivers.sheets import Sheet

__all__ = ["decode"]

_MODE_BYTE, _MODE_BIT = 10, 7


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of the one block of the sheet that fits."""
    blocks = [block for block in sheet.frame["block"] if block["f_port"] == f_port]
    if not blocks:
        ports = sorted({block["f_port"] for block in sheet.frame["block"]})
        raise Garbled(f"f_port {' or '.join(map(str, ports))}, not {f_port}", data, sheet.model)
    fitting = [b for b in blocks if len(data) in b["lengths"] and _mode_fits(b, data)]
    if not fitting:
        lengths = sorted({length for block in blocks for length in block["lengths"]})
        raise Garbled(f"{' or '.join(map(str, lengths))} bytes", data, sheet.model)
    return tuple(_readings(fitting[0]["field"], data, sheet))


def _mode_fits(block: Mapping[str, Any], data: bytes) -> bool:
    return "mode" not in block or data[_MODE_BYTE] >> _MODE_BIT == block["mode"]


def _readings(fields: list[Mapping[str, Any]], data: bytes, sheet: Sheet) -> Iterator[Reading]:
    for field in fields:
        # The maker's manuals and decoders subtract 0xFFFF from a negative soil temperature, which
        # makes it 0.01 °C too warm and FFFF 0.00; the probe sends two's complement (0x10000).
        form = ">h" if field.get("signed") else ">H"
        (number,) = struct.unpack_from(form, data, field["at"])
        yield reported(
            sheet.outputs[field["output"]], (number & field.get("mask", -1)) / field["divide"]
        )
