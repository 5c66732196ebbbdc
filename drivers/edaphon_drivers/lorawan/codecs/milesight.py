"""Milesight payloads: (channel u8, type u8, value)*, values little endian, lengths by the sheet.

The sheet's `frame.channel` rows give id, type, the bytes of the value, and the numbers in it;
`longer` has the bytes of a value whose first byte, as the key, makes it longer. With `epoch = true`
the value begins with its own time, u32 in seconds since 1970 UTC: a stored reading sent later.
Types have Cayenne LPP's numbers and nothing else of it.
"""

from collections.abc import Mapping
from typing import Any

from edaphon_drivers.identity import Identity
from edaphon_drivers.lorawan.tagged import split_tagged, tagged_readings
from edaphon_drivers.lorawan.uplink_numbers import check_port, epoch_ns, read_numbers
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

# What a device says of itself on channel FF: type -> bytes (README, Attribute; the table gives the
# serial number two bytes, its own description and every decoder eight).
_ATTRIBUTES = {0x01: 1, 0x09: 2, 0x0A: 2, 0x0B: 1, 0x0F: 1, 0x16: 8, 0xFE: 1, 0xFF: 2}

# Echoes of settings on channels FE and FF, alike in all models here: type -> bytes (decoders).
# 0x1A and 0x79 differ between models; the sheet that needs them has them.
_SETTINGS = {
    **{0x02: 2, 0x03: 2, 0x06: 9, 0x10: 1, 0x11: 4, 0x17: 2, 0x18: 2, 0x1C: 2, 0x25: 1},
    **{0x27: 1, 0x28: 1, 0x2C: 1, 0x2D: 1, 0x2E: 1, 0x35: 8, 0x39: 5, 0x3A: 2, 0x3B: 1},
    **{0x3C: 1, 0x3D: 1, 0x3E: 1, 0x4A: 1, 0x4E: 2, 0x65: 2, 0x66: 1, 0x68: 1, 0x69: 1},
    **{0x6A: 3, 0x6D: 1, 0x84: 1, 0x87: 3, 0x8E: 3, 0x91: 5, 0x92: 5, 0x96: 8, 0xA1: 7},
    **{0xA2: 9, 0xA3: 2, 0xA4: 2, 0xAB: 3, 0xC3: 1, 0xD6: 6, 0xD7: 1, 0xE9: 1, 0xEA: 3},
    **{0xEB: 1, 0xF0: 4, 0xF1: 4, 0xF2: 2, 0xF4: 1, 0xF5: 1},
}
# Echoes on F9, and on F8 with a result code behind them (TS201, EM320-TH decoders).
_EXTENDED = {0x0B: 7, 0x0C: 4, 0x0D: 3, 0x0E: 2, 0x31: 1, 0x32: 3, 0xC9: 1}

_QUIET: Mapping[bytes, int] = {
    **{bytes((channel, kind)): n for channel in (0xFE, 0xFF) for kind, n in _SETTINGS.items()},
    **{bytes((0xF9, kind)): n for kind, n in _EXTENDED.items()},
    **{bytes((0xF8, kind)): n + 1 for kind, n in _EXTENDED.items()},
    **{bytes((0xFF, kind)): n for kind, n in _ATTRIBUTES.items()},
}


def channels(sheet: Sheet) -> dict[bytes, Mapping[str, Any]]:
    """The sheet's rows by (id, type)."""
    return {bytes((row["id"], row["type"])): row for row in sheet.frame["channel"]}


def decode(data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """All readings of a frame, stored ones with their time; Incomplete by an unknown channel."""
    check_port(data, f_port, sheet)
    rows = channels(sheet)
    return tagged_readings(
        data,
        2,
        lambda tag, rest: value_length(tag, rest, rows),
        lambda tag, value: readings_of(rows.get(tag, {}), value, sheet),
        sheet,
    )


def decode_identity(data: bytes, f_port: int, sheet: Sheet) -> Identity | None:
    """Serial number and versions, as sent after a join; None from a frame without them."""
    check_port(data, f_port, sheet)
    rows = channels(sheet)
    said = dict(split_tagged(data, 2, lambda tag, rest: value_length(tag, rest, rows), sheet))
    serial, firmware = said.get(b"\xff\x16", b""), said.get(b"\xff\x0a", b"")
    if not serial and not firmware:
        return None
    version = f"{firmware[0]:x}.{firmware[1]:x}" if firmware else ""
    return Identity("Milesight", version=version, serial=serial.hex())


def value_length(tag: bytes, rest: bytes, rows: Mapping[bytes, Mapping[str, Any]]) -> int | None:
    """The bytes of a channel's value; the sheet speaks before the maker's common table."""
    row = rows.get(tag)
    if row is None:
        return _QUIET.get(tag)
    return int(row.get("longer", {}).get(str(rest[0]) if rest else "", row["bytes"]))


def readings_of(row: Mapping[str, Any], value: bytes, sheet: Sheet) -> list[Reading]:
    """The readings of one channel."""
    time_ns = epoch_ns(value[:4], "little") if row.get("epoch") else None
    return list(read_numbers(value, row.get("number", ()), "little", sheet, time_ns))
