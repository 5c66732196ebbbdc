"""The series: current observations of every channel in day blocks, and what changed in them.

The open blocks are in memory and are lost with the process: the journal holds everything they
came from, and the checkpoint, written with them, says from where to derive again.

Every change has a number. A row carries the number of the change that made it what it is, so a
sink at change c is owed exactly the rows above c and the points withdrawn above c, whether it
lags by a second or by a month, and whatever the reason of a change was.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import add
from pathlib import Path

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.model import Int, Observations
from edaphon.series.days import NEVER_NS, OpenBlock, SeriesDays, Unwritten
from edaphon.series.reader import END_NS
from edaphon.series.rows import (
    COLUMNS,
    ROW,
    Adopted,
    Adoption,
    Rows,
    Withdrawal,
    changed_rows,
    conflict_of,
    further_of,
    judged,
    replaced,
    revised,
    runs_of,
    settled,
    within,
    without_a_number,
)
from edaphon.series.store import SeriesStore

RECENT_BYTES = 4_000_000  # a sink that lags more reads the blocks
_RUN_BYTES, _ROW_BYTES = 1300, 57  # what eight arrays take, measured, and what their rows do
_Part = tuple[Rows, Observations | None]  # rows of a day, and their run if they are all of it
_Gone = dict[str, list[Int]]  # times to withdraw, by channel
_NO_TIMES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Change:
    """What one step changed; withdrawals come before the observations."""

    number: int
    observations: tuple[Observations, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.observations)) + sum(len(w.times_ns) for w in self.withdrawals)

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, roughly: live changes are many runs of one row."""
        runs = len(self.observations) + len(self.withdrawals)
        return _RUN_BYTES * runs + _ROW_BYTES * len(self)


