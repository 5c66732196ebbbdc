"""Days of the channels as they stand: their parts in the file, under what is unwritten."""

import threading
from collections.abc import Callable, Iterator

import numpy as np

from edaphon.series.open_blocks import NEVER_NS, OpenBlock, Unwritten
from edaphon.series.reader import BEGIN_NS, END_NS, Part
from edaphon.series.rows import Rows, digest, no_rows, overlaid
from edaphon.series.store import BlockHead, Store

__all__ = ["Days"]


class Days:
    """Reads of single days, a part in memory at a time; within the lock, `each_part` apart."""

    def __init__(self, store: Store, lock: "threading.RLock", name: Callable[[int], str]) -> None:
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

    def parts(self, channel: str, day: int) -> list[Part]:
        """The parts of a day in the file, or one for all of it; what is unwritten lies in them."""
        return self._store.parts(channel, day) or [Part(BEGIN_NS, END_NS, 0)]

    def part_rows(self, channel: str, day: int, part: Part) -> Rows:
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
