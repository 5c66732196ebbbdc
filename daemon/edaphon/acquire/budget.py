"""How much of each source is kept, and how fast a backlog comes in; what is above is counted.

A budget is a bucket that fills at a rate and is emptied by what comes. A configured source has one
day of its rate, and draws more, for what waited while a line or the service was off, from a store
that all sources share. Messages of no configured source have a small bucket of their own for each
broker. All shrink with the free room of the disk, so that no sender can fill it at once.

What comes above a budget is not kept, but that it came is as durable as a record: the counts stand
in the state file before anything of them is acknowledged. The journal gets them in parts, of a
minute at most, so that a flood does not fill it: each part is a gap entry of the cause "flood" with
the number of items, their bytes and one SHA-256 over all of them in the order in which they came.
A part that a kill left in the state file is written at the next start, once.
"""

import base64
import hashlib
import logging
import shutil
import sqlite3
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from edaphon.acquire.slots import FLOOD, Gap, Timekeeper, is_flood
from edaphon.journal import Entry, EntryId, Journal, Kind, StateFile

ROW_BYTES = 100  # what a row of the journal takes besides its payload
CATCH_UP_DAYS = 4  # of its rate: the most that one source draws from the shared store
LEAST_A_DAY = 2_000_000  # of a configured source, however little room the disk has
LEAST_STORE = 64_000_000
SHARE_A_DAY, SHARE_OF_STORE, SHARE_OF_UNKNOWN = 8, 4, 256  # parts of the free room
STORE_FILLS_DAYS = 8
BACKLOG_LEAVES = 2  # what can wait leaves this part of a bucket to what comes live
_LOOK_EVERY_S = 10.0
_DAY_S = 86_400.0
COUNTED = "counted"  # the state of a gap entry of items that were not kept: no slots of a schedule
FLOOD_PART_NS = 60 * 10**9
FLOOD_QUIET_NS = 10 * 10**9  # and a part ends when nothing came for so long
FLOOD_LOOK_S = 2.0
CHUNKS = 128  # of deliveries of each broker that may come again after a kill; one for each `keep`
SAMPLE_BYTES = 64
_FLOODS = "floods"
_DELIVERY = struct.Struct("<HQ")
_log = logging.getLogger("edaphon")
AHEAD_BYTES = 300_000  # half a second of deriving, on a small machine some; sinks have it in memory
PIECE_BYTES = 65_536
LONGEST_WAIT_S = 30.0
LONGEST_SINK_WAIT_S = 1.0  # a slower sink gets the newest values first, and the others later
_POLL_S = 0.05


