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
from typing import NamedTuple


class Checksum(NamedTuple):
    """Whether a line's checksum is right; the mark that begins one which is no value's own."""

    is_right: Callable[[bytes], bool]
    mark: str = ""

    def bare(self, text: str) -> str:
        return text.partition(self.mark)[0] if self.mark else text


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
    "nmea": Checksum(_nmea, "*"),
    "li-78xx": Checksum(_li78xx),
    "vaisala-cs4": Checksum(_vaisala_cs4),
}
