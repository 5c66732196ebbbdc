"""Days of the channels as they stand: their parts in the file, under what is unwritten."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from edaphon.model import Int
from edaphon.series.reader import BEGIN_NS, END_NS, DamagedBlocks, DayPart
from edaphon.series.rows import (
    Conflict,
    Rows,
    Withdrawal,
    among,
    digest,
    no_rows,
    overlaid,
    replaced,
    within,
)
from edaphon.series.store import BlockHead, SeriesStore

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


class Days:
    """Reads of single days, a part in memory at a time; within the lock, `each_part` apart."""

    def __init__(
        self, store: SeriesStore, lock: "threading.RLock", name: Callable[[int], str]
    ) -> None:
        self._store, self._lock, self._name = store, lock, name
        self.unwritten = Unwritten()

    def block(self, channel: str, day: int) -> OpenBlock:
        block = self.unwritten.blocks.get((channel, day))
        if block is None:
            head, rows = self._store.head(channel, day), self.last_part(channel, day)
            last_ns = int(rows["time_ns"][-1]) if len(rows) else NEVER_NS
            block = OpenBlock(head.n if head else 0, last_ns)
            self.unwritten.blocks[channel, day] = block
        return block

    def parts(self, channel: str, day: int) -> list[DayPart]:
        """The parts of a day in the file, or one for all of it; what is unwritten lies in them."""
        return self._store.parts(channel, day) or [DayPart(BEGIN_NS, END_NS, 0)]

    def part_rows(self, channel: str, day: int, part: DayPart) -> Rows:
        rows = self._store.part_rows(channel, day, part.until_ns)
        block = self.unwritten.blocks.get((channel, day))
        return rows if block is None else overlaid(rows, block.between(part.from_ns, part.until_ns))

    def last_part(self, channel: str, day: int) -> Rows:
        """The rows of the last part that has some."""
        for part in reversed(self.parts(channel, day)):
            rows = self.part_rows(channel, day, part)
            if len(rows):
                return rows
        return no_rows()

    def rows(self, channel: str, day: int, start_ns: int = BEGIN_NS, end_ns: int = END_NS) -> Rows:
        """All rows of the parts of a day that reach into start_ns <= time < end_ns."""
        found = [
            self.part_rows(channel, day, part)
            for part in self.parts(channel, day)
            if part.from_ns < end_ns and start_ns < part.until_ns
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def each_part(
        self, channel: str, day: int, from_ns: int = BEGIN_NS, change: int = -1
    ) -> Iterator[Rows]:
        """The rows of one part after the other, of those that have a change above that one.

        Others may write meanwhile: it goes on behind the last time that it gave.
        """
        while from_ns < END_NS:
            with self._lock:
                block = self.unwritten.blocks.get((channel, day))
                for part in self.parts(channel, day):
                    if part.until_ns <= from_ns:
                        continue
                    unwritten = block is not None and len(
                        block.between(part.from_ns, part.until_ns)
                    )
                    if unwritten or part.last_change > change:
                        rows = self.part_rows(channel, day, part)
                        rows, from_ns = rows[rows["time_ns"] >= from_ns], part.until_ns
                        break
                else:
                    return
            yield rows

    def open_head(self, channel: str, day: int) -> BlockHead:
        """Without the digest of a day in several parts."""
        block, stored = self.unwritten.blocks[channel, day], self._store.head(channel, day)
        if not len(block):
            return BlockHead(channel, day, 0, 0, 0, "")
        changes = block.rows()["change"]
        ends = [(int(changes.min()), int(changes.max()))] if len(changes) else []
        ends += [(stored.first_change, stored.last_change)] if stored is not None else []
        parts = self.parts(channel, day)
        whole = digest(self.part_rows(channel, day, parts[0]), self._name)
        first, last = min(end[0] for end in ends), max(end[1] for end in ends)
        return BlockHead(channel, day, len(block), first, last, whole if len(parts) == 1 else "")


def sound_rows(store: SeriesStore, head: BlockHead, ids: Mapping[int, str]) -> Rows | None:
    """The rows of a block; None where they are not those that its digest was made of."""
    try:
        return store.sound_rows(head, ids.__getitem__)
    except (DamagedBlocks, KeyError):
        return None


def is_sound(store: SeriesStore, head: BlockHead) -> bool:
    """Whether a block of a file that is written to meanwhile is what it should be."""
    ids = {number: id for id, number in store.derivations().items()}
    if sound_rows(store, head, ids) is not None:
        return True
    with store.snapshot():  # it may be another one now, or none
        now = [each for each in store.heads(head.channel) if each.day == head.day]
        ids = {number: id for id, number in store.derivations().items()}
        return all(sound_rows(store, each, ids) is not None for each in now)


Ranges = Sequence[tuple[int, int]]


class Adopted(NamedTuple):
    """What adopting changed: rows that differ now, and the readings that were held there before.

    `kept` rows stay though nothing was derived of their entries: these can't be read.
    """

    differing: int
    before: int
    kept: int = 0


class Combined(NamedTuple):
    """The rows of a part of a day now, whether any differ, and the times that went [UTC ns]."""

    rows: Rows
    differ: bool
    gone: Int
    counts: Adopted


class Adoption(NamedTuple):
    """Times [UTC ns) that are taken over, entries that can't be read (from and to the number of
    their sequence), times at which the channel is fed still, and the number of the change."""

    ranges: Ranges
    unreadable: Ranges
    fed: Ranges
    number: int

    def wanted(self, taken: Rows, part: DayPart) -> Rows:
        """Of the rows of the other series those that are taken over into a part."""
        inside = within(taken["time_ns"], self.ranges)
        return taken[inside & within(taken["time_ns"], [(part.from_ns, part.until_ns)])]

    def combined(self, old: Rows, taken: Rows) -> Combined:
        here = within(old["time_ns"], self.ranges)
        stays = here & among(old["sequence"], self.unreadable) & within(old["time_ns"], self.fed)
        stays &= ~np.isin(old["time_ns"], taken["time_ns"])
        new = np.concatenate([old[~here | stays], taken])
        new = new[np.argsort(new["time_ns"], kind="stable")]
        rows, differs, gone = replaced(old, new, self.number)
        differing = int(differs.sum()) + len(gone)
        counts = Adopted(differing, int(here.sum()), int(stays.sum()))
        return Combined(rows, bool(differing), gone, counts)
