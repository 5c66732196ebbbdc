"""What the series knows and has not written yet: rows by channel and day, and their like."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from edaphon.series.changes import Withdrawal
from edaphon.series.conflicts import Conflict
from edaphon.series.rows import Rows, no_rows, overlaid

__all__ = ["NEVER_NS", "OpenBlock", "Unwritten"]

LONGEST_TAIL = 64
NEVER_NS = -(2**63)
Key = tuple[str, int, int, int, int]  # of a conflict


class OpenBlock:
    """Rows of a day of one channel that are new, or in the place of those that the file has.

    `stored` is how many rows of the day the file has, `added` how many more there are now,
    `last_ns` the latest time of all.
    """

    __slots__ = ("_rows", "_tail", "added", "last_ns", "stored", "unwritten")

    def __init__(self, stored: int, last_ns: int) -> None:
        self._rows = no_rows()
        self._tail: list[Rows] = []  # behind all other rows
        self.stored, self.added, self.unwritten, self.last_ns = stored, 0, 0, last_ns

    def __len__(self) -> int:
        return self.stored + self.added

    def append(self, rows: Rows) -> None:
        """Rows behind all others."""
        self._tail.append(rows)
        self.added += len(rows)
        self.unwritten += len(rows)
        self.last_ns = int(rows["time_ns"][-1])
        if len(self._tail) > LONGEST_TAIL:  # an array of its own takes more than its one row
            self._tail = [np.concatenate(self._tail)]

    def put(self, rows: Rows, added: int) -> None:
        """Rows in the order of time; so many of them are of times that had none."""
        if not len(rows):
            return
        self._rows = overlaid(self.rows(), rows)
        self.added += added
        self.unwritten = len(self._rows)
        self.last_ns = max(self.last_ns, int(rows["time_ns"][-1]))

    def rows(self) -> Rows:
        """The unwritten rows in the order of time."""
        if self._tail:
            runs = [self._rows, *self._tail] if len(self._rows) else self._tail
            self._rows, self._tail = np.concatenate(runs) if len(runs) > 1 else runs[0], []
        return self._rows

    def between(self, from_ns: int, until_ns: int) -> Rows:
        """Those with from_ns <= time < until_ns."""
        rows = self.rows()
        begin, end = np.searchsorted(rows["time_ns"], [from_ns, until_ns])
        return rows[begin:end]

    def last_row(self) -> Rows:
        """A run of the last of the day, where that is unwritten; else of none."""
        rows = self._tail[-1][-1:] if self._tail else self._rows[-1:]
        return rows if len(rows) and rows["time_ns"][0] == self.last_ns else no_rows()


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
