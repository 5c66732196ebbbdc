"""A server that takes 3 s for each request, a backlog, and how late the newest value is."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from tests.benchmarks.catch_up import backlog, channel_of, one_day, settings_of
from tests.benchmarks.figures import Figure
from tests.daemon.sinks.samples import Notes

from edaphon.clock import SystemClock
from edaphon.journal import StateFile
from edaphon.series import Series
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.feed import SeriesFeed
from edaphon.sinks.influxdb import open_sink

__all__ = ["TITLE", "figures"]

REQUEST_S, AIM_S = 3.0, 60.0
CHANNELS = 60
BACKLOG = 120_000
TITLE = f"a backlog of {BACKLOG:,} points and a value a second, {REQUEST_S:g} s a request"


def figures(folder: Path) -> list[Figure]:
    arrived: dict[int, float] = {}  # by time of the point
    points: set[tuple[bytes, int]] = set()
    born: dict[int, float] = {}
    with _server(arrived, points) as url, closing(Series(folder / "series")) as series:
        channels = {f"c{i:02d}": channel_of(i) for i in range(CHANNELS)}
        backlog(series, list(channels), BACKLOG)
        with closing(Series(folder / "series")) as again, StateFile(folder / "state") as state:
            feed = SeriesFeed("bench", again, channels, Notes())
            sink = Delivery(
                "bench", lambda: open_sink(settings_of(url), channels), feed, state, SystemClock()
            )
            sink.start()
            begun = time.monotonic()
            while len(points) < BACKLOG + len(born) // 2 and time.monotonic() - begun < 600:
                run = one_day("c00", int(time.time() // 86_400), np.random.default_rng(1), 1)
                run.time_ns[:] = time.time_ns()
                again.merge([run], {"0123456789ab": "{}"})
                born[int(run.time_ns[0])] = time.monotonic()
                sink.wake()
                time.sleep(1.0)
            took_s = time.monotonic() - begun
            sink.stop()
    late = [arrived.get(at, time.monotonic()) - since for at, since in born.items()]
    return [
        Figure("the latest of the newest values [s]", max(late), AIM_S, True),
        Figure("half of them within [s]", float(np.median(late))),
        Figure("until the backlog was gone [s]", took_s),
        Figure("points that arrived by then", len(points)),
    ]


@contextmanager
def _server(arrived: dict[int, float], points: set[tuple[bytes, int]]) -> Iterator[str]:
    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(REQUEST_S)
            if body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            for line in body.splitlines():
                at = int(line.rpartition(b" ")[2])
                arrived.setdefault(at, time.monotonic())
                points.add((line.partition(b" ")[0], at))
            self.send_response(204)
            self.send_header("X-Influxdb-Version", "1.6.7")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
