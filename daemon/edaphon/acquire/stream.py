"""Listening to an instrument that sends by itself: its lines go into the journal in chunks.

A chunk is an exchange whose turns are lines, each with the time since the chunk's first; the entry
is dated to that first line. What no line end has closed goes with the next chunk, or with the last
one when the service stops or the port is lost. A line in whose midst the port was opened is kept
apart from its end: decoders take no number from a line without one.

A person who listens too gets the newest chunk of the journal, or the next one; where the service
does not listen, the port is opened for some seconds, and what comes is kept as a test.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from edaphon.acquire.budget import ROW_BYTES
from edaphon.acquire.bus import LineRefuses, Link, link_opener
from edaphon.acquire.slots import Timekeeper
from edaphon.config import Configuration, HeardSource
from edaphon.journal import Entry, EntryId, Journal, Kind, Purpose
from edaphon_drivers.faults import Fault, Garbled, LinkDown
from edaphon_drivers.readings import Reading, Turn, pack_exchange, unpack_exchange

CHUNK_S = 10.0
CHUNK_BYTES = 16384
MOST_BYTES_PER_S = 256_000  # three times the fastest serial line; what a network sends waits there
REOPEN_AFTER_S = (1.0, 3.0)
_SLICE_S = 0.5
_MIDST_NS = 300_000_000  # bytes that come so soon after the port was opened may begin anywhere
LONGEST_HEARD_S = 100.0  # that a person listens
_USUAL_S, _LONGEST_USUAL_S = 10.0, 60.0
_INTERVALS = 2  # so that one whole line comes, wherever the first one was begun
_CLOSING_S = CHUNK_S + 2  # until the service hands over what came
_LOOKED_BACK = 2000  # entries
_TOOL_SLICE_S = 0.2


@dataclass(slots=True)
class Chunk:
    """Lines on their way to the journal; times are monotonic [ns].

    `midst`: the first line lacks its beginning, and so must not look whole. `opened_ns`: the port
    was opened then, and nothing has come yet.
    """

    end: bytes
    midst: bool = False
    opened_ns: int | None = None
    first_ns: int = 0
    length: int = 0
    turns: list[Turn] = field(default_factory=list)
    rest: bytes = b""

    def take(self, data: bytes, now_ns: int) -> None:
        """Bytes that came now; a line has the time at which its end came."""
        if self.opened_ns is not None:
            self.midst, self.opened_ns = now_ns - self.opened_ns < _MIDST_NS, None
        *lines, self.rest = (self.rest + data).split(self.end)
        if lines and self.midst:
            self.midst = False
            self._add(lines.pop(0), now_ns)
            lines.insert(0, b"")
        for line in lines:
            self._add(line + self.end, now_ns)
        if len(self.rest) >= CHUNK_BYTES:
            self.finish(now_ns)

    def is_full(self, now_ns: int) -> bool:
        old = bool(self.turns) and now_ns - self.first_ns >= CHUNK_S * 1e9
        return old or self.length >= CHUNK_BYTES

    def finish(self, now_ns: int) -> None:
        """What has no end goes as it is."""
        rest, self.rest = self.rest, b""
        self._add(rest, now_ns)

    def _add(self, line: bytes, now_ns: int) -> None:
        if not line:
            return
        if not self.turns:
            self.first_ns = now_ns
        self.turns.append(Turn((now_ns - self.first_ns) // 1_000_000, False, line))
        self.length += len(line)

    def entry(self, keeper: Timekeeper, path: str, purpose: Purpose = Purpose.ROUTINE) -> Entry:
        """A record whose times are those of its first line."""
        now = keeper.entry(Kind.RECORD, path, pack_exchange(self.turns), None, purpose)
        received_ns = now.received_ns - (now.mono_ns - self.first_ns)
        return now._replace(received_ns=received_ns, mono_ns=self.first_ns)


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
        self._open_link, self._end, self._start_commands = open_link, line_end, start_commands
        self._journal, self._keeper, self._on_state = journal, keeper, on_state
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
        chunk = Chunk(self._end, opened_ns=self._keeper.mono_ns())
        try:
            for command in self._start_commands:
                link.write(command)
            self.up = True
            self._on_state(self.path, None)
            while not stop.is_set():
                data = link.read(_SLICE_S)
                now = self._keeper.mono_ns()
                if data:
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
        if not chunk.turns:
            return
        entry = chunk.entry(self._keeper, self.path)
        if self._takes(len(entry.payload) + ROW_BYTES):
            self._journal.append([entry])
            self.taken += 1
        else:
            self._count(b"".join(turn.data for turn in chunk.turns), chunk.length)


@dataclass(frozen=True, slots=True)
class StreamListener:
    """`listening`: by path "" while the service reads it, its problem, or None: nobody does."""

    config: Configuration
    journal: Journal
    keeper: Timekeeper
    listening: Callable[[str], str | None] = lambda _: None

    def receive(self, bus: str, seconds: float | None) -> dict[str, Any]:
        """Lines with the readings in them; raises LineRefuses."""
        own = (s for s in self.config.sources if isinstance(s, HeardSource) and s.bus == bus)
        source = next(own, None)
        path = source.path if source else f"{bus}/term"
        problem = self.listening(path)
        if problem:
            raise LineRefuses(problem)
        if source is None or problem is None:
            entry = self._listen(bus, source, path, seconds or _usual_s(source))
        else:
            entry = self._from_service(source, seconds)
        return self._with_readings(source, path, entry)

    def _from_service(self, source: HeardSource, seconds: float | None) -> Entry:
        start = self.journal.last
        if seconds is None and start is not None:
            fresh_s = max(_LONGEST_USUAL_S, _INTERVALS * source.expect_ns / 1e9)
            newest = self._newest(source.path, start, fresh_s)
            if newest is not None:
                return newest
        within_s = (seconds or _usual_s(source)) + _CLOSING_S
        found = self._next(source.path, start, within_s)
        if found is None:
            words = f"a whole line from {source.path} within {within_s:.0f} s, nothing came"
            raise LineRefuses(f"expected {words}; with the daemon off `record` shows any bytes")
        return found

    def _newest(self, path: str, last: EntryId, fresh_s: float) -> Entry | None:
        start = EntryId(last.file, max(0, last.n - _LOOKED_BACK))
        found = self.journal.scan([path], [Kind.RECORD], start, on_damage=lambda _: None)
        own = (entry for _, entry in found if entry.purpose == Purpose.ROUTINE)
        newest = max(own, key=lambda e: e.received_ns, default=None)
        old = newest and self.keeper.now_ns() - newest.received_ns > (fresh_s + CHUNK_S) * 1e9
        return None if old else newest

    def _next(self, path: str, behind: EntryId | None, within_s: float) -> Entry | None:
        end = time.monotonic() + within_s
        while (left_s := end - time.monotonic()) > 0 and self.journal.wait_newer(behind, left_s):
            for place, entry in self.journal.after(behind, 100):
                behind = place
                if entry.source == path and entry.kind == Kind.RECORD:
                    return entry
        return None

    def _listen(self, bus: str, source: HeardSource | None, path: str, seconds: float) -> Entry:
        from edaphon_drivers.ascii.engine import line_end, start_commands

        sheet = self.config.sheet(source) if source else None
        chunk = Chunk(line_end(sheet) if sheet else b"\n")
        try:
            link = link_opener(self.config.buses[bus])()
            with closing(link):
                self._fill(chunk, link, start_commands(sheet) if sheet else (), seconds)
        except LinkDown as lost:
            raise LineRefuses(str(lost)) from None
        if not chunk.turns:
            raise LineRefuses(f"expected bytes from {bus} within {seconds:g} s, nothing came")
        entry = chunk.entry(self.keeper, path, Purpose.TEST)
        self.journal.append([entry])
        return entry

    def _fill(self, chunk: Chunk, link: Link, start: Iterable[bytes], seconds: float) -> None:
        """Raises LinkDown."""
        chunk.opened_ns = self.keeper.mono_ns()
        end_ns = chunk.opened_ns + int(seconds * 1e9)
        for command in start:
            link.write(command)
        while (left_ns := end_ns - self.keeper.mono_ns()) > 0:
            if data := link.read(min(left_ns / 1e9, _TOOL_SLICE_S)):
                chunk.take(data, self.keeper.mono_ns())
        chunk.finish(self.keeper.mono_ns())

    def _with_readings(self, source: HeardSource | None, path: str, entry: Entry) -> dict[str, Any]:
        from edaphon_drivers.ascii.engine import decode_stream

        turns = unpack_exchange(entry.payload)
        readings: tuple[Reading, ...] = ()
        fault: Fault | None = None
        try:
            readings = decode_stream(turns, self.config.sheet(source)) if source else ()
            if source and not readings:
                came = b"".join(turn.data for turn in turns)
                fault = Garbled("a whole line with a reading", came, path)
        except Fault as wrong:
            fault = wrong
        head = {"model": source.model if source else "", "identity": None}
        return {**head, "time_ns": entry.received_ns, **shown_exchange(turns, fault, readings)}


def shown_exchange(
    turns: Iterable[Turn], fault: Fault | None, readings: Iterable[Reading]
) -> dict[str, Any]:
    """What came, for a person."""
    return {
        "turns": [[turn.sent, turn.data.hex()] for turn in turns],
        "cause": fault.cause if fault else "",
        "fault": str(fault or ""),
        "readings": [[r.quantity, r.number, r.unit, str(r.status)] for r in readings],
    }


def _usual_s(source: HeardSource | None) -> float:
    if source is None:
        return _USUAL_S
    return min(_INTERVALS * source.expect_ns / 1e9, _LONGEST_USUAL_S)