class Recent:
    """The changes above one number, as many as RECENT_BYTES hold."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._changes: deque[Change] = deque()
        self._bytes = 0

    def add(self, change: Change) -> None:
        """The newest; the oldest make room for it, and one too large leaves none behind."""
        self._changes.append(change)
        self._bytes += change.size_bytes
        while self._bytes > RECENT_BYTES:
            oldest = self._changes.popleft()
            self._bytes -= oldest.size_bytes
            self._after = oldest.number

    def above(self, number: int, limit: int) -> list[Change] | None:
        """Changes above that one, some `limit` rows; None when memory begins later."""
        if number < self._after:
            return None
        found, n = [], 0
        for change in self._changes:
            if change.number > number:
                found.append(change)
                n += len(change)
                if n >= limit:
                    break
        return found

    def bytes_above(self, number: int) -> int | None:
        """What the changes above that one take; None when memory begins later."""
        if number < self._after:
            return None
        return sum(change.size_bytes for change in self._changes if change.number > number)


def cursor_name(sink: str) -> str:
    """The checkpoint of the series that keeps the last change a sink holds."""
    return f"sink:{sink}"


class Series(SeriesDays):
    """One writer (the deriver), many readers; every method may be called from any thread."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        store = SeriesStore(path, read_only)
        try:
            store.check_checkpoints()
            super().__init__(store)
            self.change = int(store.checkpoint("change") or 0)
        except BaseException:
            store.close()
            raise
        self._recent = Recent(self.change)

    def close(self) -> None:
        with self._lock:
            self._store.close()

    @property
    def damage(self) -> str:
        """What was found of the file, once it turned out to be damaged; "" while it did not."""
        return self._store.damage

    def note_damage(self, words: str) -> None:
        """Somebody else has found that the file is damaged."""
        self._store.damage = self._store.damage or words

    def damaged_blocks(self) -> Iterator[str]:
        """Words for blocks whose rows are not what was written, "" for each that is sound.

        Raises sqlite3.DatabaseError where a page of the file is damaged.
        """
        self._store.withdrawn(-1)
        sum(1 for _ in self._store.conflicts(None))  # their pages too
        heads = self._store.next_heads("", -(2**62))
        while heads:
            for head in heads:
                day = np.datetime64(head.day, "D")
                yield "" if self._store.is_sound(head) else f"{head.channel}, {day}: damaged rows"
            heads = self._store.next_heads(head.channel, head.day)

    @property
    def unflushed_rows(self) -> int:
        with self._lock:
            return sum(block.unwritten for block in self._unwritten.blocks.values())

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Nobody else reads meanwhile; all that is written within is kept, or none of it.

        After an error the series is what it was before, in memory and on disk.
        """
        with self._lock:
            if self._store.writing:  # within another
                yield
                return
            before = self._unwritten, self.change, dict(self._numbers), dict(self._names)
            self._store.begin()
            try:
                self._write_out()
                yield
                self._write_out()
                self._store.commit()
            except BaseException:
                self._store.rollback()
                self._unwritten, self.change, self._numbers, self._names = before
                self._recent = Recent(self.change)
                raise

    @contextmanager
    def snapshot(self) -> Iterator[SeriesStore]:
        """Its file as it is at one moment, whatever another process writes; for reading only."""
        with self._lock, self._store.snapshot():
            yield self._store

    # -- writing ---------------------------------------------------------------------------

    def merge(
        self, runs: Iterable[Observations], texts: Mapping[str, str], again: bool = False
    ) -> Change:
        """Take derived observations in; what is current then becomes one change.

        Per (channel, time) the lower rank counts, then the lower sequence; the same rank and
        sequence are a revision and replace. `texts` explains derivations not seen before. `again`:
        a life that ended unflushed may have given the sinks a number of these rows already, so
        those without one are withdrawn before they are written. Further readings of a record for
        one time, whose first is among `runs`, are kept as conflicts.
        """
        with self._lock:
            number = self.change + 1
            accepted: list[Observations] = []
            withdrawn: _Gone = {}
            whole = list(runs)
            firsts = [run for run in whole if run.ordinal is None]
            for (channel, day), parts in self._by_day(firsts, texts, number).items():
                found, lost = self._merge_day(channel, day, parts)
                accepted.extend(found)
                if again:
                    lost = np.unique(np.concatenate([lost, *map(without_a_number, found)]))
                withdrawn.setdefault(channel, []).append(lost)
            for run in whole:
                if run.ordinal is not None:
                    self._keep_further(run)
            return self._publish(number, accepted, withdrawn)

    def _keep_further(self, run: Observations) -> None:
        for conflict in further_of(run):
            time_ns = conflict.time_ns
            rows = self._day_rows(run.channel, time_ns // DAY_NS, time_ns, time_ns + 1)
            current = rows[np.searchsorted(rows["time_ns"], time_ns)]
            self._unwritten.add_conflict(judged(conflict, current))

    def revise(self, runs: Iterable[Observations], texts: Mapping[str, str]) -> int:
        """Give rows other content, in one change: how many differ from what they were.

        A row is known by its time, sequence and rank, and given once. Raises KeyError, with
        nothing changed, for a row that is not there.
        """
        with self._lock:
            number = self.change + 1
            new: list[tuple[str, int, Rows]] = []
            accepted: list[Observations] = []
            withdrawn: _Gone = {}
            for (channel, day), parts in self._by_day(runs, texts, number).items():
                part = np.concatenate([part for part, _ in parts])
                for old, own in self._parts_touched(channel, day, part):
                    rows, differs, gone = replaced(old, revised(channel, old, own), number)
                    new.append((channel, day, rows[differs]))
                    accepted.extend(runs_of(channel, rows[differs], self.name))
                    withdrawn.setdefault(channel, []).append(gone)
            for channel, day, rows in new:
                self._block(channel, day).put(rows, 0)
            return sum(map(len, self._publish(number, accepted, withdrawn).observations))

    def _by_day(
        self, runs: Iterable[Observations], texts: Mapping[str, str], number: int
    ) -> dict[tuple[str, int], list[_Part]]:
        found: dict[tuple[str, int], list[_Part]] = {}
        for run in runs:
            rows = rows_of(run, self._number(run.derivation, texts), number)
            for day, part in days_of(rows):
                whole = run if len(part) == len(rows) else None
                found.setdefault((run.channel, day), []).append((part, whole))
        return found

    def _merge_day(
        self, channel: str, day: int, parts: list[_Part]
    ) -> tuple[list[Observations], Int]:
        """(rows that are new or changed, times to withdraw); several rows of one time are settled
        first, so that only the current one is passed on."""
        block = self._block(channel, day)
        if len(parts) == 1 and follows(parts[0][0], block.last_ns):
            part, whole = parts[0]
            block.append(part)
            return [whole] if whole else list(runs_of(channel, part, self.name)), _NO_TIMES
        rows = np.concatenate([part for part, _ in parts])
        found: list[Observations] = []
        lost = []
        for old, own in self._parts_touched(channel, day, rows):
            standing, gone, added = settled(old, own, partial(self._decide, channel))
            block.put(standing, added)
            found += runs_of(channel, standing, self.name)
            lost.append(gone)
        return found, np.concatenate(lost)

    def _parts_touched(self, channel: str, day: int, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
        """(current rows of a part of the day, those of `rows` in it), in the order of time."""
        times = rows["time_ns"]
        first, last = times.min(), times.max()
        for part in self._parts(channel, day):
            if part.until_ns <= first or last < part.from_ns:
                continue
            own = rows[(times >= part.from_ns) & (times < part.until_ns)]
            if len(own):
                yield self._part_rows(channel, day, part), own

    def _decide(self, channel: str, current: np.void, row: np.void) -> np.void:
        """The current one of two rows of one time; the other is a conflict, unless it is revised.

        What lost before has lost against the row that is current now: what is counted
        must not depend on the order in which they came.
        """
        if (row["sequence"], row["rank"]) != (current["sequence"], current["rank"]):
            row, loser = sorted((current, row), key=_rank)
            if loser is current:
                time_ns = int(row["time_ns"])
                known = {c.key: c for c in self._store.conflicts(channel, time_ns, time_ns + 1)}
                known |= self._unwritten.conflicts.get((channel, time_ns), {})
                for conflict in known.values():
                    self._unwritten.add_conflict(judged(conflict, row))
            self._unwritten.add_conflict(conflict_of(channel, loser, row))
        same = not changed_rows(np.array([current]), np.array([row]))[0]
        return current if same else row

    def adopt(
        self,
        channel: str,
        other: "Series",
        ranges: Sequence[tuple[int, int]],
        unreadable: Sequence[tuple[int, int]] = (),
        fed: Sequence[tuple[int, int]] = (),
    ) -> Adopted:
        """Within these times [UTC ns) make this channel what `other` says it is.

        Rows of entries that are unreadable (from and to the number of their sequence) stay where
        `other` has none of their time and the channel is fed still (times [UTC ns)).
        The difference becomes one change. It is written block by block, so sinks read it from
        there: rows that vanished or lost a number are withdrawn.
        """
        with self.unseen(), other._lock:
            other.flush()
            found, number = Adopted(), self.change + 1
            days = {day for own in (self, other) for r in ranges for day in own.days(channel, *r)}
            adoption = Adoption(ranges, unreadable, fed, number)
            for day in sorted(days):
                for own in self._adopt_day(channel, day, other, adoption):
                    found = Adopted(*map(add, found, own))
            for start, end in ranges:
                contested = sum(self._store.count_conflicts(channel, start, end))
                found = found._replace(before=found.before + contested)
                self._store.drop_conflicts(channel, start, end)
                self._store.add_conflicts(other._store.conflicts(channel, start, end))
            if found.differing:
                self.change = number
                self._recent = Recent(number)
            return found

    def _adopt_day(
        self, channel: str, day: int, other: "Series", adoption: Adoption
    ) -> Iterator[Adopted]:
        """Part by part, each written before the next one is read."""
        last = self._store.part_rows(channel, day)
        parts = self._store.parts(channel, day) or other._parts(channel, day)
        for part in parts:
            is_last = part.until_ns == END_NS
            old = last if is_last else self._store.part_rows(channel, day, part.until_ns)
            taken = other._day_rows(channel, day, part.from_ns, part.until_ns)
            wanted = within(taken["time_ns"], adoption.ranges)
            wanted &= within(taken["time_ns"], [part[:2]])
            taken = self._translated(other, taken[wanted])
            rows, gone, counts = adoption.combined(old, taken)
            self._unwritten.withdrawn.append((adoption.number, Withdrawal(channel, gone)))
            self._write_out()
            if counts.differing:
                end = self._store.put_part(channel, day, part.until_ns, rows, self.name)
                last = end if end is not None else last
            yield counts
        self._store.put_last(channel, day, last, self.name)

    def _translated(self, other: "Series", rows: Rows) -> Rows:
        rows = rows.copy()
        for number in np.unique(rows["derivation"]):
            id = other.name(int(number))
            own = self._number(id, {id: other.derivation_text(id) or ""})
            rows["derivation"][rows["derivation"] == number] = -1 - own
        rows["derivation"] = -1 - rows["derivation"]
        return rows

    def _publish(self, number: int, accepted: list[Observations], withdrawn: _Gone) -> Change:
        gone = tuple(
            Withdrawal(channel, np.concatenate(times))
            for channel, times in withdrawn.items()
            if any(map(len, times))
        )
        change = Change(number, tuple(accepted), gone)
        if not len(change):
            return change
        self.change = number
        self._unwritten.withdrawn += [(number, withdrawal) for withdrawal in gone]
        self._recent.add(change)
        return change

    def flush(self, checkpoints: Mapping[str, str] | None = None) -> None:
        """Write the open blocks, and with them, in one transaction, where to go on from."""
        with self.unseen():
            self._write_out()
            for name, json in (checkpoints or {}).items():
                self._store.set_checkpoint(name, json)

    def flush_notes(self, checkpoints: Mapping[str, str]) -> None:
        """Write checkpoints of their own, that say nothing of what the blocks hold."""
        with self._lock:
            self._store.begin()
            try:
                for name, json in checkpoints.items():
                    self._store.set_checkpoint(name, json)
                self._store.commit()
            except BaseException:
                self._store.rollback()
                raise

    def _write_out(self) -> None:
        new, self._unwritten = self._unwritten, Unwritten()
        for number, id, text in new.derivations:
            self._store.add_derivation(number, id, text)
        for (channel, day), block in new.blocks.items():
            if block.unwritten:
                self._store.merge(channel, day, block.rows(), self.name)
        self._store.add_conflicts(new.all_conflicts())
        for number, gone in new.withdrawn:
            self._store.add_withdrawn(gone.channel, gone.times_ns, number)
        self._store.set_checkpoint("change", str(self.change))

    def sum_again(self) -> None:
        """Count every row and conflict once more for what is kept of how many there are."""
        with self.unseen():
            self._store.sum_again()

    def forget_withdrawn(self, up_to_change: int) -> None:
        """Drop the marks of withdrawn points that every sink has passed."""
        with self._lock:
            self._store.forget_withdrawn(up_to_change)

    def recent(self, after_change: int, limit: int) -> list[Change] | None:
        """Changes in memory above that one, some `limit` rows; None when memory begins later."""
        with self._lock:
            return self._recent.above(after_change, limit)

    def recent_bytes(self, after_change: int) -> int | None:
        """What the changes above that one take in memory; None when memory begins later."""
        with self._lock:
            return self._recent.bytes_above(after_change)

    def _number(self, id: str, texts: Mapping[str, str]) -> int:
        number = self._numbers.get(id)
        if number is None:
            number = self._numbers[id] = len(self._numbers) + 1
            self._names[number] = id
            self._unwritten.derivations.append((number, id, texts[id]))
        return number

    def _block(self, channel: str, day: int) -> OpenBlock:
        block = self._unwritten.blocks.get((channel, day))
        if block is None:
            head, rows = self._store.head(channel, day), self._last_part(channel, day)
            last_ns = int(rows["time_ns"][-1]) if len(rows) else NEVER_NS
            block = OpenBlock(head.n if head else 0, last_ns)
            self._unwritten.blocks[channel, day] = block
        return block


def _rank(row: np.void) -> tuple[int, int]:
    """The lower one stands."""
    return int(row["rank"]), int(row["sequence"])


def rows_of(run: Observations, derivation: int, change: int) -> Rows:
    rows = np.empty(len(run), ROW)
    for name in COLUMNS:
        rows[name] = getattr(run, name)
    rows["support_ns"] = run.time_ns - run.start_ns
    rows["rank"] = run.rank
    rows["derivation"] = derivation
    rows["change"] = change
    return rows


def days_of(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """(UTC day since 1970, its rows); cheap for rows of a single day."""
    days = rows["time_ns"] // DAY_NS
    if days[0] == days[-1] and (days == days[0]).all():
        yield int(days[0]), rows
        return
    steps = np.diff(days)
    if (steps < 0).any():
        order = np.argsort(days, kind="stable")
        rows, steps = rows[order], np.diff(days[order])
    for part in np.split(rows, np.flatnonzero(steps) + 1):
        yield int(part["time_ns"][0] // DAY_NS), part


def follows(rows: Rows, last_ns: int) -> bool:
    """Whether the rows lie behind that time, each behind the one before."""
    times = rows["time_ns"]
    return bool(times[0] > last_ns and (times[1:] > times[:-1]).all())
