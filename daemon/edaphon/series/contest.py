"""Which of two rows of one time stands, what is lost by it, and what lies in a range of times."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edaphon.nouns import Int, Observations
from edaphon.series.rows import Rows

__all__ = [
    "Conflict",
    "conflict_of",
    "inside",
    "lost_numbers",
    "ranked",
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


def inside(time_ns: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start <= time_ns < end for start, end in ranges)


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


def without_a_number(run: Observations) -> list[int]:
    """Times of the rows that lack any of their numbers."""
    lacks = np.zeros(len(run), bool)
    for column in (run.raw, run.value, run.u_random, run.u_systematic):
        lacks |= np.isnan(column)
    times: list[int] = run.time_ns[lacks].tolist()
    return times
