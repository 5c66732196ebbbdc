"""The last thing that the recorder said, kept for the time when it says nothing."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from edaphon.model import Observations
from edaphon.web.view import Silent, Status, Unreadable, View

__all__ = ["Look", "Seen", "Watch", "window"]

DAY_NS = 86400 * 10**9


def window(now_ns: int) -> tuple[int, int]:
    """The last 24 h as [start, end) [UTC ns], now included."""
    return now_ns - DAY_NS, now_ns + 1


@dataclass(frozen=True, slots=True)
class Seen:
    """One complete answer; a channel whose day could not be read is absent from `days`."""

    status: Status
    days: Mapping[str, list[Observations]]


@dataclass(frozen=True, slots=True)
class Look:
    """The last answer if there ever was one; `silent_since_ns` is None while answers come."""

    now_ns: int
    seen: Seen | None
    silent_since_ns: int | None = None
    why: str = ""


class Watch:
    """Asks the view, one asker at a time; `now_ns` is the wall clock [UTC ns]."""

    def __init__(self, view: View, now_ns: Callable[[], int]) -> None:
        self._view = view
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._silent_since_ns: int | None = None

    def status(self) -> Status:
        """What the recorder says now, kept with the days of the last look; raises Silent."""
        with self._lock:
            with self._noted():
                status = self._view.status()
            self._seen = Seen(status, self._seen.days if self._seen else {})
            return status

    def look(self) -> Look:
        with self._lock:
            try:
                with self._noted():
                    self._seen = self._ask()
            except Silent as error:
                return Look(self._now_ns(), self._seen, self._silent_since_ns, str(error))
            return Look(self._seen.status.now_ns, self._seen)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Whoever asks, page or metrics: since when there is no answer."""
        try:
            yield
        except Silent:
            self._silent_since_ns = self._silent_since_ns or self._now_ns()
            raise
        self._silent_since_ns = None

    def _ask(self) -> Seen:
        status = self._view.status()
        start_ns, end_ns = window(status.now_ns)
        days: dict[str, list[Observations]] = {}
        for channel in status.channels:
            try:
                days[channel.id] = self._view.day(channel.id, start_ns, end_ns)
            except Unreadable:  # one channel without a line; the others have theirs
                continue
        return Seen(status, days)
