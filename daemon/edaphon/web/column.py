"""The soil column: channels by profile and depth, each with number, flag, age and line."""

import math
from dataclasses import dataclass
from itertools import groupby

from edaphon.web.hours import Hour, hours
from edaphon.web.line import Line, draw
from edaphon.web.numbers import decimals_for, pretty_unit, rounded
from edaphon.web.view import ChannelNow, Latest, Status
from edaphon.web.watch import Seen, window
from edaphon.web.words import Sign, age, flag_sign, moment, quantity_name, shortened

__all__ = ["Cell", "Column", "DepthRow", "columns", "latest_ns"]

NEVER = Sign("no value yet", "ring")
OLD = Sign("old", "triangle")
_INTERVALS = 3  # a value older than that many usual intervals is called old


@dataclass(frozen=True, slots=True)
class Cell:
    """One channel; `anchor` names its place on the page, `note` stands where a value is missing."""

    anchor: str
    id: str
    name: str
    value: str
    uncertainty: str
    unit: str
    note: str
    sign: Sign
    old: Sign | None
    age: str
    at: str
    line: Line | None
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


def columns(seen: Seen, now_ns: int) -> tuple[Column, ...]:
    """Profiles first, by plot and name; then what belongs to no profile."""
    numbered = sorted(enumerate(seen.status.channels), key=lambda c: _place(c[1]))
    cells = [(channel, _cell(n, channel, seen, now_ns)) for n, channel in numbered]
    grouped = groupby(cells, key=lambda c: (c[0].plot, c[0].profile))
    return tuple(
        Column(_title(plot, profile), bool(profile), _rows(list(group)))
        for (plot, profile), group in grouped
    )


def _title(plot: str, profile: str) -> str:
    words = [f"Profile {shortened(profile)}"] if profile else []
    words += [f"{'plot' if profile else 'Plot'} {shortened(plot)}"] if plot else []
    return ", ".join(words) or "Site and logger"


def _place(channel: ChannelNow) -> tuple[bool, bool, str, str, float, str, str]:
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


def _rows(cells: list[tuple[ChannelNow, Cell]]) -> tuple[DepthRow, ...]:
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
        return shortened(label), ""
    return f"{abs(depth):g}", "cm" if depth >= 0 else "cm above"


def _layer(depth: float | None) -> str:
    if depth is None:
        return "none"
    limits = {0.0: "litter", 10.0: "topsoil", 30.0: "upper", 60.0: "middle"}
    return next((name for limit, name in limits.items() if depth < limit), "subsoil")


def _cell(n: int, channel: ChannelNow, seen: Seen, now_ns: int) -> Cell:
    offset_s, latest = seen.status.site.utc_offset_s, channel.latest
    runs = seen.days.get(channel.id)
    start_ns, end_ns = window(now_ns)
    unit = pretty_unit(channel.unit)
    u = combined(latest)
    line = draw(runs or (), start_ns, end_ns, 2 * (u or 0.0))
    decimals = _decimals(latest, u, line)
    value, plus_minus = _number(latest, u, decimals)
    return Cell(
        anchor=f"c{n}",
        id=shortened(channel.id),
        name=shortened(quantity_name(channel.quantity)),
        value=value,
        uncertainty=plus_minus,
        unit=shortened(unit) if value else "",
        note=_note(latest),
        sign=flag_sign(latest.flag) if latest else NEVER,
        old=OLD if latest and runs is not None and _is_old(now_ns - latest.time_ns, line) else None,
        age=age(now_ns - latest.time_ns) if latest else "",
        at=moment(latest.time_ns, now_ns, offset_s) if latest else "",
        line=line,
        span=_span(line, decimals, unit) if runs is not None else "24 h line not available",
        hours=hours(runs or (), start_ns, end_ns, offset_s, decimals),
    )


def _is_old(age_ns: int, line: Line | None) -> bool:
    """Against the channel's own habit of the last day; a day without any value is old too."""
    return line is None or 0 < _INTERVALS * line.usual_ns < age_ns


def combined(latest: Latest | None) -> float | None:
    """Random and systematic standard uncertainty together; None when neither is known."""
    parts = (latest.u_random, latest.u_systematic) if latest else ()
    known = [u for u in parts if u is not None and math.isfinite(u)]
    return math.hypot(*known) if known else None


def _decimals(latest: Latest | None, u: float | None, line: Line | None) -> int:
    value = latest.value if latest else None
    if value is None:
        value = line.highest if line else None
    return decimals_for(value or 0.0, u)


def _number(latest: Latest | None, u: float | None, decimals: int) -> tuple[str, str]:
    if latest is None or latest.value is None:
        return "", ""
    return rounded(latest.value, decimals), rounded(u, decimals) if u else ""


def _note(latest: Latest | None) -> str:
    """What stands where there is no value."""
    if latest is None or latest.value is not None:
        return ""
    if latest.raw is None:
        return "no number came"
    return f"no value; reported number {rounded(latest.raw, decimals_for(latest.raw, None))}"


def _span(line: Line | None, decimals: int, unit: str) -> str:
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


def latest_ns(status: Status) -> int | None:
    """The time of the newest observation of any channel."""
    return max((c.latest.time_ns for c in status.channels if c.latest), default=None)
