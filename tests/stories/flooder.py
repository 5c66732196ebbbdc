"""Publishes to topics that nobody configured, as fast as it is asked to, at QoS 1, and counts.

`python -m tests.stories.flooder HOST PORT PER_S SECONDS SIZE` prints how many messages the broker
has accepted. It speaks MQTT 3.1.1 by itself: a client library takes more CPU than the broker.
"""

import socket
import struct
import sys
import time

WINDOW = 2000  # messages without a PUBACK
TOPICS = 5000


class Flooder:
    def __init__(self, host: str, port: int) -> None:
        self.sent = self.accepted = 0
        self._connection = socket.create_connection((host, port))
        self._connection.sendall(_packet(0x10, b"\0\4MQTT\4\2\0\0\0\7flooder"))
        assert self._connection.recv(4) == b"\x20\2\0\0"
        self._connection.setblocking(False)
        self._acks = 0  # bytes

    def run(self, per_s: float, seconds: float, size: int) -> int:
        begun, total = time.monotonic(), int(per_s * seconds)
        end = begun + 10 * seconds + 60
        while self.accepted < total:
            due = min(total, int((time.monotonic() - begun) * per_s))
            while self.sent < due and self.sent - self.accepted < WINDOW:
                self._send(min(100, due - self.sent), size)
            self._take_acknowledgements()
            assert time.monotonic() < end, (self.sent, self.accepted)
            time.sleep(0.005)
        return self.accepted

    def _send(self, n: int, size: int) -> None:
        packets = b"".join(self._message(self.sent + k, size) for k in range(n))
        self._connection.setblocking(True)
        self._connection.sendall(packets)
        self._connection.setblocking(False)
        self.sent += n

    def _message(self, k: int, size: int) -> bytes:
        topic = b"plot/stranger/%d" % (k % TOPICS)
        payload = (b"%d " % k).ljust(size, b"x")
        mid = struct.pack(">H", 1 + k % 65_535)
        return _packet(0x32, struct.pack(">H", len(topic)) + topic + mid + payload)

    def _take_acknowledgements(self) -> None:
        try:
            self._acks += len(self._connection.recv(1 << 20))
        except BlockingIOError:
            return
        self.accepted = self._acks // 4


def _packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), b""
    while True:
        length, low = length >> 7, length & 127
        encoded += bytes([low | 128 * bool(length)])
        if not length:
            return bytes([first]) + encoded + body


if __name__ == "__main__":
    host, port, per_s, seconds, size = sys.argv[1:]
    print(Flooder(host, int(port)).run(float(per_s), float(seconds), int(size)))
