"""The binary data packets of high-volume measurements (specification v1.4, 5.2).

Address, payload length u16, data type u8, payload, CRC-16; the lowest byte comes first, each byte
has 8 bits and no parity.
"""

import math
import struct

from edaphon_drivers.faults import Garbled
from edaphon_drivers.sdi12.crc import crc16

_HEAD_BYTES, _CRC_BYTES = 4, 2
_MOST_PAYLOAD_BYTES = 1000
_FORMATS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "q", 8: "Q", 9: "f", 10: "d"}


def is_packet(data: bytes) -> bool:
    """Whether a whole packet came; bytes that can't become one are waited out."""
    packet = _without_requests(data)
    return len(packet) >= _HEAD_BYTES and len(packet) == _whole_bytes(packet)


def parse_packet(address: str, data: bytes) -> tuple[float, ...]:
    """The values of one packet, () of an empty one; raises Garbled."""
    where = f"address {address}"
    packet = _without_requests(data)
    if len(packet) < _HEAD_BYTES + _CRC_BYTES or len(packet) != _whole_bytes(packet):
        raise Garbled("a whole binary packet of at most 1000 bytes of data", data, where)
    right = crc16(packet[:-_CRC_BYTES])
    if int.from_bytes(packet[-_CRC_BYTES:], "little") != right:
        raise Garbled(f"the CRC {right:04X} at the end of the packet", data, where)
    if packet[:1] != address.encode():
        raise Garbled("a packet that begins with its address", data, where)
    return _numbers(packet[3], packet[_HEAD_BYTES:-_CRC_BYTES], where)


def _numbers(kind: int, payload: bytes, where: str) -> tuple[float, ...]:
    if not payload:
        return ()
    letter = _FORMATS.get(kind)
    if letter is None or len(payload) % struct.calcsize(letter):
        raise Garbled(f"whole values of a data type 1..10, not of type {kind}", payload, where)
    numbers = struct.unpack(f"<{len(payload) // struct.calcsize(letter)}{letter}", payload)
    if not all(map(math.isfinite, numbers)):
        raise Garbled("numbers, not infinity or NaN", payload, where)
    return tuple(map(float, numbers))


def _whole_bytes(packet: bytes) -> int:
    """How long it says to be; -1 for more than the specification allows."""
    payload = int.from_bytes(packet[1:3], "little")
    return _HEAD_BYTES + payload + _CRC_BYTES if payload <= _MOST_PAYLOAD_BYTES else -1


def _without_requests(data: bytes) -> bytes:
    """Without service requests in front: a CR LF would be a length of 2573."""
    while data[1:3] == b"\r\n":
        data = data[3:]
    return data
