"""The checksums that lines of text end with; each tells whether a line came as it was sent.

References: NMEA 0183 (XOR between $ and *); Vaisala GMP252 User Guide M211897EN-E and PTB330
User's Guide table 12 (CS4, sum modulo 65536, of which some probes print the low byte alone);
LI-COR LI-78xx (column CHK: sum of the bytes up to and with the last TAB, modulo 256; in no
document, found in 2099 records of 5 instruments' files).
"""

import re
from collections.abc import Callable
from functools import reduce
from operator import xor

__all__ = ["CHECKSUMS", "Checksum"]

Checksum = Callable[[bytes], bool]

_NMEA = re.compile(rb"[$!]([^*$!]*)\*([0-9A-Fa-f]{2})")
_CS4 = re.compile(rb"(.*[ \t\x03])([0-9A-F]{2}|[0-9A-F]{4})", re.DOTALL)


def _nmea(line: bytes) -> bool:
    found = _NMEA.fullmatch(line)
    return found is not None and reduce(xor, found[1], 0) == int(found[2], 16)


def _li78xx(line: bytes) -> bool:
    body, tab, said = line.rpartition(b"\t")
    said = said.strip(b" ")
    return said.isdigit() and len(said) <= 3 and sum(body + tab) % 256 == int(said)


def _vaisala_cs4(line: bytes) -> bool:
    """Two or four digits, of which the sum's low byte or all of it is printed."""
    found = _CS4.fullmatch(line)
    if found is None:
        return False
    said = found[2]
    return sum(found[1]) % (65536 if len(said) == 4 else 256) == int(said, 16)


CHECKSUMS: dict[str, Checksum] = {
    "nmea": _nmea,
    "li-78xx": _li78xx,
    "vaisala-cs4": _vaisala_cs4,
}
