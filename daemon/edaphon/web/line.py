"""The 24 h line: columns of pixels with lowest and highest value, gaps as gaps, marks for flags."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edaphon.model import Float, Int, Observations, Small
from edaphon_calibration.flags import Flag

__all__ = ["HEIGHT", "WIDTH", "Line", "draw", "in_window"]

WIDTH, HEIGHT = 280, 56  # of the drawing, in its own pixels
_TOP, _BOTTOM = 5, HEIGHT - 5
_HUGE = 1e300  # spans beyond it overflow
_INTERVALS = 1.5  # a step longer than this many usual intervals is a gap


@dataclass(frozen=True, slots=True)
class Line:
    """Path data of one drawing; `n` observations, `missing_n` of them without a number.

    `gaps` counts the times without any observation between two of them; `usual_ns` is the median
    step between observations, 0 when there is but one.
    """

    path: str
    suspect: str
    failed: str
    missing: str
    gaps: int
    n: int
    missing_n: int
    usual_ns: float
    lowest: float | None
    highest: float | None


@dataclass(frozen=True, slots=True)
class _Scale:
    """From times and values to pixels; what is outside is drawn at the edge."""

    start_ns: int
    end_ns: int
    lowest: float
    span: float

    def x(self, time_ns: Int) -> Int:
        return (time_ns - self.start_ns) * WIDTH // (self.end_ns - self.start_ns)

    def y(self, value: Float) -> Float:
        share = np.clip((value - self.lowest) / self.span, 0.0, 1.0)
        return np.round(_BOTTOM - share * (_BOTTOM - _TOP), 1)


def draw(
    runs: Sequence[Observations], start_ns: int, end_ns: int, least_span: float = 0.0
) -> Line | None:
    """The drawing of [start_ns, end_ns); None without an observation.

    Failed values are marked but neither joined by the line nor given room on the scale. The scale
    is never narrower than `least_span` [unit of value], so that noise doesn't look like weather.
    """
    time_ns, value, flag = in_window(runs, start_ns, end_ns)
    if not len(time_ns):
        return None
    there = (np.abs(value) < _HUGE) & (flag != Flag.MISSING)  # NaN is not there either
    joined = there & (flag != Flag.FAIL)
    lowest, highest = _range(value[joined] if joined.any() else value[there])
    scale = _scale(start_ns, end_ns, lowest or 0.0, highest or 0.0, min(least_span, _HUGE))
    usual_ns = float(np.median(np.diff(time_ns))) if len(time_ns) > 1 else 0.0
    gap_ns = _INTERVALS * max(usual_ns, (end_ns - start_ns) / WIDTH)  # longer, and to be seen
    suspect, failed = (there & (flag == f) for f in (Flag.SUSPECT, Flag.FAIL))
    return Line(
        _path(scale, time_ns[joined], value[joined], gap_ns),
        _marks(scale, time_ns[suspect], value[suspect], "M{x},{y}m-4,4h8l-4,-8z"),
        _marks(scale, time_ns[failed], value[failed], "M{x},{y}m-4,-4l8,8m0,-8l-8,8"),
        _marks(scale, time_ns[~there], np.zeros(int((~there).sum())), "M{x},56v-7"),
        int((np.diff(time_ns) > gap_ns).sum()),
        len(time_ns),
        int((~there).sum()),
        usual_ns,
        lowest,
        highest,
    )


def in_window(runs: Sequence[Observations], start_ns: int, end_ns: int) -> tuple[Int, Float, Small]:
    """Times, values and flags of all runs in the window, in order of time."""
    if not runs:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8)
    time_ns = np.concatenate([run.time_ns for run in runs])
    value = np.concatenate([run.value for run in runs])
    flag = np.concatenate([run.flag for run in runs])
    order = np.argsort(time_ns, kind="stable")
    order = order[(time_ns[order] >= start_ns) & (time_ns[order] < end_ns)]
    return time_ns[order], value[order], flag[order]


def _range(value: Float) -> tuple[float | None, float | None]:
    return (float(value.min()), float(value.max())) if len(value) else (None, None)


def _scale(start_ns: int, end_ns: int, lowest: float, highest: float, least: float) -> _Scale:
    least = max(least, abs(highest) * 1e-6, 1e-12)
    if (span := highest - lowest) < least:
        return _Scale(start_ns, end_ns, (lowest + highest) / 2 - least / 2, least)
    return _Scale(start_ns, end_ns, lowest, span)


def _path(scale: _Scale, time_ns: Int, value: Float, gap_ns: float) -> str:
    """The line in pieces; each column runs from its lowest to its highest value."""
    if not len(time_ns):
        return ""
    after_gap = np.concatenate(([False], np.diff(time_ns) > gap_ns))
    x = scale.x(time_ns)
    first = np.flatnonzero(np.concatenate(([True], (np.diff(x) > 0) | after_gap[1:])))
    low = scale.y(np.minimum.reduceat(value, first))
    high = scale.y(np.maximum.reduceat(value, first))
    words: list[str] = []
    at = float(low[0])
    for column, a, b, opens in zip(x[first], low, high, after_gap[first], strict=True):
        near, far = (a, b) if abs(a - at) <= abs(b - at) else (b, a)
        words.append(_column(int(column), float(near), float(far), bool(opens) or not words))
        at = float(far)
    return "".join(words)


def _column(x: int, near: float, far: float, opens: bool) -> str:
    """One column of the line; a lone point becomes a line of no length, drawn as a dot."""
    start = f"M{x},{near:g}h0" if opens else f"L{x},{near:g}"
    return start if near == far else f"{start}V{far:g}"


def _marks(scale: _Scale, time_ns: Int, value: Float, shape: str) -> str:
    """One mark for each column that has any, at its last value."""
    x = scale.x(time_ns)
    last: npt.NDArray[np.intp] = np.flatnonzero(np.diff(x, append=np.int64(WIDTH + 1)) > 0)
    y = scale.y(value[last])
    return "".join(shape.format(x=int(a), y=f"{b:g}") for a, b in zip(x[last], y, strict=True))
