"""Binary packets: the published ones are read, and nothing is read from a damaged one."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_drivers.checksums import crc16_arc
from edaphon_drivers.faults import Garbled
from edaphon_drivers.sdi12.parse import is_packet, parse_packet

_PUBLISHED = bytes.fromhex("31080009c3f548400000803f3b6e")


def _packet(kind, payload):
    head = b"1" + struct.pack("<HB", len(payload), kind) + payload
    return head + struct.pack("<H", crc16_arc(head))


def test_a_packet_is_whole_exactly_at_its_end():
    whole = [n for n in range(len(_PUBLISHED) + 2) if is_packet((_PUBLISHED + b"x")[:n])]
    assert whole == [len(_PUBLISHED)]


def test_a_service_request_in_front_of_a_packet_is_dropped():
    assert is_packet(b"1\r\n" + _PUBLISHED)
    assert parse_packet("1", b"1\r\n" + _PUBLISHED) == parse_packet("1", _PUBLISHED)


@given(st.integers(0, len(_PUBLISHED) - 1), st.integers(1, 255))
def test_no_number_comes_of_a_packet_with_a_changed_byte(at, flip):
    data = bytearray(_PUBLISHED)
    data[at] ^= flip
    with pytest.raises(Garbled):
        parse_packet("1", bytes(data))


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("2", _PUBLISHED), ("1", b""), ("1", _PUBLISHED[:-1]), ("1", _packet(0, b"x")),
        ("1", _packet(11, b"x")), ("1", _packet(3, b"xyz")), ("1", _packet(2, b"x" * 1001)),
        ("1", _packet(9, struct.pack("<f", float("nan")))),
        ("1", _packet(10, struct.pack("<d", float("inf")))),
    ],
)  # fmt: skip
def test_packets_that_the_standard_forbids_are_garbled(address, data):
    with pytest.raises(Garbled):
        parse_packet(address, data)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_packet_or_garbled(data):
    is_packet(data)
    with contextlib.suppress(Garbled):
        assert all(isinstance(number, float) for number in parse_packet("1", data))
