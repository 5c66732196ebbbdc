"""Links of the Linux kernel: an I2C adapter (/dev/i2c-1), and 1-Wire sensors as files."""

import errno
import fcntl
import os
import re
import time
from pathlib import Path

from edaphon_drivers.faults import LinkDown, Refused

_I2C_SLAVE = 0x0703  # linux/i2c-dev.h
# What adapters say when nobody acknowledges: not a lost link, only a silent sensor.
_SILENT = {errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT, errno.EAGAIN}


def open_i2c(port: str, _: object) -> "I2cLink":
    """The kernel knows the speed of the adapter."""
    return I2cLink(port)


def open_w1(port: str, _: object) -> "W1Link":
    """The folder of the sensors of the kernel's 1-Wire adapters."""
    return W1Link(Path(port))


class AnsweredAtOnce:
    """A link whose `write` waits for the answer, and keeps it."""

    _came = b""

    def read(self, wait_s: float) -> bytes:
        """What the last write read, once; b"" after `wait_s` [s] when nothing came."""
        came, self._came = self._came, b""
        if not came:
            time.sleep(max(0.0, wait_s))
        return came


class I2cLink(AnsweredAtOnce):
    """`write` takes the 7-bit address, how many bytes to read, and the command (or none).

    Raises LinkDown, and Refused where a driver of the kernel owns the address.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            right = "an I2C adapter that opens; switch I2C on and let this user use it (group i2c)"
            raise LinkDown(right, str(error), path) from error

    def write(self, data: bytes) -> None:
        self._came = b""
        address, count, command = data[0], data[1], data[2:]
        try:
            fcntl.ioctl(self._file, _I2C_SLAVE, address)
            if command:
                os.write(self._file, command)
            if count:
                self._came = os.read(self._file, count)
        except OSError as error:
            if error.errno == errno.EBUSY:
                right = "an address that no driver of the kernel owns; unbind it"
                raise Refused(right, f"{address:#04x}", self.name) from error
            if error.errno not in _SILENT:
                raise LinkDown("an I2C adapter that answers", str(error), self.name) from error

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


_IDENTITY = re.compile(rb"([0-9a-f]{2}-[0-9a-f]{12})\n")
_MOST_BYTES = 4096


class W1Link(AnsweredAtOnce):
    """Every method raises LinkDown. A thermometer that is not there is silence, not a lost link.

    `write` blocks while the thermometer converts: 0.75 s at 12 bit, longer when the kernel retries.
    """

    def __init__(self, folder: str | Path = "/sys/bus/w1/devices") -> None:
        self.name = str(folder)
        self._folder = Path(folder)
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
            right = "the kernel's folder of 1-wire devices; load w1-gpio and w1-therm"
            raise LinkDown(right, where=self.name)
