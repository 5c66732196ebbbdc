"""How many bytes of each source are kept: what it brings beyond its budget is only counted.

A budget is a bucket that fills at a rate and is emptied by what comes. A configured source has one
day of its rate, and draws more, for what waited while a line or the service was off, from a store
that all sources share. Messages of no configured source have a small bucket of their own for each
broker. All shrink with the free room of the disk, so that no sender can fill it at once.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROW_BYTES", "Budgets", "free_bytes"]

ROW_BYTES = 100  # what a row of the journal takes beside its payload
CATCH_UP_DAYS = 4  # of its rate: the most that one source draws from the shared store
LEAST_A_DAY = 2_000_000  # of a configured source, however little room the disk has
LEAST_STORE = 64_000_000
SHARE_A_DAY, SHARE_OF_STORE, SHARE_OF_UNKNOWN = 8, 4, 256  # parts of the free room
STORE_FILLS_DAYS = 8
BACKLOG_LEAVES = 2  # what can wait leaves this part of a bucket to what comes live
_LOOK_EVERY_S = 10.0
_DAY_S = 86_400.0


def free_bytes(folder: Path) -> int:
    """What the disk of a folder has free for this account; 0 where that can't be asked."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


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
        self._own: dict[str, _Bucket] = {}
        self._more: dict[str, _Bucket] = {}
        self._unknown: dict[str, _Bucket] = {}
        self._store = _Bucket()
        self._free_now, self._looked_s = 0, float("-inf")

    def save(self) -> dict[str, Any]:
        """What is left of all, for the next life: a restart fills no bucket."""
        with self._lock:
            kinds = {"own": self._own, "more": self._more, "unknown": self._unknown}
            table = {kind: {n: b.level for n, b in all_.items()} for kind, all_ in kinds.items()}
            return {**table, "store": self._store.level}

    def restore(self, table: Mapping[str, Any], passed_s: float) -> None:
        """Take over what an earlier life saved so many seconds ago; at the start, or never."""
        since_s = self._now_s() - max(0.0, passed_s)
        with self._lock:
            for kind, own in (("own", self._own), ("more", self._more), ("unknown", self._unknown)):
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
