"""How much values of a channel differ from what they would be: counts, sizes, flags, a sketch."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edaphon.derive.projection import Part
from edaphon.model import Float, Int, Observations, Small

__all__ = ["BINS", "Comparison", "Sketch"]

BINS = 360
ABSENT = 0  # stands for the flag of a row that is not there


@dataclass(slots=True, eq=False)
class Sketch:
    """The lowest and highest value of each of BINS stretches of time, before and after; NaN: none.

    Rows are: lowest before, highest before, lowest after, highest after.
    """

    start_ns: int
    end_ns: int
    ends: Float = field(default_factory=lambda: np.full((4, BINS), np.nan))

    def add(self, time_ns: Int, value: Float, after: bool) -> None:
        good = np.isfinite(value)
        share = (time_ns[good] - self.start_ns) / max(self.end_ns - self.start_ns, 1)
        at = np.clip((share * BINS).astype(np.int64), 0, BINS - 1)
        row = 2 * after
        np.fmin.at(self.ends[row], at, value[good])
        np.fmax.at(self.ends[row + 1], at, value[good])


@dataclass(slots=True, eq=False)
class Comparison:
    """Filled part by part; sizes are in the channel's unit, `largest` with its sign.

    `flags[a, b]` counts rows whose flag goes from a to b, 0 for a row that is not there.
    """

    sketch: Sketch
    rows: int = 0  # before or after
    changed: int = 0  # rows with another number, an uncertainty or a flag
    moved: int = 0  # of those, with a value before and after that differ
    sum: float = 0.0
    largest: float = 0.0
    largest_ns: int | None = None
    lost: int = 0  # a value before, none after
    gained: int = 0
    flags: Int = field(default_factory=lambda: np.zeros((10, 10), np.int64))
    first_ns: int | None = None
    last_ns: int | None = None

    @property
    def mean(self) -> float:
        """Mean change of the values that move."""
        return self.sum / self.moved if self.moved else 0.0

    def add(self, part: Part) -> None:
        before, after = _columns(part.old), _columns(part.new)
        self.sketch.add(before.time_ns, before.value, after=False)
        self.sketch.add(after.time_ns, after.value, after=True)
        time_ns = np.union1d(before.time_ns, after.time_ns)
        old, new = before.at(time_ns), after.at(time_ns)
        self.rows += len(time_ns)
        self.flags += np.bincount(old.flag * 10 + new.flag, minlength=100).reshape(10, 10)
        differs = (old.flag != new.flag) | _differ(old.value, new.value)
        differs |= _differ(old.u_random, new.u_random) | _differ(old.u_systematic, new.u_systematic)
        self.changed += int(differs.sum())
        if differs.any():
            ends = time_ns[differs]
            self.first_ns = int(ends[0]) if self.first_ns is None else self.first_ns
            self.last_ns = int(ends[-1])
        self._add_values(time_ns, old.value, new.value)

    def _add_values(self, time_ns: Int, old: Float, new: Float) -> None:
        there, then = ~np.isnan(old), ~np.isnan(new)
        self.lost += int((there & ~then).sum())
        self.gained += int((then & ~there).sum())
        by = new - old
        moved = there & then & (by != 0.0)
        if moved.any():
            self.moved += int(moved.sum())
            self.sum += float(by[moved].sum())
            at = int(np.nanargmax(np.where(moved, np.abs(by), np.nan)))
            if self.largest_ns is None or abs(by[at]) > abs(self.largest):
                self.largest, self.largest_ns = float(by[at]), int(time_ns[at])


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    time_ns: Int
    value: Float
    u_random: Float
    u_systematic: Float
    flag: Small | Int

    def at(self, time_ns: Int) -> "_Columns":
        """The rows of these times; one that is not there has no numbers and the flag ABSENT."""
        place = np.searchsorted(time_ns, self.time_ns)

        def spread(column: Float) -> Float:
            found = np.full(len(time_ns), np.nan)
            found[place] = column
            return found

        flag = np.full(len(time_ns), ABSENT, np.int64)
        flag[place] = self.flag
        return _Columns(
            time_ns, spread(self.value), spread(self.u_random), spread(self.u_systematic), flag
        )


def _columns(runs: list[Observations]) -> _Columns:
    none = [np.zeros(0)]
    return _Columns(
        np.concatenate([np.zeros(0, np.int64), *(run.time_ns for run in runs)]),
        np.concatenate(none + [run.value for run in runs]),
        np.concatenate(none + [run.u_random for run in runs]),
        np.concatenate(none + [run.u_systematic for run in runs]),
        np.concatenate([np.zeros(0, np.int8), *(run.flag for run in runs)]),
    )


def _differ(a: Float, b: Float) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (a == b) | (np.isnan(a) & np.isnan(b))
    return ~same
