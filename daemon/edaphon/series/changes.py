"""What one step changed in the series, and the latest changes in memory for sinks that keep up."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edaphon.model import DEMOTED_RANKS, Int, Observations
from edaphon.series.rows import Rows, changed_rows

RECENT_BYTES = 4_000_000  # a sink that lags more reads the blocks
_RUN_BYTES, _ROW_BYTES = 1300, 57  # what eight arrays take, measured, and what their rows do


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Points of a channel that must leave every sink."""

    channel: str
    times_ns: Int


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


class Conflict(NamedTuple):
    """A reading that does not stand, as another one of its channel and time [UTC ns] does.

    `sequence` and `rank` are its own, `ordinal` counts further readings of one record from 1;
    `standing` is the sequence of the one that stands, `agrees` 1 where both have the same number.
    """

    channel: str
    time_ns: int
    sequence: int
    rank: int
    ordinal: int
    raw: float | None
    standing: int
    agrees: int

    @property
    def key(self) -> tuple[str, int, int, int, int]:
        return self[:5]


class Contested(NamedTuple):
    """Readings that do not stand: contradictions to judge, the same number once more, and those
    over which a person or the whole line put another one."""

    conflicts: int = 0
    repeats: int = 0
    replaced: int = 0

    def plus(self, other: "Contested", sign: int = 1) -> "Contested":
        return Contested(*(a + sign * b for a, b in zip(self, other, strict=True)))


def contested(conflict: Conflict) -> Contested:
    """One conflict as what it counts for."""
    if conflict.agrees:
        return Contested(repeats=1)
    replaced = conflict.rank >= DEMOTED_RANKS
    return Contested(conflicts=int(not replaced), replaced=int(replaced))


def within(times_ns: Int, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(times_ns), bool)
    for start, end in ranges:
        inside |= (times_ns >= start) & (times_ns < end)
    return inside


def among(sequences: Int, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which of them lie in one of these ranges, ends included."""
    found = np.zeros(len(sequences), bool)
    for first, last in ranges:
        found |= (first <= sequences) & (sequences <= last)
    return found


def ranked(a: np.void, b: np.void) -> tuple[np.void, np.void]:
    """(the row that stands, the one that does not)."""
    first = (int(a["rank"]), int(a["sequence"])) <= (int(b["rank"]), int(b["sequence"]))
    return (a, b) if first else (b, a)


def conflict_of(channel: str, loser: np.void, winner: np.void) -> Conflict:
    lost = int(loser["time_ns"]), int(loser["sequence"]), int(loser["rank"])
    raw = float(loser["raw"])
    return judged(Conflict(channel, *lost, 0, None if raw != raw else raw, 0, 0), winner)


def further_of(run: Observations) -> Iterator[Conflict]:
    """The readings of a run that never stand, not yet held against the one that does."""
    assert run.ordinal is not None  # noqa: S101  the caller asked
    columns = run.time_ns, run.sequence, run.ordinal, run.raw
    for time_ns, sequence, ordinal, raw in zip(*(c.tolist() for c in columns), strict=True):
        number = None if raw != raw else raw
        yield Conflict(run.channel, time_ns, sequence, run.rank, ordinal, number, 0, 0)


def judged(conflict: Conflict, winner: np.void) -> Conflict:
    """The conflict with the row that stands now."""
    raw = float(winner["raw"])
    agrees = conflict.raw is None if raw != raw else conflict.raw == raw
    return conflict._replace(standing=int(winner["sequence"]), agrees=int(agrees))


def lost_numbers(old: Rows, new: Rows) -> npt.NDArray[np.bool_]:
    """Rows in which a field that had a number has none now: a sink would keep the old one."""
    lost = np.zeros(len(new), bool)
    for name in ("raw", "value", "u_random", "u_systematic"):
        lost |= ~np.isnan(old[name]) & np.isnan(new[name])
    return lost


def without_a_number(run: Observations) -> Int:
    """Times of the rows that lack any of their numbers."""
    lacks = np.zeros(len(run), bool)
    for column in (run.raw, run.value, run.u_random, run.u_systematic):
        lacks |= np.isnan(column)
    return run.time_ns[lacks]


def revised(channel: str, old: Rows, part: Rows) -> Rows:
    """A day's rows with those of `part` in the place of the same time, sequence and rank."""
    place = np.searchsorted(old["time_ns"], part["time_ns"])
    there = place < len(old)
    for name in ("time_ns", "sequence", "rank"):
        there[there] = old[name][place[there]] == part[name][there]
    if not there.all():
        missing = part[~there][0]
        raise KeyError(
            f"{channel}: expected a row of time {missing['time_ns']} ns, sequence "
            f"{missing['sequence']} and rank {missing['rank']}, found none; "
            f"new rows are merged, not revised"
        )
    if len(part) == len(old) and (place[1:] > place[:-1]).all():
        return part
    new = old.copy()
    new[place] = part
    return new


def replaced(old: Rows, new: Rows, change: int) -> tuple[Rows, npt.NDArray[np.bool_], Int]:
    """(the new rows with their change numbers, which of them differ, times to withdraw).

    Both in the order of time, each time once. What does not differ keeps its change number.
    """
    where = np.minimum(np.searchsorted(old["time_ns"], new["time_ns"]), max(len(old) - 1, 0))
    known = old["time_ns"][where] == new["time_ns"] if len(old) else np.zeros(len(new), bool)
    aligned = len(old) == len(new) and known.all()
    before = old if aligned else old[where] if len(old) else new
    differs = ~known | changed_rows(before, new)
    new = new.copy()
    new["change"] = np.where(differs, change, before["change"])
    emptied = known & differs & lost_numbers(before, new)
    vanished = np.ones(len(old), bool)
    vanished[where[known]] = False
    return new, differs, np.concatenate([old["time_ns"][vanished], new["time_ns"][emptied]])


def settled(
    old: Rows, new: Rows, decide: Callable[[np.void, np.void], np.void]
) -> tuple[Rows, Int, int]:
    """Rows at times that may be taken: (rows that are new or changed, times to withdraw, how many
    of the times are new). `decide` gives the current one of two rows of one time."""
    _, first = np.unique(new["time_ns"], return_index=True)
    added = np.zeros(len(new), bool)
    added[first] = True
    added &= ~np.isin(new["time_ns"], old["time_ns"])
    merged = np.concatenate([old, new[added]])
    merged = merged[np.argsort(merged["time_ns"], kind="stable")]
    for row in new[~added]:
        index = int(np.searchsorted(merged["time_ns"], row["time_ns"]))
        merged[index] = decide(merged[index], row)
    place = np.searchsorted(merged["time_ns"], old["time_ns"])
    differs = changed_rows(old, merged[place])
    emptied = differs & lost_numbers(old, merged[place])
    changed = np.ones(len(merged), bool)
    changed[place] = differs
    return merged[changed], old["time_ns"][emptied], len(merged) - len(old)
