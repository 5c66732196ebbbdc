"""A serial port as a link: of this machine by its path, or of a serial server by `rfc2217://`.

Every problem with it is a LinkDown. A port of this machine is opened for nobody else.
"""

import errno
import os
import select
import socket
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import serial

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links import SerialOptions

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
_SERVER_REMEDY = "check power, cable and address of the serial server, and that it speaks RFC 2217"
_CHUNK_BYTES = 4096
_FLOOD_BYTES = 1_000_000  # that nobody asked for
_SLICE_S = 0.02  # pyserial gives what a server sent within this time
_QUIET_S = 20.0  # then a serial server is asked whether it is there


_USUAL = SerialOptions()


class SerialLink:
    """An open port; nobody else can open it this way meanwhile. Every method raises LinkDown."""

    def __init__(self, path: str, options: SerialOptions = _USUAL) -> None:
        self.name = path
        self.is_remote = path.startswith("rfc2217://")
        self._received_s = time.monotonic()
        with self._down_if("a port that opens"):
            self._port = self._made(options)
            if options.rts is not None:
                self._port.rts = options.rts
            if options.dtr is not None:
                self._port.dtr = options.dtr
            self._port.open()

    def _made(self, options: SerialOptions) -> Any:
        settings: dict[str, Any] = {
            "baudrate": options.baud,
            "bytesize": options.bytesize,
            "parity": options.parity,
            "stopbits": options.stopbits,
        }
        if self.is_remote:
            return serial.serial_for_url(self.name, do_not_open=True, timeout=_SLICE_S, **settings)
        port = serial.Serial(timeout=0, write_timeout=2, exclusive=True, **settings)
        port.port = self.name
        return port

    def write(self, data: bytes) -> None:
        with self._down_if("a port that takes bytes"):
            self._ask_server()
            self._port.write(data)

    def read(self, wait_s: float) -> bytes:
        """What has come, as soon as anything has; b"" when nothing came in `wait_s` [s]."""
        with self._down_if("a port that can be read"):
            if self.is_remote:
                return self._read_server(time.monotonic() + wait_s)
            ready, _, _ = select.select([self._port.fileno()], [], [], max(0.0, wait_s))
            return bytes(self._port.read(_CHUNK_BYTES)) if ready else b""

    def _read_server(self, until_s: float) -> bytes:
        while True:
            waiting = self._port.in_waiting
            if waiting > _FLOOD_BYTES:
                raise ValueError(f"{waiting} bytes that nobody asked for")
            if came := self._port.read(min(max(1, waiting), _CHUNK_BYTES)):
                self._received_s = time.monotonic()
                return bytes(came)
            if time.monotonic() >= until_s:
                self._ask_server()
                return b""

    def _ask_server(self) -> None:
        """One that lost its power ends no connection: it has to acknowledge that no break is on."""
        if self.is_remote and time.monotonic() - self._received_s > _QUIET_S:
            self._port.break_condition = False
            self._received_s = time.monotonic()

    def close(self) -> None:
        with suppress(OSError, termios.error):
            self._port.close()

    @contextmanager
    def _down_if(self, expected: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, TypeError, termios.error) as error:
            number = _number(error)
            usual = _SERVER_REMEDY if self.is_remote else _REMEDY
            remedy = usual if number is None else _REMEDIES.get(number, usual)
            # pyserial's own words hold the path twice, or guesses in brackets: Fault would cut them
            words = str(error).removeprefix(f"Could not open port {self.name}: ")
            came = words.partition(" (")[0] if number is None else os.strerror(number)
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


_CONNECT_S = 5.0


def open_line(port: str, options: SerialOptions = _USUAL) -> "SerialLink | TcpLink":
    """A serial port by its path or `rfc2217://`, or a line on a socket by `tcp://host:port`."""
    if port.startswith("tcp://"):
        host, _, number = port.removeprefix("tcp://").rpartition(":")
        return TcpLink(host, int(number))
    return SerialLink(port, options)


class TcpLink:
    """An open connection to host:port. Every method raises LinkDown."""

    def __init__(self, host: str, port: int, connect_s: float = _CONNECT_S) -> None:
        self.name = f"tcp://{host}:{port}"
        with self._down_if("a server that answers; check its power, cable and address"):
            self._socket = socket.create_connection((host, port), timeout=connect_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that lost its power says nothing: keepalive finds out within a minute.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            keep = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
            for option, value in keep:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def write(self, data: bytes) -> None:
        with self._down_if("a connection that takes bytes"):
            self._socket.sendall(data)

    def read(self, wait_s: float) -> bytes:
        """What has come, as soon as anything has; b"" when nothing came in `wait_s` [s]."""
        with self._down_if("a connection that stands"):
            ready, _, _ = select.select([self._socket], [], [], max(0.0, wait_s))
            if not ready:
                return b""
            data = self._socket.recv(_CHUNK_BYTES)
        if not data:
            raise LinkDown("a connection that stands; the other end closed it", where=self.name)
        return data

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    @contextmanager
    def _down_if(self, expected: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise LinkDown(expected, str(error), self.name) from error
