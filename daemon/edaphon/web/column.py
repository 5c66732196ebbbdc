"""The soil column: channels by profile and depth, each with number, flag, age and line."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from edaphon.clock import HOUR_NS
from edaphon.model import Float, Int, Observations, Small
from edaphon.web import view
from edaphon_calibration.checks import Flag

_MICRO = frozenset({"um", "ug", "ul", "us", "umol", "uS", "uV", "uA", "uW"})
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECIMALS = 9
_LARGEST = 1e9


def decimals_for(value: float, u: float | None) -> int:
    """Places that show two significant digits of u, or four of the value when u isn't known."""
    return _decimals(value, 4) if u is None or u <= 0 else _decimals(u, 2)


def rounded(value: float, decimals: int) -> str:
    """At most `decimals` places (negative: tens, hundreds), powers of ten beyond 1e9 and 1e-9."""
    if abs(value) >= _LARGEST or decimals > _MOST_DECIMALS:
        return _signed(f"{value:.3g}")
    return _signed(f"{round(value, decimals):.{max(decimals, 0)}f}")


def count(n: int) -> str:
    """1234567 as 1 234 567, with spaces that don't break a line."""
    return _signed(f"{n:,}").replace(",", "\N{NARROW NO-BREAK SPACE}")


def pretty_unit(unit: str) -> str:
    """pint's spelling to the printed one: m**3/m**3 to m³/m³, uS/cm to µS/cm."""
    unit = re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_SUPERSCRIPT), unit)
    return re.sub(r"[A-Za-z_]+", lambda word: _symbol(word[0]), unit).replace("*", "·")


def _symbol(word: str) -> str:
    return view.NAMES["symbols"].get(word, "µ" + word[1:] if word in _MICRO else word)


def _decimals(number: float, digits: int) -> int:
    """Places after the point that show `digits` significant digits of the number."""
    if number == 0 or not math.isfinite(number):
        return digits - 1
    exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])  # 0.0996 counts as 0.10
    return digits - 1 - exponent


def _signed(text: str) -> str:
    if not text.strip("-0."):
        text = text.lstrip("-")  # no minus zero
    return text.replace("-", "\N{MINUS SIGN}")


WIDTH, HEIGHT = 280, 56  # of the drawing, in its own pixels
_TOP, _BOTTOM = 5, HEIGHT - 5
_HUGE = 1e300  # spans beyond it overflow
_GAP_INTERVALS = 1.5  # a step longer than this many usual intervals is a gap


