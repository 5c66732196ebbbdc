"""Rows of a day of one channel: their fixed layout, what changes in them, the latest changes."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edaphon.model import DEMOTED_RANKS, Int, Observations

# `derivation` is a number of the series' own table of derivations, `change` the number of the
# change that gave the row its present content; neither is part of a digest.
LARGEST_DAY = 4_000_000  # rows: 46 a second
_TIMES_AT_ONCE = 65_536
_ROWS_AT_ONCE = 10_000  # less than a megabyte
_NO_ORDER = "expected rows in the order of their times"
ROW = np.dtype(
    [
        ("time_ns", "<i8"),
        ("support_ns", "<i8"),
        ("raw", "<f8"),
        ("value", "<f8"),
        ("u_random", "<f8"),
        ("u_systematic", "<f8"),
        ("flag", "i1"),
        ("source_flag", "i1"),
        ("rank", "i1"),
        ("sequence", "<i8"),
        ("derivation", "<i4"),
        ("change", "<i8"),
    ]
)
Rows = npt.NDArray[np.void]
_DIGESTED = [name for name in ROW.names or () if name not in {"change", "derivation"}]
# Of these a run has columns of its own, and does not hold the rows in memory.
COLUMNS = [
    name
    for name in Observations.__match_args__
    if name in (ROW.names or ()) and name not in {"derivation", "rank"}
]
_COMPARED = ["derivation", *_DIGESTED]  # what mostly differs first


def no_rows() -> Rows:
    return np.empty(0, ROW)


def runs_of(channel: str, rows: Rows, name: Callable[[int], str]) -> Iterator[Observations]:
    """The rows as runs of one derivation each, in the order of the rows."""
    if not len(rows):
        return
    new = (np.diff(rows["derivation"]) != 0) | (np.diff(rows["rank"]) != 0)
    for part in np.split(rows, np.flatnonzero(new) + 1):
        columns = {column: np.ascontiguousarray(part[column]) for column in COLUMNS}
        start_ns = part["time_ns"] - part["support_ns"]
        yield Observations(
            channel=channel,
            derivation=name(int(part["derivation"][0])),
            start_ns=start_ns,
            rank=int(part["rank"][0]),
            **columns,
        )


def overlaid(rows: Rows, over: Rows) -> Rows:
    """Both in one, in the order of time; of two of one time that of `over`."""
    if not len(rows) or not len(over):
        return over if len(over) else rows
    if over["time_ns"][0] > rows["time_ns"][-1]:
        return np.concatenate([rows, over])
    at = np.searchsorted(rows["time_ns"], over["time_ns"])
    new = rows["time_ns"][np.minimum(at, len(rows) - 1)] != over["time_ns"]
    both = np.empty(len(rows) + np.count_nonzero(new), ROW)
    places = at + np.cumsum(new) - new  # behind the new ones before it
    free = np.ones(len(both), bool)
    free[places[new]] = False
    both[free] = rows
    both[places] = over
    return both


def changed_rows(old: Rows, new: Rows) -> npt.NDArray[np.bool_]:
    """Which of two row arrays of equal length differ in anything but their change number."""
    differs = np.zeros(len(new), bool)
    for name in _COMPARED:
        a, b = old[name], new[name]
        if ROW[name].kind == "f":
            differs |= ~((a == b) | ((a != a) & (b != b)))  # NaN equals NaN here
        else:
            differs |= a != b
        if differs.all():
            break
    return differs


def digest(rows: Rows, name: Callable[[int], str]) -> str:
    """16 hex digits over everything that a row means; equal for equal content on any machine."""
    hashed = hashlib.sha256()
    for field in _DIGESTED:
        hashed.update(np.ascontiguousarray(rows[field]).tobytes())
    numbers, index = np.unique(rows["derivation"], return_inverse=True)
    names = [name(int(number)) for number in numbers]
    order = np.argsort(np.array(names, dtype=object))
    place = np.empty(len(names), "<i4")
    place[order] = np.arange(len(names), dtype="<i4")
    hashed.update("\n".join(names[i] for i in order).encode())
    hashed.update(place[index].tobytes())
    return hashed.hexdigest()[:16]


def pack_rows(rows: Rows) -> bytes:
    """Column after column, deflated; a day of one channel at one minute takes some 20 kB."""
    columns = [np.ascontiguousarray(rows[name]).tobytes() for name in ROW.names or ()]
    return zlib.compress(b"".join(columns), 1)


def unpack_rows(data: bytes, n: int) -> Rows:
    """Raises ValueError where there are not n rows in the order of their times.

    Times that follow each other hardly pack: memory stays some dozen times that of `data`.
    """
    if not 0 <= n <= LARGEST_DAY:
        raise ValueError(f"expected a day of at most {LARGEST_DAY} rows, got {n}")
    unpacking = _Unpacking(data)
    rows = _at_once(unpacking, n) if n <= _ROWS_AT_ONCE else _by_columns(unpacking, n)
    if unpacking.more:
        raise ValueError(f"expected {n} rows, got more")
    return rows


def _at_once(unpacking: "_Unpacking", n: int) -> Rows:
    raw, at = unpacking.take(n * ROW.itemsize), 0
    rows = np.empty(n, ROW)
    for name in ROW.names or ():
        rows[name] = np.frombuffer(raw, ROW[name], n, at)
        at += ROW[name].itemsize * n
    if (rows["time_ns"][1:] <= rows["time_ns"][:-1]).any():
        raise ValueError(_NO_ORDER)
    return rows


def _by_columns(unpacking: "_Unpacking", n: int) -> Rows:
    times = unpacking.times(n)
    rows = np.empty(n, ROW)
    rows["time_ns"] = times
    for name in (ROW.names or ())[1:]:
        rows[name] = np.frombuffer(unpacking.take(n * ROW[name].itemsize), ROW[name])
    return rows


class _Unpacking:
    """What was deflated, as much of it at a time as is asked for."""

    def __init__(self, data: bytes) -> None:
        self._inflating, self._left = zlib.decompressobj(), data

    def take(self, size: int) -> bytes:
        """Raises ValueError where there are fewer bytes, zlib.error for what is damaged."""
        if not size:
            return b""  # for zlib 0 is no bound
        found = self._inflating.decompress(self._left, size)
        self._left = self._inflating.unconsumed_tail
        if len(found) != size:
            raise ValueError(f"expected {size} bytes more of rows, got {len(found)}")
        return found

    def times(self, n: int) -> Int:
        parts, last = [], -(2**63)
        for begin in range(0, n, _TIMES_AT_ONCE):
            part = np.frombuffer(self.take(8 * min(_TIMES_AT_ONCE, n - begin)), "<i8")
            if part[0] < last or (part[1:] <= part[:-1]).any() or (begin and part[0] == last):
                raise ValueError(_NO_ORDER)
            parts.append(part)
            last = int(part[-1])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    @property
    def more(self) -> bool:
        return not self._inflating.eof and bool(self._inflating.decompress(self._left, 1))


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Points of a channel that must leave every sink."""

    channel: str
    times_ns: Int


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


