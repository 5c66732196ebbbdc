"""The series: current observations of every channel in day blocks, and what changed in them.

The open blocks are in memory and are lost with the process: the journal holds everything they
came from, and the checkpoint, written with them, says from where to derive again.

Every change has a number. A row carries the number of the change that made it what it is, so a
sink at change c is owed exactly the rows above c and the points withdrawn above c, whether it
lags by a second or by a month, and whatever the reason of a change was.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.model import Int, Observations
from edaphon.series.days import Adopted, Adoption, Days, Unwritten, is_sound
from edaphon.series.parts import Totals
from edaphon.series.reader import BEGIN_NS, END_NS
from edaphon.series.rows import (
    Change,
    Conflict,
    Contested,
    Recent,
    Rows,
    Withdrawal,
    changed_rows,
    conflict_of,
    contested,
    days_of,
    follows,
    further_of,
    judged,
    no_rows,
    ranked,
    replaced,
    revised,
    rows_of,
    runs_of,
    settled,
    without_a_number,
)
from edaphon.series.store import BlockHead, SeriesStore

__all__ = ["Adopted", "Series"]

_Part = tuple[Rows, Observations | None]  # rows of a day, and their run if they are all of it
_Gone = dict[str, list[Int]]  # times to withdraw, by channel
_NO_TIMES = np.empty(0, np.int64)


def cursor_name(sink: str) -> str:
    """The checkpoint of the series that keeps the last change a sink holds."""
    return f"sink:{sink}"


class Series:
    """One writer (the deriver), many readers; every method may be called from any thread."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._lock = threading.RLock()
        self._store = SeriesStore(path, read_only)
        try:
            self._begin()
        except BaseException:
            self._store.close()
            raise

    def _begin(self) -> None:
        self._store.check_checkpoints()
        self._numbers = self._store.derivations()
        self._names = {number: id for id, number in self._numbers.items()}
        self._days = Days(self._store, self._lock, self.name)
        self.change = int(self._store.checkpoint("change") or 0)
        self._recent = Recent(self.change)

    @property
    def _unwritten(self) -> Unwritten:
        return self._days.unwritten

    @_unwritten.setter
    def _unwritten(self, unwritten: Unwritten) -> None:
        self._days.unwritten = unwritten

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
                yield "" if is_sound(self._store, head) else f"{head.channel}, {day}: damaged rows"
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
            rows = self._days.rows(run.channel, time_ns // DAY_NS, time_ns, time_ns + 1)
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
                self._days.block(channel, day).put(rows, 0)
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
        block = self._days.block(channel, day)
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
        for part in self._days.parts(channel, day):
            if part.until_ns <= first or last < part.from_ns:
                continue
            own = rows[(times >= part.from_ns) & (times < part.until_ns)]
            if len(own):
                yield self._days.part_rows(channel, day, part), own

    def _decide(self, channel: str, current: np.void, row: np.void) -> np.void:
        """The current one of two rows of one time; the other is a conflict, unless it is revised.

        What lost before has lost against the row that is current now: what is counted
        must not depend on the order in which they came.
        """
        if (row["sequence"], row["rank"]) != (current["sequence"], current["rank"]):
            row, loser = ranked(current, row)
            if loser is current:
                for conflict in self._conflicts_at(channel, int(row["time_ns"])):
                    self._unwritten.add_conflict(judged(conflict, row))
            self._unwritten.add_conflict(conflict_of(channel, loser, row))
        same = not changed_rows(np.array([current]), np.array([row]))[0]
        return current if same else row

    def _conflicts_at(self, channel: str, time_ns: int) -> list[Conflict]:
        known = {c.key: c for c in self._store.conflicts(channel, time_ns, time_ns + 1)}
        return list((known | self._unwritten.conflicts.get((channel, time_ns), {})).values())

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
            number, differing, before, kept = self.change + 1, 0, 0, 0
            days = {day for own in (self, other) for r in ranges for day in own.days(channel, *r)}
            adoption = Adoption(ranges, unreadable, fed, number)
            for day in sorted(days):
                for own in self._adopt_day(channel, day, other, adoption):
                    differing, before = differing + own.differing, before + own.before
                    kept += own.kept
            for start, end in ranges:
                before += sum(self._store.count_conflicts(channel, start, end))
                self._store.drop_conflicts(channel, start, end)
                self._store.add_conflicts(other._store.conflicts(channel, start, end))
            if differing:
                self.change = number
                self._recent = Recent(number)
            return Adopted(differing, before, kept)

    def _adopt_day(
        self, channel: str, day: int, other: "Series", adoption: Adoption
    ) -> Iterator[Adopted]:
        """Part by part, each written before the next one is read."""
        last = self._store.part_rows(channel, day)
        parts = self._store.parts(channel, day) or other._days.parts(channel, day)
        for part in parts:
            is_last = part.until_ns == END_NS
            old = last if is_last else self._store.part_rows(channel, day, part.until_ns)
            taken = other._days.rows(channel, day, part.from_ns, part.until_ns)
            taken = self._translated(other, adoption.wanted(taken, part))
            new = adoption.combined(old, taken)
            self._unwritten.withdrawn.append((adoption.number, Withdrawal(channel, new.gone)))
            self._write_out()
            if new.differ:
                end = self._store.put_part(channel, day, part.until_ns, new.rows, self.name)
                last = end if end is not None else last
            yield new.counts
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

    def forget_withdrawn(self, up_to_change: int) -> None:
        """Drop the marks of withdrawn points that every sink has passed."""
        with self._lock:
            self._store.forget_withdrawn(up_to_change)

    # -- reading ---------------------------------------------------------------------------

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
                rows = self._days.rows(channel, day, start_ns, end_ns)
                inside = (rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns)
                found.extend(runs_of(channel, rows[inside], self.name))
            return found

    def runs(self, channel: str, start_ns: int, end_ns: int) -> Iterator[Observations]:
        """The same, with a part of a day in memory at a time."""
        for day in self.days(channel, start_ns, end_ns):
            for rows in self._days.each_part(channel, day, start_ns):
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
            rows = rows if len(rows) else self._days.last_part(channel, day)
            return next(runs_of(channel, rows[-1:], self.name))

    def count(self, channel: str | None = None) -> int:
        """How many observations are current."""
        with self._lock:
            n = self._store.count(channel)
            for (own, _), block in self._unwritten.blocks.items():
                if channel in {None, own}:
                    n += block.added
            return n

    def sum_again(self) -> None:
        """Count every row and conflict once more for what is kept of how many there are."""
        with self.unseen():
            self._store.sum_again()

    def kept_totals(self) -> Totals:
        """How many rows and conflicts each channel has in the file, as it keeps these sums."""
        with self._lock:
            return self._store.kept_totals()

    def totals(self) -> tuple[Totals, Totals]:
        """(what the file keeps of how many rows and conflicts there are, the same counted)."""
        with self._lock:
            return self._store.totals()

    def heads(self, channel: str | None = None) -> list[BlockHead]:
        """Every block's head with its digest, open blocks included, by channel and day."""
        with self._lock:
            return self._heads(channel)

    def changed_heads(self, after_change: int) -> list[BlockHead]:
        """Heads of the blocks that hold a row above that change."""
        with self._lock:
            stored = self._store.heads(None, after_change)
            heads = {(h.channel, h.day): h for h in stored}
            for channel, day in self._unwritten.blocks:
                heads[channel, day] = self._days.open_head(channel, day)
            return [h for h in heads.values() if h.last_change > after_change]

    def rows_above(
        self, channel: str, day: int, change: int, upto: int = 2**62, from_ns: int = BEGIN_NS
    ) -> Iterator[Observations]:
        """Rows of a day from a time on that the changes above one made, up to another; by time.

        A part of the day is in memory at a time.
        """
        for rows in self._days.each_part(channel, day, from_ns, change):
            wanted = (rows["change"] > change) & (rows["change"] <= upto)
            yield from runs_of(channel, rows[wanted & (rows["time_ns"] >= from_ns)], self.name)

    def withdrawn_above(self, change: int) -> list[Withdrawal]:
        with self._lock:
            unwritten = [gone for number, gone in self._unwritten.withdrawn if number > change]
            times: dict[str, list[Int]] = {}
            for gone in [*self._store.withdrawn(change), *unwritten]:
                times.setdefault(gone.channel, []).append(gone.times_ns)
            return [Withdrawal(c, np.unique(np.concatenate(t))) for c, t in times.items()]

    def recent(self, after_change: int, limit: int) -> list[Change] | None:
        """Changes in memory above that one, some `limit` rows; None when memory begins later."""
        with self._lock:
            return self._recent.above(after_change, limit)

    def recent_bytes(self, after_change: int) -> int | None:
        """What the changes above that one take in memory; None when memory begins later."""
        with self._lock:
            return self._recent.bytes_above(after_change)

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

    # -- within the lock -------------------------------------------------------------------

    def _number(self, id: str, texts: Mapping[str, str]) -> int:
        number = self._numbers.get(id)
        if number is None:
            number = self._numbers[id] = len(self._numbers) + 1
            self._names[number] = id
            self._unwritten.derivations.append((number, id, texts[id]))
        return number

    def _heads(self, channel: str | None) -> list[BlockHead]:
        heads = {(h.channel, h.day): h for h in self._store.heads(channel)}
        for own, day in self._unwritten.blocks:
            if channel in {None, own}:
                heads[own, day] = self._days.open_head(own, day)
        return [heads[key] for key in sorted(heads) if heads[key].n]
