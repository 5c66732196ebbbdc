"""What the series knows and has not written yet: blocks that grow in memory, and their like."""

from dataclasses import dataclass, field

import numpy as np

from edaphon.series.change import Withdrawal
from edaphon.series.contest import Conflict
from edaphon.series.rows import Rows

__all__ = ["OpenBlock", "Unwritten"]

LONGEST_TAIL = 256


@dataclass(slots=True)
class OpenBlock:
    """A day of one channel: sorted rows, runs behind them, how many of all are unwritten."""

    sorted: Rows
    unwritten: int = 0
    tail: list[Rows] = field(default_factory=list)
    last_ns: int = -(2**63)

    @classmethod
    def of(cls, rows: Rows, unwritten: int = 0) -> "OpenBlock":
        last_ns = int(rows["time_ns"][-1]) if len(rows) else -(2**63)
        return cls(rows, unwritten, [], last_ns)

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
    conflicts: list[Conflict] = field(default_factory=list)
    withdrawn: list[tuple[int, Withdrawal]] = field(default_factory=list)  # with their change
