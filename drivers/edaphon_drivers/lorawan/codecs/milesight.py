"""Milesight payloads: (channel u8, type u8, value)*, values little endian, lengths by the sheet.

The sheet's `frame.channel` rows give id, type, the bytes of the value, and the numbers in it: `at`,
`bytes`, `signed`, `divide`. With `epoch = true` the value begins with its own time, u32 in seconds
since 1970 UTC: a stored reading sent later. `frame.quiet` lists what carries no measurement. Types
have Cayenne LPP's numbers and nothing else of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.reported import reported, without_number
from edaphon_drivers.sheets import Output, Sheet

__all__ = ["decode"]

# Sensor status in place of a 16-bit number (EM500-SMTC decoder). The maker's own decoder compares
# a signed number with them, so that a failed probe reads -0.1 or -0.3 °C: compare the bytes.
_STATUS = {b"\xff\xff": Status.FAILURE, b"\xfd\xff": Status.OVER_RANGE}


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """All readings of a frame, stored ones with their time; Garbled for an unknown channel."""
    frame = sheet.frame
    if f_port != frame["f_port"]:
        raise Garbled(f"f_port {frame['f_port']}, not {f_port}", data, sheet.model)
    if not data:
        raise Garbled("at least one channel", data, sheet.model)
    known = {bytes((row["id"], row["type"])): row for row in (*frame["channel"], *frame["quiet"])}
    readings: list[Reading] = []
    at = 0
    while at < len(data):
        row = known.get(data[at : at + 2])
        if row is None or len(data) < at + 2 + row["bytes"]:
            raise Garbled(f"a whole known channel at byte {at}", data, sheet.model)
        readings.extend(_readings(row, data[at + 2 : at + 2 + row["bytes"]], sheet))
        at += 2 + row["bytes"]
    return tuple(readings)


def _readings(row: Mapping[str, Any], value: bytes, sheet: Sheet) -> Iterator[Reading]:
    stored = row.get("epoch", False)
    time_ns = int.from_bytes(value[:4], "little") * 1_000_000_000 if stored else None
    for number in row.get("number", ()):
        end = number["at"] + number["bytes"]
        yield _reading(sheet.outputs[number["output"]], number, value[number["at"] : end], time_ns)


def _reading(output: Output, number: Mapping[str, Any], raw: bytes, time_ns: int | None) -> Reading:
    if raw in _STATUS:
        return without_number(output, _STATUS[raw], time_ns)
    integer = int.from_bytes(raw, "little", signed=number.get("signed", False))
    return reported(output, integer / number["divide"], time_ns)