def free_bytes(folder: Path) -> int:
    """What the disk of a folder has free for this account; 0 where that can't be asked."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


@dataclass(slots=True)
class _Bucket:
    """Bytes that may come now: `level` of at most `most`, which fills in `days`."""

    most: int = 0
    level: float = 0.0
    filled_s: float | None = None  # None: never

    def fill(self, most: int, days: float, now_s: float) -> None:
        """Full at first; a smaller `most` takes away what is above it."""
        passed_s = days * _DAY_S if self.filled_s is None else now_s - self.filled_s
        gained = most * passed_s / (days * _DAY_S)
        self.most, self.filled_s = most, now_s
        self.level = min(self.level + gained, float(most))


class Budgets:
    """Of all sources of a station; safe to use from several threads.

    An item is kept while its bucket is not empty, so that one item, of at most some MB, may go
    beyond it.
    """

    def __init__(
        self,
        source_bytes_a_day: int,
        unknown_bytes_a_day: int,
        sources: int,
        free: Callable[[], int],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sources`: how many are configured; `free`: bytes that the disk has free."""
        self._source_day, self._unknown_day = source_bytes_a_day, unknown_bytes_a_day
        self._sources, self._free, self._now_s = max(1, sources), free, now_s
        self._lock = threading.Lock()
        self._own, self._more, self._unknown = (dict[str, _Bucket]() for _ in range(3))
        self._kinds = {"own": self._own, "more": self._more, "unknown": self._unknown}
        self._store = _Bucket()
        self._free_now, self._looked_s = 0, float("-inf")

    def save(self) -> dict[str, Any]:
        """What is left of all, for the next life: a restart fills no bucket."""
        with self._lock:
            levels = {k: {n: b.level for n, b in own.items()} for k, own in self._kinds.items()}
            return {**levels, "store": self._store.level}

    def restore(self, table: Mapping[str, Any], passed_s: float) -> None:
        """Take over what an earlier life saved so many seconds ago; at the start, or never."""
        since_s = self._now_s() - max(0.0, passed_s)
        with self._lock:
            for kind, own in self._kinds.items():
                own.update({n: _Bucket(0, v, since_s) for n, v in table[kind].items()})
            self._store = _Bucket(0, table["store"], since_s)

    def takes(self, path: str, size: int) -> bool:
        """Whether an item of a configured source is kept; if so, it is counted."""
        with self._lock:
            if not self._has(path):
                return False
            self._spend(path, size)
            return True

    def takes_unknown(self, broker: str, size: int) -> bool:
        """As `takes`, for a message of no configured source."""
        with self._lock:
            now_s = self._look()
            bucket = self._unknown.setdefault(broker, _Bucket())
            most = min(self._unknown_day, self._free_now // SHARE_OF_UNKNOWN)
            bucket.fill(most, 1.0, now_s)
            if bucket.level <= 0:
                return False
            bucket.level -= size
            return True

    def has_room(self, path: str, backlog: bool = False) -> bool:
        """Whether the next item of a source that can wait is read now.

        `backlog`: it is not what was written just now, which has the rest of the bucket.
        """
        with self._lock:
            return self._has(path, BACKLOG_LEAVES if backlog else 0)

    def spend(self, path: str, size: int, backlog: bool = False) -> None:
        """Count an item of such a source."""
        leaves = BACKLOG_LEAVES if backlog else 0
        with self._lock:
            self._has(path, leaves)
            self._spend(path, size, leaves)

    def _has(self, path: str, leaves: int = 0) -> bool:
        now_s = self._look()
        a_day = min(self._source_day, self._free_now // SHARE_A_DAY // self._sources)
        a_day = max(a_day, min(LEAST_A_DAY, self._source_day))
        own, more = self._own.get(path), self._more.get(path)
        if own is None or more is None:
            own, more = self._own[path], self._more[path] = _Bucket(), _Bucket()
        own.fill(a_day, 1.0, now_s)
        more.fill(CATCH_UP_DAYS * self._source_day, 2.0 * CATCH_UP_DAYS, now_s)
        least = min(LEAST_STORE, CATCH_UP_DAYS * self._source_day)
        self._store.fill(max(self._free_now // SHARE_OF_STORE, least), STORE_FILLS_DAYS, now_s)
        if own.level > (own.most / leaves if leaves else 0):
            return True
        return more.level > 0 and self._store.level > 0

    def _spend(self, path: str, size: int, leaves: int = 0) -> None:
        """From its own bucket while that has something, else from the shared store."""
        own, more = self._own[path], self._more[path]
        kept = own.most / leaves if leaves else 0
        if own.level > kept or more.level <= 0 or self._store.level <= 0:
            own.level -= size
        else:
            more.level -= size
            self._store.level -= size

    def _look(self) -> float:
        now_s = self._now_s()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s, self._free_now = now_s, self._free()
        return now_s


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
        kept: dict[str, Any] = state.get(_FLOODS, {})
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
        """The gap entry, for the caller to journal, of one item whose hash is in the words."""
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
                rows = {_FLOODS: self._to_json({**self._chunks, **chunks})}
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
        while not stop.wait(FLOOD_LOOK_S):
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
                or now_ns - part.first_ns >= FLOOD_PART_NS
                or now_ns - part.last_ns >= FLOOD_QUIET_NS
                or now_ns < part.last_ns  # the clock was set back
            ]
            parts = [self._parts.pop(source) for source in due]
            if parts and not self._closing:
                self._from = list(self._journal.last or (0, 0))
            self._closing += parts
            self._changed |= bool(parts)
        try:
            self.keep()
        except sqlite3.Error as error:
            _log.debug("counts of floods can't be kept now: %s", error)
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

    def _unwritten(self, rows: Iterable[list[Any]]) -> Iterator[_Part]:
        """The parts of an earlier life whose gap entries the journal does not have."""
        parts = [_Part.of_json(row) for row in rows]
        if not parts:
            return
        start = EntryId(*self._from)
        gaps = self._journal.scan(kinds={Kind.GAP}, start=start, on_damage=lambda _: None)
        floods = (entry for _, entry in gaps if is_flood(entry))
        written = {(entry.source, Gap.of_payload(entry.payload).first_ns) for entry in floods}
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
    return f"{_FLOODS} {broker} {n % CHUNKS}"


class Pace:
    """Of one source: at most AHEAD_BYTES that the deriver has not reached are in the journal.

    `derived` is the deriver's place; records that are held for their clock lie before it. No more
    come in between two moments at which the sinks `keep_up`. What comes in depends on neither:
    where one stands still, another piece comes after LONGEST_WAIT_S and LONGEST_SINK_WAIT_S all the
    same. The rest of a file that fits into one piece is no backlog and comes at once.
    """

    def __init__(
        self,
        derived: Callable[[], EntryId],
        keep_up: Callable[[], bool] = lambda: True,
        ahead_bytes: int = AHEAD_BYTES,
    ) -> None:
        self._derived, self._keep_up, self._ahead_bytes = derived, keep_up, ahead_bytes
        self._undelivered_bytes = 0  # since sinks kept up last, at most
        self._last_s = time.monotonic()  # when the last piece came
        self._lock = threading.Lock()
        self._uncommitted_bytes = 0
        self._waiting: deque[tuple[EntryId, int]] = deque()  # committed, with their bytes

    def appended(self, size_bytes: int) -> Callable[[list[EntryId]], None]:
        """Count an entry that is handed to the journal; the result is for its `done`."""
        with self._lock:
            self._uncommitted_bytes += size_bytes
            self._undelivered_bytes += size_bytes
        self._last_s = time.monotonic()
        return partial(self._committed, size_bytes)

    def _committed(self, size_bytes: int, places: list[EntryId]) -> None:
        with self._lock:
            self._uncommitted_bytes -= size_bytes
            self._waiting.append((places[-1], size_bytes))

    @property
    def ahead_bytes(self) -> int:
        """How many bytes the deriver has not reached yet."""
        derived = self._derived()
        with self._lock:
            while self._waiting and self._waiting[0][0] <= derived:
                self._waiting.popleft()
            return self._uncommitted_bytes + sum(size for _, size in self._waiting)

    def may_take(self, rest_bytes: int) -> bool:
        """Whether the next piece of a file may come; `rest_bytes` are what it has left."""
        if rest_bytes <= PIECE_BYTES:
            return True
        waited_s = time.monotonic() - self._last_s
        if self.ahead_bytes >= self._ahead_bytes:
            return waited_s >= LONGEST_WAIT_S
        return self._is_delivered() or waited_s >= LONGEST_SINK_WAIT_S

    def wait(
        self, stop: threading.Event, rest_bytes: int, within_s: float = LONGEST_WAIT_S
    ) -> bool:
        """Wait until it may; False when stopped, or still not after `within_s`."""
        until = time.monotonic() + within_s
        while not stop.is_set() and not self.may_take(rest_bytes):
            if time.monotonic() >= until:
                return False
            stop.wait(_POLL_S)
        return not stop.is_set()

    def _is_delivered(self) -> bool:
        """Whether sinks have, or nearly have, all but the newest of what came."""
        if self._undelivered_bytes and self._keep_up():
            self._undelivered_bytes = 0
        return self._undelivered_bytes < self._ahead_bytes
