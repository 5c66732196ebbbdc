"""Modbus frames, RTU and TCP: how a request is wrapped, and which bytes are an answer to it.

Modbus application protocol V1.1b3; over serial line V1.02, 2.5; messaging on TCP/IP V1.0b, 3.1.3.
"""

from collections.abc import Container, Iterator
from functools import lru_cache
from typing import NamedTuple

from edaphon_drivers.checksums import has_crc, with_crc

_EXCEPTION = 0x80
_MBAP = 7
_IDENTIFICATION_HEAD = 6  # function, kind, code, conformity, more follows, next object

_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge, it takes longer",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}


class Request(NamedTuple):
    """What was asked of whom; `transaction` is the number of a TCP frame, None on a serial line."""

    unit: int
    pdu: bytes
    transaction: int | None = None


class Shape(NamedTuple):
    """What a good answer looks like: `size` bytes behind a byte count, or identification objects.

    `size` is None for the answer to a read of the device identification (function 43 / 14).
    """

    size: int | None


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    return with_crc(bytes((unit,)) + pdu)


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return transaction.to_bytes(2) + b"\0\0" + (len(pdu) + 1).to_bytes(2) + bytes((unit,)) + pdu


@lru_cache(maxsize=4096)
def parse_request(frame: bytes) -> Request | None:
    """The request in a frame that was sent; None for what is no Modbus request.

    A TCP frame is known by its own length field; no RTU request of this package is that long.
    """
    if len(frame) > _MBAP + 2 and frame[2:6] == b"\0\0" + (len(frame) - 6).to_bytes(2):
        return Request(frame[6], frame[_MBAP:], int.from_bytes(frame[:2]))
    if len(frame) > 3 and has_crc(frame):
        return Request(frame[0], frame[1:-2])
    return None


def registers_asked(pdu: bytes) -> tuple[int, int] | None:
    """(address, count) of a plain read of holding or input registers."""
    if len(pdu) == 5 and pdu[0] in {3, 4}:
        return int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
    return None


def answers(came: bytes, request: Request, shape: Shape) -> list[bytes]:
    """Every whole answer (PDU) to the request among the bytes, good ones and exceptions, in order.

    Unit, function, length and CRC (on TCP transaction and length) must be right; noise around a
    frame is skipped, and so is the echo of the request that some RS-485 adapters give back.
    """
    if request.transaction is None:
        return list(_rtu_answers(without_echo(came, request), request, shape))
    return list(_tcp_answers(came, request, shape))


def without_echo(came: bytes, request: Request) -> bytes:
    """What came behind the request itself, which the adapter may have received as well."""
    if request.transaction is None and came[1:].startswith(request.pdu):
        return came.removeprefix(rtu_frame(request.unit, request.pdu))
    return came


def choose(found: list[bytes], earlier: Container[bytes]) -> bytes:
    """The last answer that was not given to another question, else the last; b"" for none."""
    fresh = [pdu for pdu in found if pdu not in earlier]
    return (fresh or found or [b""])[-1]


def is_exception(pdu: bytes) -> bool:
    return bool(pdu[0] & _EXCEPTION)


def exception_name(pdu: bytes) -> str:
    """The exception in words (application protocol V1.1b3, 7)."""
    return _EXCEPTIONS.get(pdu[1], f"exception {pdu[1]}")


def _rtu_answers(came: bytes, request: Request, shape: Shape) -> Iterator[bytes]:
    at = 0
    while (at := came.find(request.unit, at)) >= 0:
        length = _length(came, at + 1, request.pdu[0], shape)
        end = at + 1 + length + 2
        if length and end <= len(came) and has_crc(came[at:end]):
            yield came[at + 1 : end - 2]
            at = end
        else:
            at += 1


def _tcp_answers(came: bytes, request: Request, shape: Shape) -> Iterator[bytes]:
    transaction = (request.transaction or 0).to_bytes(2) + b"\0\0"
    at = 0
    while (at := came.find(transaction, at)) >= 0:
        start = at + _MBAP
        length = _length(came, start, request.pdu[0], shape)
        head = (length + 1).to_bytes(2) + bytes((request.unit,))
        if length and came[at + 4 : start] == head and start + length <= len(came):
            yield came[start : start + length]
            at = start + length
        else:
            at += 1


def _length(came: bytes, at: int, function: int, shape: Shape) -> int:
    """Bytes of the answer that begins here; 0 when none begins or not enough has come."""
    if at >= len(came):
        return 0
    if came[at] == function | _EXCEPTION:
        return 2
    if came[at] != function:
        return 0
    if shape.size is None:
        return _identification_length(came, at)
    return 2 + shape.size if came[at + 1 : at + 2] == bytes((shape.size,)) else 0


def _identification_length(came: bytes, at: int) -> int:
    end = at + _IDENTIFICATION_HEAD + 1
    if end > len(came) or came[at + 1] != 0x0E:
        return 0
    for _ in range(came[end - 1]):
        if end + 2 > len(came):
            return 0
        end += 2 + came[end + 1]
    return end - at
