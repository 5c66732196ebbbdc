"""Slots that are given, in order: a field record that is played again."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


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
