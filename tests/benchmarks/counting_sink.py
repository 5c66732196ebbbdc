"""A server that takes every /write and remembers it: python -m tests.benchmarks.counting_sink.

It prints its port. GET /lines answers how many lines came; GET /report, asked when all is quiet,
answers JSON: lines, distinct points, requests, time of the first and last arrival, and the
seconds from the time of each point to its arrival if the question ends in ?latency.
"""

import socket
import sys
import threading
import time
import zlib

import orjson

NO_CONTENT = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Received:
    """Bodies with the time they were there."""

    def __init__(self) -> None:
        self.bodies: list[tuple[float, bytes]] = []
        self.lines = 0

    def take(self, body: bytes) -> None:
        if body[:2] == b"\x1f\x8b":
            body = zlib.decompress(body, 31)
        self.bodies.append((time.time(), body))
        self.lines += body.count(b"\n") + (not body.endswith(b"\n"))

    def report(self, latency: bool) -> dict[str, object]:
        points, late = set(), []
        for arrived, body in self.bodies:
            for line in body.splitlines():
                head, at = line.partition(b" ")[0], line.rpartition(b" ")[2]
                points.add((head, at))
                if latency:
                    late.append(arrived - int(at) / 1e9)
        times = [arrived for arrived, _ in self.bodies]
        return {
            "lines": self.lines,
            "points": len(points),
            "requests": len(times),
            "first": min(times, default=0.0),
            "last": max(times, default=0.0),
            "late_s": late,
        }


def serve(connection: socket.socket, received: Received) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as come:
        while line := come.readline():
            length = 0
            while (header := come.readline()).strip():
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = come.read(length)
            if line.startswith(b"POST"):
                received.take(body)
                connection.sendall(NO_CONTENT)
            else:
                connection.sendall(answer(line, received))


def answer(line: bytes, received: Received) -> bytes:
    path = line.split()[1]
    stated = {"lines": received.lines}
    found = received.report(b"latency" in path) if path.startswith(b"/report") else stated
    body = orjson.dumps(found)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def main() -> None:
    received = Received()
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection, received), daemon=True).start()


if __name__ == "__main__":
    main()
