"""One span of time for all that a connection does: name, address, handshake, question, answer.

A limit for each read would not do: a server that sends one byte every few seconds keeps within it
for ever. The system's look-up of names can't be given a limit at all, so it has a thread of its
own, which is left alone when its time is over.
"""

import contextlib
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edaphon_drivers.outside import read_certificates

__all__ = ["CONNECT_S", "Deadline", "dial", "ended_at", "tls_context"]

CONNECT_S = 5.0  # of one address
_LEAST_S = 0.001  # a time-out of 0 would mean none


class Deadline:
    """Begins when it is made."""

    def __init__(self, whole_s: float) -> None:
        self.whole_s = whole_s
        self._end_s = time.monotonic() + whole_s

    @property
    def left_s(self) -> float:
        """Never 0, so that it can be a time-out."""
        return max(_LEAST_S, self._end_s - time.monotonic())

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end_s


def dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection; raises OSError: gaierror for an unknown name, TimeoutError."""
    problem: OSError = socket.gaierror(socket.EAI_NONAME, "no address of this name")
    for family, kind, protocol, _, address in _addresses(host, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_S, deadline.left_s))
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            sock.settimeout(deadline.left_s)
            return sock
    raise problem


def _addresses(host: str, port: int, deadline: Deadline) -> list[Any]:
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            problem = error if isinstance(error, OSError) else OSError("no name of a host")
            found.put(problem)

    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    try:
        answer = found.get(timeout=deadline.left_s)
    except queue.Empty:
        raise TimeoutError("the name is not found in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


@contextmanager
def ended_at(sock: socket.socket, deadline: Deadline) -> Iterator[None]:
    """End the connection under whoever reads or writes it once that time is over.

    What was read until then may look whole, so TimeoutError is raised whatever happened.
    """
    twin = socket.socket(fileno=os.dup(sock.fileno()))  # TLS may take `sock` itself over

    def end() -> None:
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(deadline.left_s, end)
    watch.daemon = True
    watch.start()
    try:
        yield
        if deadline.over:
            raise TimeoutError("no whole answer in time")
    finally:
        watch.cancel()
        twin.close()


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer that checks certificate and name; raises OSError for an unreadable file."""
    try:
        trusted = read_certificates(ca_file) if ca_file else None
    except OSError as error:
        raise OSError(error.errno, f"ca_file {ca_file}: {error.strerror}") from None
    context = ssl.create_default_context(cadata=trusted)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
