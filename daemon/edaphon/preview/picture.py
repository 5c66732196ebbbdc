"""The picture of what facts would change: values before and after, and by how much, over time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from edaphon import svg
from edaphon.derive.projection import BINS, Sketch
from edaphon.model import Float
from edaphon.preview import ChannelPreview

BEFORE, AFTER, CHANGE = "#7f8c8d", "#b03a2e", "#1f618d"
USAGE = 2
HOLE = 4
HOUR_S, DAY_S, MONTH_S = 3600, 86_400, 2_629_746
# The smallest step of which no more than some eight lie in the picture.
STEPS = (
    *((hours * HOUR_S, "%m-%d %H:%M") for hours in (0.25, 1, 3, 6, 12)),
    *((days * DAY_S, "%m-%d") for days in (1, 2, 5, 10)),
)
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


def change_svg(one: ChannelPreview) -> str:
    """The lowest and highest value in each stretch of time, and how much these move."""
    span, along, ends = _drawn(one.found.sketch)
    moved = ends[2:] - ends[:2]
    above = svg.Panel(span, _reach(ends), 70.0, 380.0)
    below = svg.Panel(span, _reach(np.append(moved, 0.0)), 420.0, 560.0)
    across = list(_times(*span))
    title = f"{one.channel}: {one.found.changed} of {one.found.rows} rows change"
    parts = [
        *svg.frame(above, f"value [{one.unit}]", [(tick, "") for tick, _ in across]),
        *svg.frame(below, f"change [{one.unit}]", across),
        *_envelope(above, along, ends[0], ends[1], BEFORE, "before"),
        *_envelope(above, along, ends[2], ends[3], AFTER, "after"),
        svg.line(below, np.array(span), np.zeros(2), BEFORE),
        *_envelope(below, along, np.fmin(*moved), np.fmax(*moved), CHANGE, "change"),
        svg.words_at((svg.LEFT + svg.RIGHT) / 2, svg.HEIGHT - 12, "time [UTC]"),
        svg.words_at((svg.LEFT + svg.RIGHT) / 2, 24, title),
        *_key(),
    ]
    return svg.picture(title, above, parts)


def _drawn(sketch: Sketch) -> tuple[tuple[float, float], Float, Float]:
    """(from when to when, middles of the stretches, ends) of the part that has values."""
    width = (sketch.end_ns - sketch.start_ns) / BINS
    there = np.flatnonzero(np.isfinite(sketch.ends).any(axis=0))
    if not len(there):
        there = np.arange(BINS)
    along = (sketch.start_ns + (there + 0.5) * width).astype(np.float64)
    span = float(along[0]) - width, float(along[-1]) + width
    return span, along, sketch.ends[:, there]


def _reach(numbers: Float) -> tuple[float, float]:
    good = numbers[np.isfinite(numbers)]
    return svg.wider(good) if len(good) else (0.0, 1.0)


def _envelope(
    panel: svg.Panel, x: Float, low: Float, high: Float, colour: str, name: str
) -> Iterator[str]:
    """A band for each stretch without a hole, with a line along its middle."""
    yield f'<g class="{name}">'
    for part in _unbroken(x, np.isfinite(low) & np.isfinite(high)):
        here, lows, highs = x[part], low[part], high[part]
        yield svg.band(panel, here, lows, highs, f'fill="{colour}" fill-opacity="0.25"')
        yield svg.line(panel, *_of_some_width(panel, here, (lows + highs) / 2), colour)
    yield "</g>"


def _unbroken(x: Float, good: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Neighbours in time; a hole is much longer than the usual distance."""
    steps = np.diff(x)
    begins = np.ones(len(x), bool)
    begins[1:] = ~good[:-1] | (steps > HOLE * np.median(steps)) if len(steps) else True
    edges = [*np.flatnonzero(begins).tolist(), len(x)]
    for begin, end in zip(edges, edges[1:], strict=False):
        here = begin + int(np.argmin(good[begin:end])) if not good[begin:end].all() else end
        if here > begin:
            yield slice(begin, here)


def _of_some_width(panel: svg.Panel, x: Float, y: Float) -> tuple[Float, Float]:
    """A single point as a dash that can be seen."""
    if len(x) > 1:
        return x, y
    half = (panel.x[1] - panel.x[0]) / 200
    return np.array([x[0] - half, x[0] + half]), np.repeat(y, 2)


def _key() -> Iterator[str]:
    for x, colour, words in ((svg.LEFT, BEFORE, "before"), (svg.LEFT + 100, AFTER, "after")):
        yield f'<path d="M{x},52h24" stroke="{colour}" stroke-width="6"/>'
        yield svg.words_at(x + 30, 56, words, "start")


def _times(start_ns: float, end_ns: float) -> Iterator[tuple[float, str]]:
    """Round times within a stretch with their words; of years the first of a month."""
    start, end = start_ns / 1e9, end_ns / 1e9
    rough = (end - start) / 8
    for step, form in STEPS:
        if step >= rough:
            for k in range(int(np.ceil(start / step)), int(end // step) + 1):
                yield k * step * 1e9, _moment(k * step).strftime(form)
            return
    months = next((m for m in MONTHS if m * MONTH_S >= rough), MONTHS[-1])
    first = _moment(start)
    for k in range((first.year * 12 + first.month) // months, 12 * 9999 // months):
        year, month = divmod(k * months, 12)
        at = datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
        if at > end:
            return
        if at >= start:
            yield at * 1e9, f"{year:04d}" if months >= 12 else f"{year:04d}-{month + 1:02d}"


def _moment(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
