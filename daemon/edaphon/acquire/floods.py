"""What came above the budgets: counted, hashed, and declared in gaps of the cause "flood".

Nothing of it is kept, but that it came is as durable as a record: the counts stand in the state
file before anything of them is acknowledged, in one row that is written over. The journal gets
them in parts, of a minute at most, so that a flood does not fill it: each part is a gap entry with
the number of items, their bytes and one SHA-256 over all of them in the order in which they came.
A part that a kill left in the state file is written at the next start, once.
"""

import base64
import hashlib
import logging
import sqlite3
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.gaps import FLOOD, Gap, is_flood
from edaphon.journal import Entry, Journal, Kind, StateFile
from edaphon.model import EntryId

__all__ = ["COUNTED", "Flood", "Floods", "message_bytes"]

COUNTED = "counted"  # the state of a gap entry of items that were not kept: no slots of a schedule
PART_NS = 60 * 10**9
QUIET_NS = 10 * 10**9  # and a part ends when nothing came for so long
LOOK_EVERY_S = 2.0
CHUNKS = 128  # of deliveries of each broker that may come again after a kill; one for each `keep`
SAMPLE_BYTES = 64
_STATE = "floods"
_DELIVERY = struct.Struct("<HQ")
_log = logging.getLogger("edaphon")


class Flood(NamedTuple):
    """All that was not kept of one source: items, their bytes, the first and latest time [UTC ns].

    `again` of the items came with DUP, so that some may have been counted before a stop.
    """

    n: int
    size: int
    first_ns: int
    last_ns: int
    again: int = 0


@dataclass(slots=True)
class _Part:
    """Items in a row that no gap entry has yet."""

    source: str
    first_ns: int
    last_ns: int
    n: int = 0
    size: int = 0
    again: int = 0
    sample: bytes = b""
    hash: Any = field(default_factory=hashlib.sha256)
    digest: str = ""  # of a part from an earlier life

    def gap(self) -> Gap:
        digest = self.digest or self.hash.hexdigest()
        again = f", {self.again} of them came again" if self.again else ""
        detail = f"{self.size} bytes above the budget were not kept{again}; SHA-256 {digest}"
        sample = self.sample[:SAMPLE_BYTES].hex()
        return Gap(FLOOD, self.first_ns, self.last_ns, self.n, COUNTED, detail, sample)

    def to_json(self) -> list[Any]:
        own = [self.source, self.first_ns, self.last_ns, self.n, self.size, self.again]
        return [*own, self.sample.hex(), self.digest or self.hash.hexdigest()]

    @classmethod
    def of_json(cls, row: list[Any]) -> "_Part":
        source, first_ns, last_ns, n, size, again, sample, digest = row
        own = n, size, again, bytes.fromhex(sample)
        return cls(source, first_ns, last_ns, *own, digest=digest)


def message_bytes(topic: str, data: bytes) -> bytes:
    """What a message is hashed by: topic with its length, length and SHA-256 of its bytes.

    Of a message too long to hold, length and SHA-256 are those of all of it.
    """
    name = topic.encode("utf-8", "surrogateescape")
    length: int = getattr(data, "whole", len(data))
    digest: bytes = getattr(data, "digest", b"") or hashlib.sha256(data).digest()
    return struct.pack("<H", len(name) & 0xFFFF) + name + struct.pack("<Q", length) + digest


