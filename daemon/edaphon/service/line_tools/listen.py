"""What an instrument that talks by itself says: as the service hears it, or heard here.

Through the daemon it is the newest chunk of its journal, or the next one; where nobody listens,
the port is opened for some seconds, and what comes is kept as a test.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edaphon.acquire.bus import Link
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.stream import CHUNK_S, Chunk
from edaphon.config import Configuration, HeardSource
from edaphon.journal import Entry, Journal, Kind, Purpose
from edaphon.model import EntryId
from edaphon.service.wiring import link_opener
from edaphon.storage.client import DaemonRefuses
from edaphon_drivers.ascii.engine import decode_stream, line_end, start_commands
from edaphon_drivers.faults import Fault, Garbled, LinkDown
from edaphon_drivers.payloads import pack_exchange, unpack_exchange
from edaphon_drivers.readings import Reading

__all__ = ["LONGEST_HEARD_S", "Ear"]

LONGEST_HEARD_S = 100.0
_USUAL_S, _LONGEST_USUAL_S = 10.0, 60.0
_INTERVALS = 2  # so that one whole line comes, wherever the first one was begun
_CLOSING_S = CHUNK_S + 2  # until the service hands over what it has heard
_LOOKED_BACK = 2000  # entries
_SLICE_S = 0.2
_MIDST_S = 0.3  # bytes that come so soon after the port was opened may begin anywhere


@dataclass(frozen=True, slots=True)
class Ear:
    """`listening` tells of a path: "" while the service hears it, its trouble, or None: nobody."""

    config: Configuration
    journal: Journal
    keeper: Timekeeper
    listening: Callable[[str], str | None] = lambda _: None

    def hear(self, bus: str, seconds: float | None) -> dict[str, Any]:
        """Lines with the readings in them; raises DaemonRefuses."""
        source = next((s for s in _heard(self.config) if s.bus == bus), None)
        path = source.path if source else f"{bus}/term"
        problem = self.listening(path)
        if problem:
            raise DaemonRefuses(problem)
        if source is None or problem is None:
            entry = self._listen(bus, source, path, seconds or _usual_s(source))
        else:
            entry = self._from_service(source, seconds)
        return self._told(source, path, entry)

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
            raise DaemonRefuses(f"expected {words}; with the daemon off `record` shows any bytes")
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
        sheet = self.config.sheet(source) if source else None
        chunk = Chunk(line_end(sheet) if sheet else b"\n")
        try:
            link = link_opener(self.config.buses[bus])()
            _fill(chunk, link, start_commands(sheet) if sheet else (), seconds)
        except LinkDown as lost:
            raise DaemonRefuses(str(lost)) from None
        if not chunk.turns:
            raise DaemonRefuses(f"expected bytes from {bus} within {seconds:g} s, nothing came")
        now = self.keeper.entry(Kind.RECORD, path, pack_exchange(chunk.turns), None, Purpose.TEST)
        received_ns = now.received_ns - (now.mono_ns - chunk.first_ns)
        entry = now._replace(received_ns=received_ns, mono_ns=chunk.first_ns)
        self.journal.append([entry])
        return entry

    def _told(self, source: HeardSource | None, path: str, entry: Entry) -> dict[str, Any]:
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
        return {
            "model": source.model if source else "",
            "identity": None,
            "time_ns": entry.received_ns,
            "turns": [[turn.sent, turn.data.hex()] for turn in turns],
            "cause": fault.cause if fault else "",
            "fault": str(fault or ""),
            "readings": [[r.quantity, r.number, r.unit, str(r.status)] for r in readings],
        }


def _fill(chunk: Chunk, link: Link, start: Iterable[bytes], seconds: float) -> None:
    """Raises LinkDown."""
    end, begun = time.monotonic() + seconds, False
    try:
        for command in start:
            link.write(command)
        while (left_s := end - time.monotonic()) > 0:
            if data := link.read(min(left_s, _SLICE_S)):
                chunk.midst = chunk.midst or (not begun and left_s > seconds - _MIDST_S)
                begun = True
                chunk.take(data, time.monotonic_ns())
        chunk.finish(time.monotonic_ns())
    finally:
        link.close()


def _heard(config: Configuration) -> Iterator[HeardSource]:
    return (source for source in config.sources if isinstance(source, HeardSource))


def _usual_s(source: HeardSource | None) -> float:
    if source is None:
        return _USUAL_S
    return min(_INTERVALS * source.expect_ns / 1e9, _LONGEST_USUAL_S)
