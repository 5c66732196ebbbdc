"""What the series knows and has not written yet: blocks that grow in memory, and their like."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from edaphon.series.change import Withdrawal
from edaphon.series.contest import Conflict
from edaphon.series.rows import Rows

__all__ = ["OpenBlock", "Unwritten"]

LONGEST_TAIL = 256
Key = tuple[str, int, int, int, int]  # of a conflict


@dataclass(slots=True)
class OpenBlock:
    """A day of one channel: sorted rows, runs behind them, how many of all are unwritten.

    `stored` is how many rows of the day the file has.
    """

    sorted: Rows
    stored: int
    unwritten: int = 0
    tail: list[Rows] = field(default_factory=list)
    last_ns: int = -(2**63)

    @classmethod
    def of(cls, rows: Rows, stored: int, unwritten: int = 0) -> "OpenBlock":
        last_ns = int(rows["time_ns"][-1]) if len(rows) else -(2**63)
        return cls(rows, stored, unwritten, [], last_ns)

    def __len__(self) -> int:
        return len(self.sorted) + sum(map(len, self.tail))

    def append(self, rows: Rows) -> None:
        self.tail.append(rows)
        self.unwritten += len(rows)
        self.last_ns = int(rows["time_ns"][-1])
        if len(self.tail) > LONGEST_TAIL:  # an array of its own takes more than its one row
            self.rows()

    def rows(self) -> Rows:
        if self.tail:
            self.sorted = np.concatenate([self.sorted, *self.tail])
            self.tail.clear()
        return self.sorted


@dataclass(slots=True)
class Unwritten:
    blocks: dict[tuple[str, int], OpenBlock] = field(default_factory=dict)  # by channel and day
    derivations: list[tuple[int, str, str]] = field(default_factory=list)  # number, id, text
    # By channel and time, then by key: what is written is found by these as well.
    conflicts: dict[tuple[str, int], dict[Key, Conflict]] = field(default_factory=dict)
    withdrawn: list[tuple[int, Withdrawal]] = field(default_factory=list)  # with their change

    def add_conflict(self, conflict: Conflict) -> None:
        self.conflicts.setdefault(conflict[:2], {})[conflict.key] = conflict

    def all_conflicts(self, channel: str | None = None) -> Iterator[Conflict]:
        for (own, _), conflicts in self.conflicts.items():
            if channel in {None, own}:
                yield from conflicts.values()