class Floods:
    """Of all sources; safe to use from several threads."""

    def __init__(self, journal: Journal, state: StateFile, keeper: Timekeeper) -> None:
        self._journal, self._state, self._keeper = journal, state, keeper
        self._lock, self._keeping = threading.Lock(), threading.Lock()
        self._parts: dict[str, _Part] = {}
        self._closing: list[_Part] = []  # on their way to the journal
        self._fresh: dict[str, bytes] = {}  # deliveries by broker, since `keep`
        self._changed = False
        kept: dict[str, Any] = state.get(_STATE, {})
        self._from = kept.get("from", [0, 0])  # no part of it has a gap entry before that place
        self._all = {name: Flood(*row) for name, row in kept.get("all", {}).items()}
        self._chunks: dict[str, int] = dict(kept.get("chunks", {}))  # the last one of each broker
        self._write(list(self._unwritten(kept.get("parts", []))))

    def count(
        self, source: str, data: bytes, size: int, again: bool = False, sample: bytes = b""
    ) -> None:
        """One item was not kept: `data` is what it is hashed by, `size` its bytes."""
        now_ns = self._keeper.now_ns()
        with self._lock:
            part = self._parts.get(source)
            if part is None:
                sample = sample or data[:SAMPLE_BYTES]
                part = self._parts[source] = _Part(source, now_ns, now_ns, sample=sample)
            part.last_ns = max(part.last_ns, now_ns)
            part.n, part.size, part.again = part.n + 1, part.size + size, part.again + again
            part.hash.update(data)
            self._add(source, size, now_ns, again)

    def declared(self, source: str, size: int, words: str, sample: bytes) -> Entry:
        """The gap entry, for the caller to journal, of one item whose hash stands in the words."""
        now_ns = self._keeper.now_ns()
        with self._lock:
            self._add(source, size, now_ns)
        gap = Gap(FLOOD, now_ns, now_ns, 1, COUNTED, words, sample[:SAMPLE_BYTES].hex())
        return self._keeper.entry(Kind.GAP, source, gap.payload())

    def note_delivery(self, broker: str, mid: int, digest: int) -> None:
        """This delivery was counted, and may come again after a kill."""
        with self._lock:
            self._fresh[broker] = self._fresh.get(broker, b"") + _DELIVERY.pack(mid, digest)

    def earlier_deliveries(self, broker: str) -> Iterator[tuple[int, int]]:
        """(packet identifier, digest) of what was counted last, oldest first; read when asked."""
        last = self._chunks.get(broker, 0)
        for n in range(max(1, last - CHUNKS + 1), last + 1):
            number, text = self._state.get(_chunk(broker, n), (0, ""))
            if number == n:
                yield from _DELIVERY.iter_unpack(base64.b64decode(text))

    def _add(self, source: str, size: int, now_ns: int, again: bool = False) -> None:
        n, total, first_ns, _, known = self._all.get(source, Flood(0, 0, now_ns, now_ns))
        self._all[source] = Flood(n + 1, total + size, first_ns, now_ns, known + again)
        self._changed = True

    def keep(self) -> None:
        """Make what was counted so far durable. Raises sqlite3.Error where that can't be."""
        with self._keeping:  # so that no older state is written over a newer one
            with self._lock:
                if not self._changed:
                    return
                fresh, self._fresh, self._changed = self._fresh, {}, False
                chunks = {name: self._chunks.get(name, 0) + 1 for name in fresh}
                rows = {_STATE: self._to_json({**self._chunks, **chunks})}
            for name, known in fresh.items():
                n = chunks[name]
                rows[_chunk(name, n)] = [n, base64.b64encode(known).decode()]
            try:
                self._state.put_all(rows)
            except BaseException:
                with self._lock:
                    later, self._changed = self._fresh, True
                    self._fresh = {
                        n: fresh.get(n, b"") + later.get(n, b"") for n in {*fresh, *later}
                    }
                raise
            self._chunks.update(chunks)

    def all(self) -> dict[str, Flood]:
        """By source, or by broker for messages of no configured source, since the state began."""
        with self._lock:
            return dict(self._all)

    def run(self, stop: threading.Event) -> None:
        """Write parts that are due until `stop`, and then all of them."""
        while not stop.wait(LOOK_EVERY_S):
            self.look()
        self.close()

    def look(self, all_of_them: bool = False) -> None:
        """Write the parts that are due."""
        now_ns = self._keeper.now_ns()
        with self._lock:
            due = [
                source
                for source, part in self._parts.items()
                if all_of_them
                or now_ns - part.first_ns >= PART_NS
                or now_ns - part.last_ns >= QUIET_NS
                or now_ns < part.last_ns  # the clock was set back
            ]
            parts = [self._parts.pop(source) for source in due]
            if parts and not self._closing:
                self._from = list(self._journal.last or (0, 0))
            self._closing += parts
            self._changed |= bool(parts)
        self._keep_or_later()
        self._write(parts)

    def close(self) -> None:
        self.look(all_of_them=True)

    def _write(self, parts: list[_Part]) -> None:
        for part in parts:
            entry = self._keeper.entry(Kind.GAP, part.source, part.gap().payload())
            self._journal.append([entry], partial(self._written, part))

    def _written(self, part: _Part, _: list[EntryId]) -> None:
        with self._lock:
            self._closing = [one for one in self._closing if one is not part]
            self._changed = True

    def _keep_or_later(self) -> None:
        try:
            self.keep()
        except sqlite3.Error as error:
            _log.debug("counts of floods can't be kept now: %s", error)

    def _unwritten(self, rows: Iterable[list[Any]]) -> Iterator[_Part]:
        """The parts of an earlier life whose gap entries the journal does not have."""
        parts = [_Part.of_json(row) for row in rows]
        if not parts:
            return
        written = set(_written_behind(self._journal, EntryId(*self._from)))
        for part in parts:
            if (part.source, part.first_ns) not in written:
                self._closing.append(part)
                yield part

    def _to_json(self, chunks: dict[str, int]) -> Any:
        parts = [*self._closing, *self._parts.values()]
        return {
            "from": self._from,
            "parts": [part.to_json() for part in parts],
            "all": {name: list(flood) for name, flood in self._all.items()},
            "chunks": chunks,
        }


def _chunk(broker: str, n: int) -> str:
    """Where it is kept: one that is as old as all of them is written over."""
    return f"{_STATE} {broker} {n % CHUNKS}"


def _written_behind(journal: Journal, place: EntryId) -> Iterator[tuple[str, int]]:
    """(source, first_ns) of each gap entry of a flood."""
    for _, entry in journal.scan(kinds={Kind.GAP}, start=place, on_damage=lambda _: None):
        if is_flood(entry):
            yield entry.source, Gap.of_payload(entry.payload).first_ns
