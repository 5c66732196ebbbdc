"""A Linux I2C adapter (/dev/i2c-1) as a link: `address, count, command..` in, `count` bytes out."""

import errno
import fcntl
import os
import time

from edaphon_drivers.faults import LinkDown, Refused

_I2C_SLAVE = 0x0703  # linux/i2c-dev.h
# What adapters say when nobody acknowledges: not a lost link, only a silent sensor.
_SILENT = {errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT, errno.EAGAIN}


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
            raise LinkDown(
                "an I2C adapter that opens; switch I2C on and let this user use it (group i2c)",
                str(error),
                path,
            ) from error

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
            self._judge(error, address)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _judge(self, error: OSError, address: int) -> None:
        if error.errno in _SILENT:
            return
        if error.errno == errno.EBUSY:
            raise Refused(
                "an address that no driver of the kernel owns; unbind it",
                f"{address:#04x}",
                self.name,
            ) from error
        raise LinkDown("an I2C adapter that answers", str(error), self.name) from error
