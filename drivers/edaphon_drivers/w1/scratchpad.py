"""The nine bytes of a DS18B20 or DS18S20 out of a w1_slave file, and the temperature in them.

Documentation/w1/slaves/w1_therm of the Linux kernel; data sheets DS18B20 and DS18S20, Memory.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from edaphon_drivers.faults import Garbled

_FILE = re.compile(
    rb"((?:[0-9a-f]{2} ){9}): crc=([0-9a-f]{2}) (YES|NO)\n((?:[0-9a-f]{2} ){9})t=(-?\d{1,7})\n?"
)
# The kernel prints thousandths of a degree, truncated once or, for the DS18S20, twice.
_TRUNCATED_MC = 2


class Found(NamedTuple):
    """What a scratchpad says; `bits` is the resolution, 0 where it is fixed.

    `power_on` is sure: no conversion has been made since the thermometer got its supply.
    """

    celsius: float
    exact_mc: float
    power_on: bool
    bits: int


def crc8(data: bytes) -> int:
    """CRC-8/MAXIM: polynomial 31 reflected, start 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def read_slave_file(data: bytes, form: str) -> Found:
    """Raises Garbled for anything but a whole file whose bytes pass their CRC and agree with t=.

    After NO the second line holds the bytes of an earlier, good read.
    """
    parts = _FILE.fullmatch(data)
    if parts is None:
        raise Garbled("the two lines of a w1_slave file", data)
    read, crc, verdict, kept, millis = parts.groups()
    pad = bytes.fromhex(read.decode())
    if verdict != b"YES" or kept != read or int(crc, 16) != crc8(pad[:8]) or crc8(pad):
        raise Garbled("a scratchpad that passes its CRC", data)
    found = FORMS[form](pad)
    if abs(int(millis) - found.exact_mc) >= _TRUNCATED_MC:
        raise Garbled(f"t= that agrees with the scratchpad ({found.celsius:g} degC)", data)
    return found


def _ds18b20(pad: bytes) -> Found:
    """Sixteenths of a degree; bits below the resolution mean nothing."""
    if pad[4] & 0x9F != 0x1F:  # also 00 00 00 00 00 00 00 00 00, which passes its CRC
        raise Garbled("a DS18B20 with its configuration register", pad)
    raw = int.from_bytes(pad[:2], "little", signed=True)
    bits = 9 + (pad[4] >> 5 & 3)
    # Genuine chips say 0C in byte 6 before the first conversion, and 16 - raw % 16 after it.
    power_on = raw == 0x0550 and pad[6] == 0x0C
    return Found((raw >> 12 - bits << 12 - bits) / 16, raw * 62.5, power_on, bits)


def _ds18s20(pad: bytes) -> Found:
    """Half degrees without their last bit, and the rest from the two counters."""
    raw = int.from_bytes(pad[:2], "little", signed=True)
    remain, per_degree = pad[6], pad[7]
    if not per_degree or remain > per_degree:
        raise Garbled("a DS18S20 with its counters", pad)
    celsius = (raw >> 1) - 0.25 + (per_degree - remain) / per_degree
    return Found(celsius, celsius * 1000, raw == 0x00AA and remain == 0x0C, 0)


FORMS: dict[str, Callable[[bytes], Found]] = {"ds18b20": _ds18b20, "ds18s20": _ds18s20}
