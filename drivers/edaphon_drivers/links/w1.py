"""The kernel's folder of 1-wire devices as a link: an identity goes in, its w1_slave comes out."""

import re
from pathlib import Path

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links.i2c import AnsweredAtOnce

_IDENTITY = re.compile(rb"([0-9a-f]{2}-[0-9a-f]{12})\n")
_MOST_BYTES = 4096


class W1Link(AnsweredAtOnce):
    """Every method raises LinkDown. A thermometer that is not there is silence, not a lost link.

    `write` blocks while the thermometer converts: 0.75 s at 12 bit, longer when the kernel retries.
    """

    def __init__(self, folder: str | Path = "/sys/bus/w1/devices") -> None:
        self.name = str(folder)
        self._folder = Path(folder)
        self._came = b""
        self._check_folder()

    def write(self, data: bytes) -> None:
        self._check_folder()
        asked = _IDENTITY.fullmatch(data)
        self._came = self._slave_file(asked[1].decode()) if asked else b""

    def close(self) -> None:
        self._came = b""

    def _slave_file(self, identity: str) -> bytes:
        try:
            with (self._folder / identity / "w1_slave").open("rb") as file:
                return file.read(_MOST_BYTES)
        except OSError:  # gone from the bus, or silent while the kernel asked it
            return b""

    def _check_folder(self) -> None:
        if not self._folder.is_dir():
            raise LinkDown(
                "the kernel's folder of 1-wire devices; load w1-gpio and w1-therm", where=self.name
            )
