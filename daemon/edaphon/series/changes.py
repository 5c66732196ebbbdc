"""What one step changed in the series, and the latest changes in memory for sinks that keep up."""

from collections import deque
from dataclasses import dataclass

from edaphon.model import Int, Observations

__all__ = ["Change", "Recent", "Withdrawal"]

RECENT_BYTES = 4_000_000  # a sink that lags more reads the blocks
_RUN_BYTES, _ROW_BYTES = 1300, 57  # what eight arrays take, measured, and what their rows do


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Points of a channel that must leave every sink."""

    channel: str
    times_ns: Int


@dataclass(frozen=True, slots=True)
class Change:
    """What one step changed; withdrawals come before the observations."""

    number: int
    observations: tuple[Observations, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.observations)) + sum(len(w.times_ns) for w in self.withdrawals)

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, roughly: live changes are many runs of one row."""
        runs = len(self.observations) + len(self.withdrawals)
        return _RUN_BYTES * runs + _ROW_BYTES * len(self)


class Recent:
    """The changes above one number, as many as RECENT_BYTES hold."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._changes: deque[Change] = deque()
        self._bytes = 0

    def add(self, change: Change) -> None:
        """The newest; the oldest make room for it, and one too large leaves none behind."""
        self._changes.append(change)
        self._bytes += change.size_bytes
        while self._bytes > RECENT_BYTES:
            oldest = self._changes.popleft()
            self._bytes -= oldest.size_bytes
            self._after = oldest.number

    def above(self, number: int, limit: int) -> list[Change] | None:
        """Changes above that one, some `limit` rows; None when memory begins later."""
        if number < self._after:
            return None
        found, n = [], 0
        for change in self._changes:
            if change.number > number:
                found.append(change)
                n += len(change)
                if n >= limit:
                    break
        return found

    def bytes_above(self, number: int) -> int | None:
        """What the changes above that one take; None when memory begins later."""
        if number < self._after:
            return None
        return sum(change.size_bytes for change in self._changes if change.number > number)
