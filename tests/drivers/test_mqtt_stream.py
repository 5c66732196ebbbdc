"""The stream of an MQTT connection: messages come out whole however the bytes were cut."""

import socket
import ssl
import tracemalloc
from collections.abc import Iterator
from unittest.mock import Mock

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.links.mqtt_stream import Published, Stream
from edaphon_drivers.readings import CUT_TO_BYTES, pack_message, unpack_message

PINGRESP = b"\xd0\x00"
SUBACK = b"\x90\x03\x00\x01\x01"


def message(topic: bytes, data: bytes, first: int = 0x32, mid: int = 7) -> bytes:
    """A PUBLISH packet, written from MQTT 3.1.1, 3.3."""
    body = len(topic).to_bytes(2, "big") + topic
    body += (mid.to_bytes(2, "big") if first & 6 else b"") + data
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | 128 if rest else digit])
        if not rest:
            return bytes([first]) + length + body


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Stream]]:
    broker, ours = socket.socketpair()
    with broker, ours:
        ours.setblocking(False)
        yield broker, Stream(ours)


Ends = tuple[socket.socket, Stream]


def test_messages_and_what_paho_is_left_are_the_same_however_the_bytes_are_cut(ends: Ends) -> None:
    broker, stream = ends
    long = b"x" * 20_000
    sent = SUBACK + message(b"plot/1", b"a") + PINGRESP + message(b"p\xff", long, 0x3B, 65535)
    sent += message(b"plot/2", b"", 0x30)
    expected = [
        Published("plot/1", b"a", 1, False, False, 7),
        Published("p\udcff", long, 1, True, True, 65535),
        Published("plot/2", b"", 0, False, False, 0),
    ]
    for size in (1, 2, 3, 7, 1000, len(sent)):
        found: list[Published] = []
        for at in range(0, len(sent), size):
            broker.sendall(sent[at : at + size])
            found += stream.read()
        assert found == expected
        assert stream.recv(100) == SUBACK + PINGRESP
        assert not stream.for_paho


@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_too_long_to_hold_passes_and_is_known_by_start_length_and_hash(
    ends: Ends, qos: int
) -> None:
    broker, stream = ends
    long = bytes(range(256)) * 4_000
    packet = message(b"plot/long", long, 0x30 | qos << 1, 9)
    sent = message(b"plot/1", b"a") + packet + message(b"plot/2", b"b") + PINGRESP
    for size in (1 << 16, 65_537, 40_000, 13_001):
        found: list[Published] = []
        for at in range(0, len(sent), size):
            broker.sendall(sent[at : at + size])
            for _ in range(size // 65_536 + 1):
                found += stream.read()
            assert len(stream._come) <= 2 * 65_536
        assert [each.topic for each in found] == ["plot/1", "plot/long", "plot/2"]
        assert found[1][2:] == (qos, False, False, 9 if qos else 0)
        kept = unpack_message(pack_message("plot/long", found[1].data, qos, False, False))
        whole = unpack_message(pack_message("plot/long", long, qos, False, False))
        assert kept == whole
        assert kept.data == long[:CUT_TO_BYTES]
        assert stream.recv(100) == PINGRESP


def test_a_long_packet_that_is_no_message_is_hung_up_on_at_its_length(ends: Ends) -> None:
    broker, stream = ends
    broker.sendall(b"\x90\xff\xff\xff\x7f" + bytes(100))
    with pytest.raises(Garbled, match="at most 262144 bytes"):
        stream.read()


def test_a_message_of_120_mb_takes_no_memory(ends: Ends) -> None:
    broker, stream = ends
    broker.sendall(b"\x32\x80\x80\x80\x3a\x00\x01t\x00\x05")  # 121,634,816 bytes
    stream.read()
    piece = bytes(65_536)
    tracemalloc.start()
    for _ in range(121_634_816 // 65_536 - 1):
        broker.sendall(piece)
        assert not (found := stream.read())
    broker.sendall(piece)
    while not found:
        found = stream.read()
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert found[0].mid == 5


@pytest.mark.parametrize(
    "packet",
    [
        b"\x32\x05\xff\xff\x00\x01\x02",  # topic beyond the end
        b"\x30\x01\x00",  # no room for the length of a topic
        b"\x32\x03\x00\x01t",  # no identifier
        message(b"t", b"", 0x34),  # QoS 2 was never asked for
        b"\x30\xff\xff\xff\xff\x01",  # length of five bytes
    ],
)
def test_a_packet_that_no_broker_may_send_is_garbled(ends: Ends, packet: bytes) -> None:
    broker, stream = ends
    broker.sendall(packet)
    with pytest.raises(Garbled):
        stream.read()


def test_acknowledgements_go_out_together_after_what_paho_sent(ends: Ends) -> None:
    broker, stream = ends
    stream.send(b"\xc0\x00")
    stream.acknowledge([1, 0x0203])
    assert stream.unsent
    stream.flush()
    assert not stream.unsent
    assert broker.recv(100) == b"\xc0\x00" + b"\x40\x02\x00\x01" + b"\x40\x02\x02\x03"


def test_what_a_full_connection_does_not_take_is_sent_later(ends: Ends) -> None:
    broker, stream = ends
    sent = bytes(range(256)) * 40_000
    stream.send(sent)
    got = b""
    while len(got) < len(sent):
        stream.flush()
        got += broker.recv(1_000_000)
    assert got == sent


def test_the_end_of_a_connection_is_left_for_paho_behind_what_came(ends: Ends) -> None:
    broker, stream = ends
    with pytest.raises(BlockingIOError):
        stream.recv(1)
    broker.sendall(PINGRESP)
    assert stream.read() == []
    broker.close()
    assert stream.read() == []
    assert (stream.recv(9), stream.for_paho, stream.recv(9)) == (PINGRESP, True, b"")


def test_a_closed_stream_has_sent_what_waited(ends: Ends) -> None:
    broker, stream = ends
    stream.send(b"\xe0\x00")
    stream.close()
    assert broker.recv(9) == b"\xe0\x00"
    assert broker.recv(9) == b""


@pytest.mark.parametrize("decrypted", [0, 3])
def test_bytes_that_tls_has_decrypted_already_are_pending(decrypted: int) -> None:
    connection = Mock(spec=ssl.SSLSocket)
    connection.pending.return_value = decrypted
    assert Stream(connection).pending is bool(decrypted)
    assert not Stream(Mock(spec=socket.socket)).pending
