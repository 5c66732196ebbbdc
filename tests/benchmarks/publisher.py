"""A load of QoS 1 messages written as raw MQTT bytes: python -m tests.benchmarks.publisher.

Its words: PORT MESSAGES RATE FIRST_MS; rate 0 is as fast as the window lets it. Each message says
its own time, which counts from FIRST_MS by one millisecond, and no two are equal. It waits for a
line on its standard input, publishes, waits for every PUBACK, and prints when it began and ended.
"""

import math
import select
import socket
import sys
import time

from tests.benchmarks.nodes import NODES, topic

WINDOW = 800  # below the broker's max_inflight_messages
PIECE = 100


def payload(i: int, time_ms: int) -> bytes:
    """150 bytes: three readings that every check finds plausible, and what nodes say besides."""
    phase = i / 5000
    text = (
        f'{{"t":{time_ms},"vwc":{0.25 + 0.02 * math.sin(phase):.4f},'
        f'"temp":{12 + math.sin(phase):.2f},"ec":{0.4 + 0.05 * math.cos(phase):.3f},'
        f'"node":"node{i % NODES:02d}","fw":"2.1.7","batt":3.61,"rssi":-87'
    )
    return text.encode().ljust(149) + b"}"


def packet(i: int, time_ms: int) -> bytes:
    name = topic(i % NODES).encode()
    body = len(name).to_bytes(2) + name + (i % 65535 + 1).to_bytes(2) + payload(i, time_ms)
    return b"\x32" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + b"\x00\x04load"
    connection.sendall(b"\x10" + bytes([len(body)]) + body)
    assert connection.recv(4)[:1] == b"\x20", "no CONNACK"
    return connection


def publish(connection: socket.socket, packets: list[bytes], rate: float) -> None:
    begun, sent, acknowledged = time.monotonic(), 0, 0.0
    while acknowledged < len(packets):
        due = len(packets) if not rate else int((time.monotonic() - begun) * rate) + 1
        room = min(due, len(packets), int(acknowledged) + WINDOW) - sent
        if room >= PIECE or (room and sent + room in {due, len(packets)}):
            connection.sendall(b"".join(packets[sent : sent + room]))
            sent += room
        wait_s = 0.002 if rate else 1.0
        if select.select([connection], [], [], wait_s)[0]:
            acknowledged += len(connection.recv(65536)) / 4  # a PUBACK has four bytes


def main() -> None:
    port, n, rate, first_ms = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    connection = connect(port)
    live = first_ms == "now"
    packets = [packet(i, int(time.time() * 1e3) if live else int(first_ms) + i) for i in range(n)]
    sys.stdin.readline()
    begun = time.time()
    if live:  # at a steady rate the time of a message is the time it is due
        packets = [packet(i, int((begun + i / rate) * 1e3)) for i in range(n)]
    publish(connection, packets, rate)
    print(begun, time.time(), flush=True)


if __name__ == "__main__":
    main()
