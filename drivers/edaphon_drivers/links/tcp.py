"""A TCP connection as a link: to a serial server, a Modbus gateway or an instrument's own port."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edaphon_drivers.faults import LinkDown

_CONNECT_S = 5.0
_CHUNK_BYTES = 4096


class TcpLink:
    """An open connection to host:port. Every method raises LinkDown."""

    def __init__(self, host: str, port: int, connect_s: float = _CONNECT_S) -> None:
        self.name = f"tcp://{host}:{port}"
        with self._down_if("a server that answers; check its power, cable and address"):
            self._socket = socket.create_connection((host, port), timeout=connect_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that lost its power says nothing: keepalive finds out within a minute.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

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
