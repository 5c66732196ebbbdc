"""The stream of an MQTT connection: messages come out whole however the bytes were cut."""

import socket
from collections.abc import Iterator

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.links.mqtt_stream import Published, Stream

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