@dataclass(frozen=True, slots=True)
class DayLine:
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
) -> DayLine | None:
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
    gap_ns = _GAP_INTERVALS * max(usual_ns, (end_ns - start_ns) / WIDTH)  # longer, and to be seen
    suspect, failed = (there & (flag == f) for f in (Flag.SUSPECT, Flag.FAIL))
    return DayLine(
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


@dataclass(frozen=True, slots=True)
class Hour:
    begin: str
    lowest: str
    highest: str
    flags: str


def hours(
    runs: Sequence[Observations], start_ns: int, end_ns: int, offset_s: int, decimals: int
) -> tuple[Hour, ...]:
    """Newest first, so the times need no date; hours without an observation are left out."""
    time_ns, value, flag = in_window(runs, start_ns, end_ns)
    hour = (time_ns + offset_s * 10**9) // HOUR_NS
    bounds = [*np.flatnonzero(np.diff(hour, prepend=hour[:1] - 1)), len(hour)]
    parts = [slice(a, b) for a, b in pairwise(bounds)][::-1]
    return tuple(_hour(time_ns[p], value[p], flag[p], offset_s, decimals) for p in parts)


def _hour(time_ns: Int, value: Float, flag: Small, offset_s: int, decimals: int) -> Hour:
    begin_ns = int(time_ns[0]) - (int(time_ns[0]) + offset_s * 10**9) % HOUR_NS
    there = value[np.isfinite(value)]
    low, high = (f(there) for f in (np.min, np.max)) if len(there) else (None, None)
    return Hour(
        view.time_of_day(begin_ns, offset_s),
        "–" if low is None else rounded(float(low), decimals),
        "–" if high is None else rounded(float(high), decimals),
        _flags(flag),
    )


def _flags(flag: Small) -> str:
    """The one flag of all, or how many have which."""
    found, n = np.unique(flag, return_counts=True)
    if len(found) == 1:
        return view.flag_sign(int(found[0])).word
    counted = zip(found, n, strict=True)
    return ", ".join(f"{k} {view.flag_sign(int(f)).word}" for f, k in counted if f != Flag.PASSED)


NEVER = view.Sign("no value yet", "ring")
OLD = view.Sign("old", "triangle")
_OLD_INTERVALS = 3  # a value older than that many usual intervals is called old


@dataclass(frozen=True, slots=True)
class Cell:
    """One channel; `anchor` is its place on the page, `note` is shown where a value is missing."""

    anchor: str
    id: str
    name: str
    value: str
    uncertainty: str
    unit: str
    note: str
    sign: view.Sign
    old: view.Sign | None
    age: str
    at: str
    line: DayLine | None
    span: str
    hours: tuple[Hour, ...]


@dataclass(frozen=True, slots=True)
class DepthRow:
    """The channels of one depth; `layer` is the ground's look: litter, topsoil ... or none."""

    depth: str
    unit: str
    layer: str
    first_of_mineral: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One profile; `profile` is False for the channels of a plot or site that have none."""

    title: str
    profile: bool
    rows: tuple[DepthRow, ...]


def columns(seen: view.LastStatus, now_ns: int) -> tuple[Column, ...]:
    """Profiles first, by plot and name; then what belongs to no profile."""
    numbered = sorted(enumerate(seen.status.channels), key=lambda c: _place(c[1]))
    cells = [(channel, _cell(n, channel, seen, now_ns)) for n, channel in numbered]
    grouped = groupby(cells, key=lambda c: (c[0].plot, c[0].profile))
    return tuple(
        Column(_title(plot, profile), bool(profile), _rows(list(group)))
        for (plot, profile), group in grouped
    )


def _title(plot: str, profile: str) -> str:
    words = [f"Profile {view.shortened(profile)}"] if profile else []
    words += [f"{'plot' if profile else 'Plot'} {view.shortened(plot)}"] if plot else []
    return ", ".join(words) or "Site and logger"


def _place(channel: view.ChannelNow) -> tuple[bool, bool, str, str, float, str, str]:
    depth = _depth(channel.depth_cm)
    return (
        not channel.profile,
        not channel.plot,
        channel.plot,
        channel.profile,
        math.inf if depth is None else depth,
        channel.depth_cm,
        channel.quantity,
    )


def _rows(cells: list[tuple[view.ChannelNow, Cell]]) -> tuple[DepthRow, ...]:
    """One row for each depth label; the surface is drawn above the first one in mineral soil."""
    rows: list[DepthRow] = []
    surface = False
    for label, group in groupby(cells, key=lambda c: c[0].depth_cm):
        depth = _depth(label)
        first = not surface and depth is not None and depth >= 0
        surface = surface or first
        rows.append(
            DepthRow(*_label(label, depth), _layer(depth), first, tuple(c for _, c in group))
        )
    return tuple(rows)


def _depth(label: str) -> float | None:
    """The nominal depth [cm], positive down; None for a label that is no number."""
    try:
        depth = float(label)
    except ValueError:
        return None
    return depth if math.isfinite(depth) else None


def _label(label: str, depth: float | None) -> tuple[str, str]:
    if depth is None:
        return view.shortened(label), ""
    return f"{abs(depth):g}", "cm" if depth >= 0 else "cm above"


def _layer(depth: float | None) -> str:
    if depth is None:
        return "none"
    limits = {0.0: "litter", 10.0: "topsoil", 30.0: "upper", 60.0: "middle"}
    return next((name for limit, name in limits.items() if depth < limit), "subsoil")


def _cell(n: int, channel: view.ChannelNow, seen: view.LastStatus, now_ns: int) -> Cell:
    offset_s, latest = seen.status.site.utc_offset_s, channel.latest
    runs = seen.days.get(channel.id)
    start_ns, end_ns = view.window(now_ns)
    unit = pretty_unit(channel.unit)
    u = combined(latest)
    line = draw(runs or (), start_ns, end_ns, 2 * (u or 0.0))
    decimals = _digits_of(latest, u, line)
    value, plus_minus = _number(latest, u, decimals)
    return Cell(
        anchor=f"c{n}",
        id=view.shortened(channel.id),
        name=view.shortened(view.quantity_name(channel.quantity)),
        value=value,
        uncertainty=plus_minus,
        unit=view.shortened(unit) if value else "",
        note=_note(latest),
        sign=view.flag_sign(latest.flag) if latest else NEVER,
        old=OLD if latest and runs is not None and _is_old(now_ns - latest.time_ns, line) else None,
        age=view.age(now_ns - latest.time_ns) if latest else "",
        at=view.moment(latest.time_ns, now_ns, offset_s) if latest else "",
        line=line,
        span=_span(line, decimals, unit) if runs is not None else "24 h line not available",
        hours=hours(runs or (), start_ns, end_ns, offset_s, decimals),
    )


def _is_old(age_ns: int, line: DayLine | None) -> bool:
    """Against the channel's own habit of the last day; a day without any value is old too."""
    return line is None or 0 < _OLD_INTERVALS * line.usual_ns < age_ns


def combined(latest: view.LatestValue | None) -> float | None:
    """Random and systematic standard uncertainty together; None when neither is known."""
    parts = (latest.u_random, latest.u_systematic) if latest else ()
    known = [u for u in parts if u is not None and math.isfinite(u)]
    return math.hypot(*known) if known else None


def _digits_of(latest: view.LatestValue | None, u: float | None, line: DayLine | None) -> int:
    value = latest.value if latest else None
    if value is None:
        value = line.highest if line else None
    return decimals_for(value or 0.0, u)


def _number(latest: view.LatestValue | None, u: float | None, decimals: int) -> tuple[str, str]:
    if latest is None or latest.value is None:
        return "", ""
    return rounded(latest.value, decimals), rounded(u, decimals) if u else ""


def _note(latest: view.LatestValue | None) -> str:
    """What is shown where there is no value."""
    if latest is None or latest.value is not None:
        return ""
    if latest.raw is None:
        return "no number came"
    return f"no value; reported number {rounded(latest.raw, decimals_for(latest.raw, None))}"


def _span(line: DayLine | None, decimals: int, unit: str) -> str:
    """The 24 h in words."""
    if line is None:
        return "nothing in 24 h"
    if line.lowest is None or line.highest is None:
        return "no number in 24 h"
    words = [f"{rounded(line.lowest, decimals)} to {rounded(line.highest, decimals)} {unit}"]
    if line.gaps:
        words.append(f"{line.gaps} gap{'s' if line.gaps > 1 else ''}")
    if line.missing_n:
        words.append(f"{line.missing_n} missing")
    return ", ".join(word.strip() for word in words)


def latest_ns(status: view.Status) -> int | None:
    """The time of the newest observation of any channel."""
    return max((c.latest.time_ns for c in status.channels if c.latest), default=None)
