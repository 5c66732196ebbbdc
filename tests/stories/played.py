"""Playing a field record again: a clock that jumps from slot to slot while nobody talks."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Generator, Sequence
from typing import Any

from edaphon.acquire.bus import BusOwner, Finished
from edaphon_drivers.talk import Ask, Pause

__all__ = ["IdleWatch", "PlayedClock"]


class IdleWatch:
    """Makes buses and knows whether any of them has a talk that has not been dealt with."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._talks = 0
        self._news = threading.Condition()

    def make_bus(self, *words: Any) -> BusOwner:
        watch = self

        class Watched(BusOwner):
            def submit(
                self,
                address: str,
                talk: Generator[Ask | Pause, bytes, object],
                deadline_s: float,
                on_end: Callable[[Finished], None],
            ) -> None:
                watch._begin()
                try:
                    super().submit(address, talk, deadline_s, watch._ending(on_end))
                except BaseException:
                    watch._end()
                    raise

        return Watched(*words, quiet_s=self._quiet_s)

    def wait_idle(self, stop: threading.Event) -> bool:
        """True when stopped while waiting."""
        with self._news:
            while self._talks and not stop.is_set():
                self._news.wait(0.5)
        return stop.is_set()

    def _ending(self, on_end: Callable[[Finished], None]) -> Callable[[Finished], None]:
        def ended(finished: Finished) -> None:
            try:
                on_end(finished)  # it may begin another talk at once
            finally:
                self._end()

        return ended

    def _begin(self) -> None:
        with self._news:
            self._talks += 1

    def _end(self) -> None:
        with self._news:
            self._talks -= 1
            self._news.notify_all()


class PlayedClock:
    """Time stands still while somebody talks, and then is that of the next instant at once."""

    def __init__(self, instants_ns: Sequence[int], start_ns: int, watch: IdleWatch) -> None:
        self._instants_ns = instants_ns
        self._start_ns = start_ns
        self._mono_ns = 0
        self._watch = watch

    def wall_ns(self) -> int:
        return self._start_ns + self._mono_ns

    def mono_ns(self) -> int:
        return self._mono_ns

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        """Goes on to the next instant, however short the wait that was asked for."""
        if self._watch.wait_idle(stop):
            return True
        index = bisect_right(self._instants_ns, self.wall_ns())
        ahead = self._instants_ns[index : index + 1]
        next_ns = ahead[0] - self._start_ns if ahead else mono_ns
        self._mono_ns = max(next_ns, mono_ns if not ahead else self._mono_ns)
        return stop.is_set()
