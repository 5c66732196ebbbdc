"""The bytes of an MQTT 3.1.1 connection: messages are taken out here, all else is left to paho.

paho reads a packet with four system calls and answers it with a fifth; a busy broker would cost
more there than in everything behind it. Here one call reads some hundred messages, and one sends
the acknowledgements of all of them.

No broker can make it hold more than LARGEST_BYTES of a packet. Of a longer message the start, the
length and the hash are kept while it passes, for it must be acknowledged: a broker that is hung up
on brings it again at each connection, and nothing behind it ever.

Reference: MQTT 3.1.1 (OASIS), 2.2 fixed header, 3.3 PUBLISH, 3.4 PUBACK.
"""

import contextlib
import hashlib
import ssl
from collections.abc import Iterable
from typing import Any, NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import CUT_TO_BYTES, CutBytes

READ_BYTES = 65536
LARGEST_BYTES = 262_144
_PUBLISH, _PUBACK = 0x30, b"\x40\x02"
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Published(NamedTuple):
    """A PUBLISH packet; `mid` is 0 with QoS 0."""

    topic: str
    data: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int


class _Passing:
    """A message too long to hold, on its way through."""

    def __init__(self, first: int, start: bytes, left: int) -> None:
        """`start` is topic and identifier, `left` the length of what follows them."""
        self._message = _published(first, start)
        self._left = self._whole = left
        self._hash = hashlib.sha256()
        self._kept = b""

    def take(self, data: bytes) -> bytes:
        """Let data pass; what remains of them belongs to the next packet."""
        mine, rest = data[: self._left], data[self._left :]
        self._left -= len(mine)
        self._hash.update(mine)
        self._kept += mine[: CUT_TO_BYTES - len(self._kept)]
        return rest

    def taken(self) -> Published | None:
        """The message once all of it has passed."""
        if self._left:
            return None
        cut = CutBytes(self._kept)
        cut.whole, cut.digest = self._whole, self._hash.digest()
        return self._message._replace(data=cut)


class Stream:
    """Stands for the socket at paho, which reads and writes all but messages through it.

    What is sent waits until flush(). One thread uses a stream.
    """

    def __init__(self, connection: Any) -> None:
        """`connection`: a socket, with or without TLS."""
        self._connection = connection
        self._come = bytearray()  # from the beginning of a packet on
        self._needed = 0  # bytes of it until that packet is whole
        self._others = bytearray()  # whole packets for paho
        self._end: OSError | None = None
        self._ended = False
        self._passing: _Passing | None = None
        self._to_send = bytearray()

    def read(self) -> list[Published]:
        """What has come, without waiting; that a connection has ended is left for paho to find.

        Raises Garbled for a packet that no broker may send.
        """
        try:
            come = self._connection.recv(READ_BYTES)
        except _AGAIN:
            return []
        except OSError as error:
            self._end, self._ended = error, True
            return []
        self._ended = not come
        if self._passing is None:
            return self._add(come)
        come = self._passing.take(come)
        if (message := self._passing.taken()) is None:
            return []
        self._passing = None
        return [message, *self._add(come)]

    def _add(self, come: bytes) -> list[Published]:
        self._come += come
        return self._taken_apart() if len(self._come) >= self._needed else []

    def _taken_apart(self) -> list[Published]:
        data, at = bytes(self._come), 0
        found: list[Published] = []
        self._needed = 2
        while len(data) - at >= 2:
            body, length = _length(data, at + 1)
            end = body + length
            if length > LARGEST_BYTES and end > len(data):
                at = self._let_pass(data, at, body, length)
                break
            if body == 0 or end > len(data):
                self._needed = end - at if body else len(data) - at + 1
                break
            if data[at] & 0xF0 == _PUBLISH:
                found.append(_published(data[at], data[body:end]))
            else:
                self._others += data[at:end]
            at = end
        del self._come[:at]
        return found

    def _let_pass(self, data: bytes, at: int, body: int, length: int) -> int:
        """Begin with a long message once its topic is there: the place behind what is taken."""
        if data[at] & 0xF0 != _PUBLISH:
            raise Garbled(f"a packet of at most {LARGEST_BYTES} bytes", data[at : at + 64])
        payload = body + 2 + int.from_bytes(data[body : body + 2])
        payload += 2 if data[at] >> 1 & 3 else 0
        if len(data) < max(payload, body + 2):
            self._needed = max(payload, body + 2) - at
            return at
        start = data[body : min(payload, body + length)]
        self._passing = _Passing(data[at], start, length - len(start))
        self._passing.take(data[payload:])
        self._needed = 0
        return len(data)

    @property
    def for_paho(self) -> bool:
        """Whether paho has something to read: a packet, or the end of the connection."""
        return bool(self._others) or self._ended

    @property
    def pending(self) -> bool:
        """Whether bytes have come that no select() tells of: TLS has decrypted them already."""
        return isinstance(self._connection, ssl.SSLSocket) and self._connection.pending() > 0

    @property
    def unsent(self) -> bool:
        return bool(self._to_send)

    def acknowledge(self, mids: Iterable[int]) -> None:
        self._to_send += b"".join([_PUBACK + mid.to_bytes(2) for mid in mids])

    def flush(self) -> None:
        """Send what the connection takes just now; raises OSError when it is gone."""
        if self._to_send:
            with contextlib.suppress(*_AGAIN):
                del self._to_send[: self._connection.send(self._to_send)]

    # -- as a socket, for paho -------------------------------------------------------------

    def recv(self, buffer_size: int) -> bytes:
        found = bytes(self._others[:buffer_size])
        del self._others[:buffer_size]
        if not found and self._end is not None:
            raise self._end
        if not found and not self._ended:
            raise BlockingIOError
        return found

    def send(self, buffer: bytes | bytearray) -> int:
        self._to_send += buffer
        return len(buffer)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # DISCONNECT may wait here
            self.flush()
        self._connection.close()

    def fileno(self) -> int:
        number: int = self._connection.fileno()
        return number

    def settimeout(self, wait_s: float | None) -> None:
        self._connection.settimeout(wait_s)

    def do_handshake(self) -> None:
        if isinstance(self._connection, ssl.SSLSocket):
            self._connection.do_handshake()

    def setblocking(self, flag: bool) -> None:
        self._connection.setblocking(flag)


def _length(data: bytes, at: int) -> tuple[int, int]:
    """(place behind it, remaining length); (0, 0) while its bytes are not all there."""
    length = 0
    for i, byte in enumerate(data[at : at + 4]):
        length |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return at + i + 1, length
    if len(data) - at >= 4:
        raise Garbled("a length of at most four bytes", data[at : at + 4])
    return 0, 0


def _published(first: int, body: bytes) -> Published:
    qos, mid = first >> 1 & 3, 0
    at = 2 + int.from_bytes(body[:2])
    topic = body[2:at].decode("utf-8", "surrogateescape")
    if qos:
        mid = int.from_bytes(body[at : at + 2])
        at += 2
    if at > len(body) or qos > 1:
        raise Garbled("a message of QoS 0 or 1 with topic and identifier", body)
    return Published(topic, body[at:], qos, first & 1 != 0, first & 8 != 0, mid)
