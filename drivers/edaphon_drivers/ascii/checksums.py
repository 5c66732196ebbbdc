"""The checksums that lines of text end with; each tells whether a line came as it was sent.

References: NMEA 0183 (XOR between $ and *); Vaisala GMP252 User Guide M211897EN-E (CS4: named a
sum modulo 65536, its three examples print the low byte alone; the barometers' CS4 is another);
LI-COR LI-78xx (column CHK: sum of the bytes up to and with the last TAB, modulo 256; in no
document, found in 2099 records of 5 files).
"""

import re
from collections.abc import Callable
from functools import reduce
from operator import xor

__all__ = ["CHECKSUMS", "Checksum"]

Checksum = Callable[[bytes], bool]

_NMEA = re.compile(rb"[$!]([^*$!]*)\*([0-9A-F]{2})")
_CS4 = re.compile(rb"(.*[ \t])([0-9A-F]{2})", re.DOTALL)


def _nmea(line: bytes) -> bool:
    found = _NMEA.fullmatch(line)
    return found is not None and reduce(xor, found[1], 0) == int(found[2], 16)


def _li78xx(line: bytes) -> bool:
    body, tab, said = line.rpartition(b"\t")
    return said.strip(b" ") == b"%d" % (sum(body + tab) % 256)


def _vaisala_cs4(line: bytes) -> bool:
    found = _CS4.fullmatch(line)
    return found is not None and sum(found[1]) % 256 == int(found[2], 16)


CHECKSUMS: dict[str, Checksum] = {
    "nmea": _nmea,
    "li-78xx": _li78xx,
    "vaisala-cs4": _vaisala_cs4,
}
