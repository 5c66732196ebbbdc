"""What the series knows and has not written yet: blocks that grow in memory, and their like."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from edaphon.series.change import Withdrawal
from edaphon.series.contest import Conflict
from edaphon.series.rows import Rows, no_rows

__all__ = ["NEVER_NS", "OpenBlock", "Unwritten"]

LONGEST_TAIL = 64
NEVER_NS = -(2**63)
Key = tuple[str, int, int, int, int]  # of a conflict


class OpenBlock:
    """A day of one channel: the rows that the file has, and runs behind them.

    What only grows keeps its stored rows in the file; what changes them holds all in memory until
    it is written. `stored` is how many rows of the day the file has, `unwritten` how many of all
    it lacks.
    """

    __slots__ = ("_base", "_kept", "_n", "_tail", "last_ns", "stored", "unwritten")

    def __init__(self, base: Callable[[], Rows], stored: int, last_ns: int) -> None:
        """`base` reads the stored rows, `last_ns` is the time of the last of them."""
        self._base = base
        self._kept: Rows | None = None  # all rows but the tail, where they are not in the file
        self._tail: list[Rows] = []
        self._n = stored
        self.stored, self.unwritten, self.last_ns = stored, 0, last_ns

    @classmethod
    def of(cls, rows: Rows, stored: int, unwritten: int = 0) -> "OpenBlock":
        """All rows of a day in memory."""
        block = cls(no_rows, stored, NEVER_NS)
        block.put(rows)
        block.unwritten = unwritten
        return block

    def __len__(self) -> int:
        return self._n

    def append(self, rows: Rows) -> None:
        """Rows behind all others."""
        self._tail.append(rows)
        self._n += len(rows)
        self.unwritten += len(rows)
        self.last_ns = int(rows["time_ns"][-1])
        if len(self._tail) > LONGEST_TAIL:  # an array of its own takes more than its one row
            self._tail = [np.concatenate(self._tail)]

    def put(self, rows: Rows) -> None:
        """All rows of the day, in the place of what there was."""
        self._kept, self._tail, self._n = rows, [], len(rows)
        self.last_ns = int(rows["time_ns"][-1]) if len(rows) else NEVER_NS

    def rows(self) -> Rows:
        """All rows, in the order of time; not kept in memory for it where the file has most."""
        if self._kept is not None and not self._tail:
            return self._kept
        rows = np.concatenate([self._base() if self._kept is None else self._kept, *self._tail])
        if self._kept is not None:
            self._kept, self._tail = rows, []
        return rows

    def whole(self) -> Rows:
        """All rows, kept in memory until they are written: for those who ask row by row."""
        if self._kept is None:
            self._kept, self._tail = self.rows(), []
        return self.rows()

    def last_row(self) -> Rows:
        """A run of the last row, or of none."""
        return self._tail[-1][-1:] if self._tail else self.rows()[-1:]


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
