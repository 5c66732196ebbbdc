"""A small serial server: one port, one client at a time, by pyserial's own RFC 2217 server side."""

import contextlib
import os
import select
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

from serial import rfc2217


class Port:
    """Stands for the server's serial port: settings and breaks are noted, bytes go to a tty."""

    def __init__(self, tty: str) -> None:
        self.settings: dict[str, Any] = {}
        self.breaks: list[float] = []  # monotonic [s], the begin of each
        self.sent: list[tuple[float, bytes]] = []
        self._tty = os.open(tty, os.O_RDWR | os.O_NOCTTY)
        self.baudrate, self.bytesize, self.parity, self.stopbits = 9600, 8, "N", 1
        self.rtscts = self.xonxoff = self.rts = self.dtr = False
        self.cts = self.dsr = self.ri = self.cd = True
        self.timeout: float | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in {"baudrate", "bytesize", "parity", "stopbits", "rts", "dtr"}:
            self.settings[name] = value
        if name == "break_condition" and value:
            self.breaks.append(time.monotonic())

    def get_settings(self) -> dict[str, Any]:
        return {"rtscts": self.rtscts, "xonxoff": self.xonxoff}

    def apply_settings(self, settings: dict[str, Any]) -> None:
        self.settings.update(settings)

    def reset_input_buffer(self) -> None:
        while self.read(0):
            pass

    def reset_output_buffer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.sent.append((time.monotonic(), data))
        os.write(self._tty, data)

    def read(self, wait_s: float) -> bytes:
        ready, _, _ = select.select([self._tty], [], [], wait_s)
        return os.read(self._tty, 4096) if ready else b""

    def close(self) -> None:
        os.close(self._tty)


class SerialServer:
    """`url` is its address; `mute` takes what comes and answers nothing, as one without power."""

    def __init__(self, tty: str, number: int = 0) -> None:
        self.port, self.mute = Port(tty), False
        self._listener = socket.create_server(("127.0.0.1", number))
        self._listener.settimeout(0.05)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"rfc2217://127.0.0.1:{self.number}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()
        self.port.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection, _ = self._listener.accept()
                with connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        manager = rfc2217.PortManager(self.port, _Writer(connection))
        while not self._stopping.is_set():
            if data := self.port.read(0.002):
                connection.sendall(b"".join(manager.escape(data)))
            ready, _, _ = select.select([connection], [], [], 0.002)
            if ready:
                if not (came := connection.recv(4096)):
                    return
                if not self.mute:
                    plain = b"".join(manager.filter(came))
                    if plain:
                        self.port.write(plain)


class _Writer:
    """What PortManager answers by."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)
