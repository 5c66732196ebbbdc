"""The entry: one row of the one table that everything is kept in. This format is frozen."""

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

__all__ = ["Entry", "Kind", "Purpose", "entry_crc"]


class Kind(IntEnum):
    RECORD = 1
    GAP = 2
    CLOCK = 3
    IDENTITY = 4
    FACT = 5
    CALIBRATION = 6
    CONFIGURATION = 7
    MARK = 8
    NOTE = 9
    LOST = 10
    JOB = 11
    ALERT = 12


class Purpose(IntEnum):
    ROUTINE = 1
    TEST = 2
    SCAN = 3
    CALIBRATION = 4
    VISIT = 5
    TYPED = 6
    FILE = 7


class Entry(NamedTuple):
    """What happened, as it came.

    `received_ns` is UTC by the logger's clock, right or wrong; `mono_ns` counts within `boot`.
    `slot_ns` is the UTC instant a scheduled source was due, by the same clock; None elsewhere.
    `source` is the path the bytes came from ("sdi12/a", a broker's name), "" for the service.
    """

    kind: Kind
    received_ns: int
    mono_ns: int
    boot: str
    source: str
    payload: bytes
    slot_ns: int | None = None
    purpose: Purpose = Purpose.ROUTINE


_FIXED = struct.Struct("<IIBqq?qB")


def entry_crc(file: int, n: int, entry: Entry) -> int:
    """CRC-32 over every column and the entry's own place, so a row moved or changed shows."""
    slot = entry.slot_ns
    head = _FIXED.pack(
        file,
        n,
        entry.kind,
        entry.received_ns,
        entry.mono_ns,
        slot is not None,
        slot or 0,
        entry.purpose,
    )
    names = f"{entry.boot}\0{entry.source}\0".encode("utf-8", "surrogateescape")
    return zlib.crc32(entry.payload, zlib.crc32(head + names))
