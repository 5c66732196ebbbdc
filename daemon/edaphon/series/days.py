"""Days of the channels as they stand: their parts in the file, under what is unwritten."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.model import Int, Observations
from edaphon.series.parts import Totals
from edaphon.series.reader import BEGIN_NS, END_NS, DayPart
from edaphon.series.rows import (
    Conflict,
    Contested,
    Rows,
    Withdrawal,
    contested,
    digest,
    no_rows,
    overlaid,
    runs_of,
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


class SeriesDays:
    """What a series holds, day by day; every method without underscore takes the lock itself."""

    def __init__(self, store: SeriesStore) -> None:
        self._lock = threading.RLock()
        self._store = store
        self._unwritten = Unwritten()
        self._names = store.derivations()
        self._numbers = {id: number for number, id in self._names.items()}

    def checkpoint(self, name: str) -> str | None:
        with self._lock:
            return self._store.checkpoint(name)

    def name(self, derivation: int) -> str:
        return self._names[derivation]

    def derivation_text(self, id: str) -> str | None:
        """What a derivation's hash was made of, as JSON."""
        with self._lock:
            for _, known, text in self._unwritten.derivations:
                if known == id:
                    return text
            return self._store.derivation_text(id)

    def read(self, channel: str, start_ns: int, end_ns: int) -> list[Observations]:
        """Current observations with start_ns <= time < end_ns, in the order of time."""
        with self._lock:
            found: list[Observations] = []
            for day in self.days(channel, start_ns, end_ns):
                rows = self._day_rows(channel, day, start_ns, end_ns)
                inside = (rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns)
                found.extend(runs_of(channel, rows[inside], self.name))
            return found

    def runs(self, channel: str, start_ns: int, end_ns: int) -> Iterator[Observations]:
        """The same, with a part of a day in memory at a time."""
        for day in self.days(channel, start_ns, end_ns):
            for rows in self.each_part(channel, day, start_ns):
                inside = (rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns)
                yield from runs_of(channel, rows[inside], self.name)
                if len(rows) and rows["time_ns"][-1] >= end_ns:
                    break

    def days(self, channel: str, start_ns: int, end_ns: int) -> list[int]:
        """UTC days since 1970 that hold rows and share a time with start_ns <= time < end_ns."""
        with self._lock:
            first, last = start_ns // DAY_NS, (end_ns - 1) // DAY_NS
            found = set(self._store.days(channel, first, last))
            for (own, day), block in self._unwritten.blocks.items():
                if own == channel and first <= day <= last:
                    (found.add if len(block) else found.discard)(day)
            return sorted(found)

    def latest(self, channel: str) -> Observations | None:
        """The observation with the latest time, as a run of one."""
        with self._lock:
            blocks = self._unwritten.blocks
            days = [day for (own, day), block in blocks.items() if own == channel and len(block)]
            stored = self._store.last_day(channel)
            if stored is not None and (channel, stored) not in self._unwritten.blocks:
                days.append(stored)
            if not days:
                return None
            day = max(days)
            block = blocks.get((channel, day))
            rows = block.last_row() if block is not None else no_rows()
            rows = rows if len(rows) else self._last_part(channel, day)
            return next(runs_of(channel, rows[-1:], self.name))

    def count(self, channel: str | None = None) -> int:
        """How many observations are current."""
        with self._lock:
            n = self._store.count(channel)
            for (own, _), block in self._unwritten.blocks.items():
                if channel in {None, own}:
                    n += block.added
            return n

    def kept_totals(self) -> Totals:
        """How many rows and conflicts each channel has in the file, as it keeps these sums."""
        with self._lock:
            return self._store.kept_totals()

    def totals(self) -> tuple[Totals, Totals]:
        """(what the file keeps of how many rows and conflicts there are, the same counted)."""
        with self._lock:
            return self._store.totals()

    def heads(self, channel: str | None = None, after_change: int = -1) -> list[BlockHead]:
        """Heads of the blocks that hold a row above that change, open blocks included, in order."""
        with self._lock:
            heads = {(h.channel, h.day): h for h in self._store.heads(channel, after_change)}
            for own, day in self._unwritten.blocks:
                if channel in {None, own}:
                    heads[own, day] = self._open_head(own, day)
            ordered = (heads[key] for key in sorted(heads))
            return [head for head in ordered if head.n and head.last_change > after_change]

    def changed_heads(self, after_change: int) -> list[BlockHead]:
        return self.heads(None, after_change)

    def rows_above(
        self, channel: str, day: int, change: int, upto: int = 2**62, from_ns: int = BEGIN_NS
    ) -> Iterator[Observations]:
        """Rows of a day from a time on that the changes above one made, up to another; by time.

        A part of the day is in memory at a time.
        """
        for rows in self.each_part(channel, day, from_ns, change):
            wanted = (rows["change"] > change) & (rows["change"] <= upto)
            yield from runs_of(channel, rows[wanted & (rows["time_ns"] >= from_ns)], self.name)

    def withdrawn_above(self, change: int) -> list[Withdrawal]:
        with self._lock:
            unwritten = [gone for number, gone in self._unwritten.withdrawn if number > change]
            times: dict[str, list[Int]] = {}
            for gone in [*self._store.withdrawn(change), *unwritten]:
                times.setdefault(gone.channel, []).append(gone.times_ns)
            return [Withdrawal(c, np.unique(np.concatenate(t))) for c, t in times.items()]

    def conflicts(self, channel: str | None = None) -> list[Conflict]:
        with self._lock:
            found = {c.key: c for c in self._store.conflicts(channel)}
            found |= {c.key: c for c in self._unwritten.all_conflicts(channel)}
            return list(found.values())

    def count_conflicts(self, channel: str | None = None) -> Contested:
        """As many as `conflicts` gives, without holding those that are written in memory."""
        with self._lock:
            found = self._store.count_conflicts(channel)
            for (own, time_ns), conflicts in self._unwritten.conflicts.items():
                if channel not in {None, own}:
                    continue
                for known in self._store.conflicts(own, time_ns, time_ns + 1):
                    if known.key in conflicts:
                        found = found.plus(contested(known), -1)
                for conflict in conflicts.values():
                    found = found.plus(contested(conflict))
            return found

    # -- within the lock, `each_part` apart ------------------------------------------------

    def _parts(self, channel: str, day: int) -> list[DayPart]:
        """The parts of a day in the file, or one for all of it; what is unwritten lies in them."""
        return self._store.parts(channel, day) or [DayPart(BEGIN_NS, END_NS, 0)]

    def _part_rows(self, channel: str, day: int, part: DayPart) -> Rows:
        rows = self._store.part_rows(channel, day, part.until_ns)
        block = self._unwritten.blocks.get((channel, day))
        return rows if block is None else overlaid(rows, block.between(part.from_ns, part.until_ns))

    def _last_part(self, channel: str, day: int) -> Rows:
        """The rows of the last part that has some."""
        for part in reversed(self._parts(channel, day)):
            rows = self._part_rows(channel, day, part)
            if len(rows):
                return rows
        return no_rows()

    def _day_rows(
        self, channel: str, day: int, start_ns: int = BEGIN_NS, end_ns: int = END_NS
    ) -> Rows:
        """All rows of the parts of a day that reach into start_ns <= time < end_ns."""
        found = [
            self._part_rows(channel, day, part)
            for part in self._parts(channel, day)
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
                block = self._unwritten.blocks.get((channel, day))
                for part in self._parts(channel, day):
                    if part.until_ns <= from_ns:
                        continue
                    unwritten = block is not None and len(
                        block.between(part.from_ns, part.until_ns)
                    )
                    if unwritten or part.last_change > change:
                        rows = self._part_rows(channel, day, part)
                        rows, from_ns = rows[rows["time_ns"] >= from_ns], part.until_ns
                        break
                else:
                    return
            yield rows

    def _open_head(self, channel: str, day: int) -> BlockHead:
        """Without the digest of a day in several parts."""
        block, stored = self._unwritten.blocks[channel, day], self._store.head(channel, day)
        if not len(block):
            return BlockHead(channel, day, 0, 0, 0, "")
        changes = block.rows()["change"]
        ends = [(int(changes.min()), int(changes.max()))] if len(changes) else []
        ends += [(stored.first_change, stored.last_change)] if stored is not None else []
        parts = self._parts(channel, day)
        whole = digest(self._part_rows(channel, day, parts[0]), self.name)
        first, last = min(end[0] for end in ends), max(end[1] for end in ends)
        return BlockHead(channel, day, len(block), first, last, whole if len(parts) == 1 else "")
