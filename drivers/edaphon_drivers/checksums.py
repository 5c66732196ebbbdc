"""Every checksum and CRC that instruments send (Modbus, SDI-12, 1-wire, I2C, text).

References: Modbus over serial line V1.02, 6.2.2; SDI-12 v1.4, 4.4.12; NMEA 0183 (XOR between $ and
*); Vaisala GMP252 User Guide M211897EN-E (CS4: named a sum modulo 65536, its three examples print
the low byte alone; the barometers' CS4 is another); LI-COR LI-78xx (column CHK: sum of the bytes up
to and with the last TAB, modulo 256; in no document, found in 2099 records of 5 files).
"""

import re
from collections.abc import Callable
from typing import NamedTuple


def _table(polynomial: int) -> tuple[int, ...]:
    """What each byte becomes under a reflected polynomial."""

    def remainder(byte: int) -> int:
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        return byte

    return tuple(map(remainder, range(256)))


_A001, _8408, _8C = _table(0xA001), _table(0x8408), _table(0x8C)


def _reflected(data: bytes, crc: int, table: tuple[int, ...]) -> int:
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def crc16_modbus(data: bytes) -> int:
    """CRC-16/Modbus: start FFFF, reflected; b"123456789" gives 0x4B37."""
    return _reflected(data, 0xFFFF, _A001)


def with_crc(data: bytes) -> bytes:
    """The Modbus frame of unit, function and data: the CRC follows with its low byte first."""
    return data + crc16_modbus(data).to_bytes(2, "little")


def has_crc(frame: bytes) -> bool:
    """Whether a Modbus frame ends with its own CRC: over data and CRC together the rest is zero."""
    return len(frame) > 2 and crc16_modbus(frame) == 0


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC of SDI-12: start 0, reflected; b"123456789" gives 0xBB3D."""
    return _reflected(data, 0, _A001)


def crc_characters(data: bytes) -> bytes:
    """The three characters that follow an SDI-12 answer (address and values) on the wire."""
    crc = crc16_arc(data)
    return bytes((0x40 | crc >> 12, 0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F))


def crc16_kermit(data: bytes) -> int:
    """CRC-16/KERMIT of SenseCAP: polynomial 0x1021 reflected, start 0: 2189 for b"123456789"."""
    return _reflected(data, 0, _8408)


def crc8_maxim(data: bytes) -> int:
    """CRC-8/MAXIM of 1-wire: polynomial 31 reflected, start 0."""
    return _reflected(data, 0, _8C)


def crc8_sensirion(data: bytes) -> int:
    """CRC-8 of Sensirion's I2C words: polynomial 31, start FF, not reflected.

    >>> hex(crc8_sensirion(b"\\xbe\\xef"))
    '0x92'
    """
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


class Checksum(NamedTuple):
    """Whether a line's checksum is right; the mark that begins one which is no value's own."""

    is_right: Callable[[bytes], bool]
    mark: str = ""

    def bare(self, text: str) -> str:
        return text.partition(self.mark)[0] if self.mark else text


_NMEA = re.compile(rb"[$!]([^*$!]*)\*([0-9A-F]{2})")
_CS4 = re.compile(rb"(.*[ \t])([0-9A-F]{2})", re.DOTALL)


def _nmea(line: bytes) -> bool:
    found, rest = _NMEA.fullmatch(line), 0
    for byte in found[1] if found else b"":
        rest ^= byte
    return found is not None and rest == int(found[2], 16)


def _li78xx(line: bytes) -> bool:
    body, tab, sent = line.rpartition(b"\t")
    return sent.strip(b" ") == b"%d" % (sum(body + tab) % 256)


def _vaisala_cs4(line: bytes) -> bool:
    found = _CS4.fullmatch(line)
    return found is not None and sum(found[1]) % 256 == int(found[2], 16)


# Those of lines of text, by the name that a sheet gives them.
CHECKSUMS: dict[str, Checksum] = {
    "nmea": Checksum(_nmea, "*"),
    "li-78xx": Checksum(_li78xx),
    "vaisala-cs4": Checksum(_vaisala_cs4),
}
