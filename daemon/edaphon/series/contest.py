"""Which of two rows of one time stands, what is lost by it, and what lies in a range of times."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edaphon.nouns import Int, Observations
from edaphon.series.rows import Rows, changed_rows

__all__ = [
    "Conflict",
    "conflict_of",
    "lost_numbers",
    "ranked",
    "replaced",
    "revised",
    "without_a_number",
    "within",
]

# channel, time [UTC ns], sequence and rank that lost, its raw number, sequence that stands,
# 1: they agree
Conflict = tuple[str, int, int, int, float | None, int, int]


def within(times_ns: Int, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(times_ns), bool)
    for start, end in ranges:
        inside |= (times_ns >= start) & (times_ns < end)
    return inside


def ranked(a: np.void, b: np.void) -> tuple[np.void, np.void]:
    """(the row that stands, the one that does not)."""
    first = (int(a["rank"]), int(a["sequence"])) <= (int(b["rank"]), int(b["sequence"]))
    return (a, b) if first else (b, a)


def conflict_of(channel: str, loser: np.void, winner: np.void) -> Conflict:
    raw, other = float(loser["raw"]), float(winner["raw"])
    agrees = raw == other or (raw != raw and other != other)
    number = None if raw != raw else raw
    lost = int(loser["time_ns"]), int(loser["sequence"]), int(loser["rank"])
    return (channel, *lost, number, int(winner["sequence"]), int(agrees))


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
