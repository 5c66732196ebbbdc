"""When a scheduled source is due: slots on the wall grid, waited for on the monotonic clock."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Grid", "Instants", "Schedule"]


class Schedule(Protocol):
    """The instants [UTC ns] at which a source is due."""

    def next_after(self, time_ns: int) -> int | None:
        """The first slot after that time; None when there is none."""
        ...

    def between(self, after_ns: int, up_to_ns: int) -> Sequence[int]:
        """All slots in (after, up to]."""
        ...


@dataclass(frozen=True, slots=True)
class Grid:
    """Every whole multiple of the interval since 1970, as intervals divide a day."""

    interval_ns: int

    def next_after(self, time_ns: int) -> int | None:
        return (time_ns // self.interval_ns + 1) * self.interval_ns

    def between(self, after_ns: int, up_to_ns: int) -> Sequence[int]:
        first = (after_ns // self.interval_ns + 1) * self.interval_ns
        return range(first, up_to_ns + 1, self.interval_ns)  # years of slots cost nothing


@dataclass(frozen=True, slots=True)
class Instants:
    """Given instants, in order: a field record that is played again."""

    slots_ns: Sequence[int]

    def next_after(self, time_ns: int) -> int | None:
        index = bisect_right(self.slots_ns, time_ns)
        return self.slots_ns[index] if index < len(self.slots_ns) else None

    def between(self, after_ns: int, up_to_ns: int) -> list[int]:
        first, last = (bisect_right(self.slots_ns, t) for t in (after_ns, up_to_ns))
        return list(self.slots_ns[first:last])
