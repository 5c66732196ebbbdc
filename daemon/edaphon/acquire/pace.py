"""How fast a backlog may come in: live records behind it in the journal must not wait for it."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from edaphon.model import EntryId

__all__ = ["Pace"]

AHEAD_BYTES = 300_000  # half a second of deriving, on a small machine some; sinks have it in memory
PIECE_BYTES = 65_536
LONGEST_WAIT_S = 30.0
LONGEST_SINK_WAIT_S = 1.0  # a slower sink gets the newest values first, and the others later
_POLL_S = 0.05


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
        while not stop.is_set():
            if self.may_take(rest_bytes):
                return True
            if time.monotonic() >= until:
                return False
            stop.wait(_POLL_S)
        return False

    def _is_delivered(self) -> bool:
        """Whether sinks have, or nearly have, all but the newest of what came."""
        if self._undelivered_bytes and self._keep_up():
            self._undelivered_bytes = 0
        return self._undelivered_bytes < self._ahead_bytes