def within(numbers: Int, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which of them lie in one of these ranges, ends not included."""
    inside = np.zeros(len(numbers), bool)
    for start, end in ranges:
        inside |= (numbers >= start) & (numbers < end)
    return inside


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


Ranges = Sequence[tuple[int, int]]


class Adopted(NamedTuple):
    """What adopting changed: rows that differ now, and the readings that were held there before.

    `kept` rows stay though nothing was derived of their entries: these can't be read.
    """

    differing: int = 0
    before: int = 0
    kept: int = 0


class Adoption(NamedTuple):
    """Times [UTC ns) that are taken over, entries that can't be read (from and to the number of
    their sequence), times at which the channel is fed still, and the number of the change."""

    ranges: Ranges
    unreadable: Ranges
    fed: Ranges
    number: int

    def combined(self, old: Rows, taken: Rows) -> tuple[Rows, Int, Adopted]:
        """The rows of a part of the day now, the times that went [UTC ns], and what changed."""
        here = within(old["time_ns"], self.ranges)
        unread = within(old["sequence"], [(first, last + 1) for first, last in self.unreadable])
        stays = here & unread & within(old["time_ns"], self.fed)
        stays &= ~np.isin(old["time_ns"], taken["time_ns"])
        new = np.concatenate([old[~here | stays], taken])
        new = new[np.argsort(new["time_ns"], kind="stable")]
        rows, differs, gone = replaced(old, new, self.number)
        differing = int(differs.sum()) + len(gone)
        return rows, gone, Adopted(differing, int(here.sum()), int(stays.sum()))
