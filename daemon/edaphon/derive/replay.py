"""Deriving again: the same line over the journal with another plan, into a series of its own."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from edaphon.derive.decode import Sources
from edaphon.derive.pipeline import ALL, Item, Line
from edaphon.derive.plan import Plan
from edaphon.derive.state import Latest, Memory, State
from edaphon.derive.suspects import ONE_BY_ONE, span
from edaphon.journal import DamagedRow, JournalReader, Kind
from edaphon.journal.guard import AGAIN, EntryGuard
from edaphon.journal.salvage import losses_in
from edaphon.model import EntryId
from edaphon.series import Series

__all__ = ["BATCH_BYTES", "READINGS", "Replay", "remove_series"]

LAST_N = 0xFFFFFFFF
_FLUSH_ROWS = 200_000
# A turn is as short whatever the entries hold: a piece of a file is thousands of readings.
READINGS, BATCH_BYTES = 20_000, 500_000


class Replay:
    """Follows the journal from its first entry until it has caught up with the live deriver."""

    def __init__(
        self,
        journal: JournalReader,
        plan: Plan,
        scratch: Path,
        recall: Callable[[Iterable[EntryId]], Iterable[Item]],
        latest: Sources,
        counted: Iterable[str] = (),
        guard: EntryGuard | None = None,
    ) -> None:
        """`counted` are paths whose files are only counted again."""
        self._guard = guard or EntryGuard(None)
        self.plan = plan
        self._journal = journal
        self._scratch = scratch
        remove_series(scratch)
        self.series = Series(scratch)
        self._line = Line(State(), plan, Sources(), recall, latest=latest, journal=journal)
        self.position = EntryId(0, 0)  # up to which all is derived
        # Ranges of entries that can't be read, by number: nothing is known against their rows.
        self.unreadable = missing_ranges(journal)
        # A record's source is its path, or for a broker the first part of the path.
        paths = {*plan.routes, *counted}
        self._sources = paths | {path.partition("/")[0] for path in paths}

    @property
    def latest(self) -> Mapping[str, Latest]:
        return self._line.state.latest

    @property
    def state(self) -> State:
        return self._line.state

    @property
    def memory(self) -> Mapping[str, Memory]:
        return self._line.state.memory

    def turn(self, live: EntryId, limit: int, readings: int = READINGS) -> bool:
        """Derive a slice; True once everything up to `live` is derived."""
        try:
            items = self._journal.after(self.position, limit, BATCH_BYTES)
        except DamagedRow as damage:
            self.unreadable.append((damage.first.number, damage.last.number))
            self.position = damage.last
            return False
        items = [item for item in items if item[0] <= live]
        own = [item for item in items if self._concerns(item)]
        if not items and not self._line.state.due:
            return True
        taken = self._taken(own, readings)
        if taken < len(own):
            self.position = own[taken - 1][0] if taken else self.position
        elif items:
            self.position = items[-1][0]
        if self.series.unflushed_rows > _FLUSH_ROWS:
            self.series.flush()
        return self.position >= live and not self._line.state.due

    def _taken(self, own: list[Item], readings: int) -> int:
        """How many entries a turn has taken; one by one where one of them is to be found."""
        if not any(one.work == AGAIN for one in self._guard.suspects):
            return self._step(own, readings)
        at = 0
        for _ in range(ONE_BY_ONE):
            one = [] if self._line.state.due else own[at : at + 1]
            at += self._step(one, readings, 1)
        return at

    def _step(self, batch: list[Item], readings: int, entries: int = ALL) -> int:
        due = self._line.state.due
        if not batch and not due:
            return 0
        due, place = (due[:1], EntryId.of(due[0])) if due and entries == 1 else (due, self.position)
        with self._guard.at(AGAIN, *span(due, batch, place)):
            runs = self._line.step(batch, readings, entries)
            if runs:
                self.series.merge(runs, self.plan.texts)
        return self._line.taken

    def _concerns(self, item: Item) -> bool:
        entry = item[1]
        return entry.kind != Kind.RECORD or entry.source in self._sources

    def close(self) -> None:
        self.series.close()
        remove_series(self._scratch)


def missing_ranges(journal: JournalReader) -> list[tuple[int, int]]:
    """The entries of files, or ends of files, that are declared lost, by number."""
    found = []
    for loss in losses_in(journal.copies):
        first, last = loss.first or 1, LAST_N if loss.last is None else loss.last
        found.append((EntryId(loss.number, first).number, EntryId(loss.number, last).number))
    return found


def remove_series(path: Path) -> None:
    """Remove the file of a series and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").unlink()
