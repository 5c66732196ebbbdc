"""Answer frames that a person holds without the requests: which of a sheet's reads they answer."""

from collections.abc import Iterator

from edaphon_drivers.faults import Garbled
from edaphon_drivers.modbus.crc import has_crc
from edaphon_drivers.modbus.frame import Request, is_exception, parse_request, rtu_frame, tcp_frame
from edaphon_drivers.modbus.table import Read, plan_of
from edaphon_drivers.sheets import Sheet

_MBAP = 7
_AROUND = 5  # unit, function, byte count; CRC


def possible_requests(data: bytes, sheet: Sheet) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """Each frame with the sheet's requests that it may answer, in the order of the sheet.

    Where as many frames came as there are requests of their shape, they are in that order. Raises
    Garbled for bytes that are no whole frames, or answer nothing that the sheet asks.
    """
    found = tuple((frame, _fitting(frame, said, sheet)) for frame, said in _frames(data))
    if not found:
        raise Garbled("an answer frame with its CRC, such as 01 03 02 00 FA 39 C7", data)
    shapes = [requests for _, requests in found]
    decided = []
    for at, (frame, requests) in enumerate(found):
        if shapes.count(requests) == len(requests):
            nth = shapes[:at].count(requests)
            requests = requests[nth : nth + 1]
        decided.append((frame, requests))
    return tuple(decided)


def _frames(data: bytes) -> Iterator[tuple[bytes, Request]]:
    """The frames one behind the other; on TCP known by their own length field."""
    at = 0
    while at < len(data):
        rest = data[at:]
        frame = rest[: _length(rest)]
        said = parse_request(frame)
        if said is None or len(said.pdu) < 2:
            raise Garbled("whole answer frames with the right CRC", rest)
        yield frame, said
        at += len(frame)


def _length(rest: bytes) -> int:
    if rest[2:4] == b"\0\0" and len(rest) > _MBAP and not has_crc(rest[:_AROUND]):
        return 6 + int.from_bytes(rest[4:6])
    if len(rest) < _AROUND or rest[1] & 0x80:
        return _AROUND
    return _AROUND + rest[2]


def _fitting(frame: bytes, said: Request, sheet: Sheet) -> tuple[bytes, ...]:
    reads = [read for read in plan_of(sheet).reads if _fits(said.pdu, read)]
    if not reads:
        asked = ", ".join(
            f"{r.shape.size} bytes to function {r.function}" for r in plan_of(sheet).reads
        )
        raise Garbled(f"an answer of {asked} ({sheet.model})", frame)
    function = bytes((said.pdu[0] & 0x7F,))
    pdus = [function + read.pdu[1:] for read in (reads[:1] if is_exception(said.pdu) else reads)]
    if said.transaction is None:
        return tuple(rtu_frame(said.unit, pdu) for pdu in pdus)
    return tuple(tcp_frame(said.transaction, said.unit, pdu) for pdu in pdus)


def _fits(pdu: bytes, read: Read) -> bool:
    function = pdu[0] & 0x7F
    if function != read.function and function != (read.also_function or read.function):
        return False
    return is_exception(pdu) or pdu[1] == read.shape.size == len(pdu) - 2
