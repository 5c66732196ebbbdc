"""A serial port as a link: exclusive, opened by path, and every problem with it is a LinkDown."""

import errno
import os
import select
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import serial

from edaphon_drivers.faults import LinkDown

_REMEDIES = {
    errno.ENOENT: "plug the adapter in, or correct the path (see /dev/serial/by-id)",
    errno.EACCES: "let this user use the port (group dialout)",
    errno.EPERM: "let this user use the port (group dialout)",
    errno.EBUSY: "stop the program that uses the port",
    errno.EAGAIN: "stop the program that uses the port",
    errno.EINVAL: "name a baud and format that the adapter can do",
    errno.ENOTTY: "name a serial port, this is none",
}
_REMEDY = "check plug, cable and power of the adapter"
_CHUNK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """`rts` and `dtr` are set before the port opens; None leaves them as the system sets them."""

    baud: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1
    rts: bool | None = None
    dtr: bool | None = None


_USUAL = SerialOptions()


class SerialLink:
    """An open port; nobody else can open it this way meanwhile. Every method raises LinkDown."""

    def __init__(self, path: str, options: SerialOptions = _USUAL) -> None:
        self.name = path
        with self._down_if("a port that opens"):
            self._port = serial.Serial(
                baudrate=options.baud,
                bytesize=options.bytesize,
                parity=options.parity,
                stopbits=options.stopbits,
                timeout=0,
                write_timeout=2,
                exclusive=True,
            )
            self._port.port = path
            if options.rts is not None:
                self._port.rts = options.rts
            if options.dtr is not None:
                self._port.dtr = options.dtr
            self._port.open()

    def write(self, data: bytes) -> None:
        with self._down_if("a port that takes bytes"):
            self._port.write(data)

    def read(self, wait_s: float) -> bytes:
        """What has come, as soon as anything has; b"" when nothing came in `wait_s` [s]."""
        with self._down_if("a port that can be read"):
            ready, _, _ = select.select([self._port.fileno()], [], [], max(0.0, wait_s))
            return bytes(self._port.read(_CHUNK_BYTES)) if ready else b""

    def close(self) -> None:
        with suppress(OSError, termios.error):
            self._port.close()

    @contextmanager
    def _down_if(self, expected: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, TypeError, termios.error) as error:
            number = _number(error)
            remedy = _REMEDY if number is None else _REMEDIES.get(number, _REMEDY)
            # pyserial's own words hold the path twice, or guesses in brackets: Fault would cut them
            came = str(error).partition(" (")[0] if number is None else os.strerror(number)
            raise LinkDown(f"{expected}; {remedy}", came, self.name) from error


def _number(error: Exception) -> int | None:
    """The errno of it, None if it has none; a lock of another program is only named in the text."""
    if "exclusively lock" in str(error):
        return errno.EBUSY
    for raised in (error, error.__context__):  # pyserial keeps what the terminal gave only there
        if isinstance(raised, termios.error):
            return int(raised.args[0])
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) else None
