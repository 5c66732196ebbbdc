"""Lines that METER probes send by themselves (DDI); no engine reads them yet."""

import re
from typing import NamedTuple

from edaphon_drivers.faults import Garbled

_LINE = re.compile(
    rb"[0-9A-Za-z]?"  # the address in front of what aR3! gives
    rb"(\t(-?[0-9.]+(?: -?[0-9.]+)*) ?\r([!-~]))"
    rb"([ -_])(?:([0-o])(?:\r?\n)?|\r\n)"
)
_NUMBER = re.compile(rb"-?(?:\d+(?:\.\d*)?|\.\d+)")
_CRC_START, _CRC_POLYNOMIAL = 0xFC, 0x9C


class DdiMessage(NamedTuple):
    """One message; `kind` is the letter of the type of probe ("k": TEROS 21)."""

    values: tuple[float, ...]
    kind: str


def read_ddi(line: bytes) -> DdiMessage:
    """The message with its type of probe; an SDI-12 address before it and a line end are allowed.

    Raises Garbled unless each of its checks is right.
    """
    found = _LINE.fullmatch(line)
    if not found:
        raise Garbled("TAB, values, CR, type, checksum and CRC of a METER probe", line)
    covered, numbers, kind, checksum, crc = found.groups()
    texts = numbers.split(b" ")
    if not all(map(_NUMBER.fullmatch, texts)):
        raise Garbled("numbers with one decimal point", line)
    right = bytes((sum_character(covered), crc6(covered + checksum)))
    if checksum + (crc or right[1:]) != right:
        raise Garbled(f"the checksum and CRC {right.decode()!r}", line)
    return DdiMessage(tuple(map(float, texts)), kind.decode())


def sum_character(covered: bytes) -> int:
    """The sum of all bytes from TAB to the type, modulo 64, as a character from a blank on."""
    return sum(covered) % 64 + 32


def crc6(covered: bytes) -> int:
    """The upper six bits of an eight-bit register, over the checksum as well, as a character."""
    crc = _CRC_START
    for byte in covered:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (_CRC_POLYNOMIAL if crc & 0x80 else 0)) & 0xFF
    return (crc >> 2) + 48
