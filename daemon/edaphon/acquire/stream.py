"""Listening to an instrument that sends by itself: its lines go into the journal in chunks.

A chunk is an exchange whose turns are lines, each with the time since the chunk's first; the entry
is dated to that first line. What no line end has closed goes with the next chunk, or with the last
one when the service stops or the port is lost. A line in whose midst the port was opened is kept
apart from its end: decoders take no number from a line without one.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edaphon.acquire.budget import ROW_BYTES
from edaphon.acquire.bus import Link
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.journal import Entry, Journal, Kind
from edaphon_drivers.faults import LinkDown
from edaphon_drivers.readings import Turn, pack_exchange

CHUNK_S = 10.0
CHUNK_BYTES = 16384
MOST_BYTES_PER_S = 256_000  # three times the fastest serial line; what a network sends waits there
REOPEN_AFTER_S = (1.0, 3.0)
_SLICE_S = 0.5
_MIDST_NS = 300_000_000  # bytes that come so soon after the port was opened may begin anywhere
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Chunk:
    """Lines on their way to the journal; times are monotonic [ns].

    `midst`: the first line lacks its beginning, and so must not look whole.
    """

    end: bytes
    midst: bool = False
    first_ns: int = 0
    length: int = 0
    turns: list[Turn] = field(default_factory=list)
    rest: bytes = b""

    def take(self, data: bytes, now_ns: int) -> None:
        """Bytes that came now; a line has the time at which its end came."""
        *lines, self.rest = (self.rest + data).split(self.end)
        if lines and self.midst:
            self.midst = False
            self._add(lines.pop(0), now_ns)
            lines.insert(0, b"")
        for line in lines:
            self._add(line + self.end, now_ns)
        if len(self.rest) >= CHUNK_BYTES:
            self._close_rest(now_ns)

    def is_full(self, now_ns: int) -> bool:
        old = bool(self.turns) and now_ns - self.first_ns >= CHUNK_S * 1e9
        return old or self.length >= CHUNK_BYTES

    def finish(self, now_ns: int) -> None:
        """Nothing more comes: what has no end goes as it is."""
        if self.rest:
            self._close_rest(now_ns)

    def _close_rest(self, now_ns: int) -> None:
        rest, self.rest = self.rest, b""
        self._add(rest, now_ns)

    def _add(self, line: bytes, now_ns: int) -> None:
        if not line:
            return
        if not self.turns:
            self.first_ns = now_ns
        self.turns.append(Turn((now_ns - self.first_ns) // 1_000_000, False, line))
        self.length += len(line)


class StreamReader:
    """One line that sends by itself; `run` is the life of its thread."""

    def __init__(
        self,
        path: str,
        open_link: Callable[[], Link],
        line_end: bytes,
        start_commands: tuple[bytes, ...],
        journal: Journal,
        keeper: Timekeeper,
        on_state: Callable[[str, str | None], None] = lambda *_: None,
        takes: Callable[[int], bool] = lambda size: True,
        count: Callable[[bytes, int], None] = lambda data, size: None,
    ) -> None:
        """`takes` decides by a chunk's length whether it is kept; `count` gets what is not."""
        self.path = path
        self.taken = 0  # chunks handed to the journal
        self.up = False
        self._stopped = threading.Event()
        self._open_link = open_link
        self._end = line_end
        self._start_commands = start_commands
        self._journal = journal
        self._keeper = keeper
        self._on_state = on_state
        self._takes, self._count = takes, count

    def wait_stopped(self, at_most_s: float = 1.0) -> None:
        """Until what came is handed over, after `run` was asked to stop."""
        self._stopped.wait(at_most_s)

    def run(self, stop: threading.Event) -> None:
        self._stopped.clear()
        try:
            self._listen(stop)
        finally:
            self._stopped.set()

    def _listen(self, stop: threading.Event) -> None:
        wait_s = REOPEN_AFTER_S[0]
        while not stop.is_set():
            try:
                link = self._open_link()
                wait_s = REOPEN_AFTER_S[0]
                self._hear(link, stop)
            except LinkDown as lost:
                self._on_state(self.path, str(lost))
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, REOPEN_AFTER_S[1])

    def _hear(self, link: Link, stop: threading.Event) -> None:
        chunk, opened_ns = Chunk(self._end), self._keeper.mono_ns()
        begun = False
        try:
            for command in self._start_commands:
                link.write(command)
            self.up = True
            self._on_state(self.path, None)
            while not stop.is_set():
                data = link.read(_SLICE_S)
                now = self._keeper.mono_ns()
                if data:
                    chunk.midst = chunk.midst or (not begun and now - opened_ns < _MIDST_NS)
                    begun = True
                    chunk.take(data, now)
                    stop.wait(len(data) / MOST_BYTES_PER_S)
                if chunk.is_full(now):
                    self._keep(chunk)
                    chunk = Chunk(self._end, chunk.midst, rest=chunk.rest)
        finally:
            self.up = False
            chunk.finish(self._keeper.mono_ns())
            self._keep(chunk)
            link.close()

    def _keep(self, chunk: Chunk) -> None:
        """The entry's times are those of its first line."""
        if not chunk.turns:
            return
        packed = pack_exchange(chunk.turns)
        if not self._takes(len(packed) + ROW_BYTES):
            self._count(b"".join(turn.data for turn in chunk.turns), chunk.length)
            return
        now = self._keeper.entry(Kind.RECORD, self.path, packed)
        ago_ns = now.mono_ns - chunk.first_ns
        entry = Entry(
            now.kind, now.received_ns - ago_ns, chunk.first_ns, now.boot, now.source, now.payload
        )
        self._journal.append([entry])
        self.taken += 1
