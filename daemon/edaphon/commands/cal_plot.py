"""The picture of a fit as SVG: points with their bars, the curve with its band, residuals below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from xml.sax.saxutils import escape

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.fit import FitResult

__all__ = ["fit_svg"]

WIDTH, HEIGHT = 720, 620
LEFT, RIGHT = 90, 700
INK, CURVE, BAND, POINT = "#222", "#b03a2e", "#f2d7d5", "#1f618d"


@dataclass(frozen=True, slots=True)
class _Panel:
    """A frame in the picture [px], top first, and the numbers at its edges."""

    x: tuple[float, float]
    y: tuple[float, float]
    top: float
    bottom: float

    def across(self, x: float) -> float:
        return LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (RIGHT - LEFT)

    def down(self, y: float) -> float:
        share = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.bottom - share * (self.bottom - self.top)

    def at(self, x: float, y: float) -> str:
        return f"{self.across(x):.1f},{self.down(y):.1f}"


def fit_svg(
    fitted: FitResult, x: Float, y: Float, bars: Float, labels: tuple[str, str], title: str
) -> str:
    """`bars` are half lengths [unit of y]; `labels` say what x and y are, with their units."""
    along = np.linspace(*_wider(x), 121)
    curve, reach = fitted.value(along), fitted.expanded(along)
    good = np.isfinite(curve)
    reach = np.where(np.isfinite(reach), reach, 0.0)
    along, curve, reach = along[good], curve[good], reach[good]
    span = _wider(x)
    heights = np.concatenate([y - bars, y + bars, curve])
    above = _Panel(span, _wider(heights), 50.0, 400.0)
    ends = np.concatenate([fitted.residuals - bars, fitted.residuals + bars, [0.0]])
    below = _Panel(span, _wider(ends), 440.0, 560.0)
    parts = [
        *_frame(above, labels[1], False),
        *_frame(below, "residual", True),
        *_band(above, along, curve, reach),
        _path(above, along, curve, CURVE),
        _path(below, np.array(span), np.zeros(2), CURVE),
        *_points(above, x, y, bars),
        *_points(below, x, fitted.residuals, bars),
        _text((LEFT + RIGHT) / 2, HEIGHT - 12, labels[0]),
        _text((LEFT + RIGHT) / 2, 24, title),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return (
        f'{head} width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">\n'
        f"<title>{escape(title)}</title>\n"
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<clipPath id="upper"><rect x="{LEFT}" y="{above.top}" width="{RIGHT - LEFT}" '
        f'height="{above.bottom - above.top}"/></clipPath>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _wider(numbers: Float) -> tuple[float, float]:
    """From the lowest to the highest with a margin, of some width even where all are equal."""
    low, high = float(numbers.min()), float(numbers.max())
    margin = (high - low) * 0.06 or abs(low) * 0.1 or 1.0
    return low - margin, high + margin


def _frame(panel: _Panel, label: str, numbered: bool) -> Iterator[str]:
    height = panel.bottom - panel.top
    yield (
        f'<rect x="{LEFT}" y="{panel.top}" width="{RIGHT - LEFT}" height="{height}" '
        f'fill="none" stroke="{INK}"/>'
    )
    for tick in _ticks(panel.y, 5):
        at = panel.down(tick)
        yield f'<path d="M{LEFT - 5},{at:.1f}H{LEFT}" stroke="{INK}"/>'
        yield _text(LEFT - 8, at + 4, _number(tick), "end")
    for tick in _ticks(panel.x, 6):
        at = panel.across(tick)
        yield f'<path d="M{at:.1f},{panel.bottom}v5" stroke="{INK}"/>'
        if numbered:
            yield _text(at, panel.bottom + 19, _number(tick))
    middle = (panel.top + panel.bottom) / 2
    yield _text(18, middle, label, turned=True)


def _ticks(span: tuple[float, float], about: int) -> list[float]:
    """Round numbers within a span, some `about` of them."""
    rough = (span[1] - span[0]) / about
    if not (isfinite(rough) and rough > 0.0):
        return []
    power = 10.0 ** floor(log10(rough))
    step = next((m * power for m in (1, 2, 5) if m * power >= rough), 10 * power)
    first, last = ceil(span[0] / step), floor(span[1] / step)
    return [k * step for k in range(first, last + 1)]


def _number(tick: float) -> str:
    return f"{tick + 0.0:.6g}"


def _text(x: float, y: float, words: str, anchor: str = "middle", turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}"'
    return f"<text {place}{turn}>{escape(words)}</text>"


def _path(panel: _Panel, x: Float, y: Float, colour: str) -> str:
    line = " ".join(panel.at(*one) for one in _pairs(x, y))
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _band(panel: _Panel, x: Float, y: Float, reach: Float) -> Iterator[str]:
    """Where the curve lies with 95 %; it may leave the frame and is cut there."""
    if reach.any():
        around = [*_pairs(x, y + reach), *reversed(_pairs(x, y - reach))]
        corners = " ".join(panel.at(*one) for one in around)
        yield f'<polygon points="{corners}" fill="{BAND}" clip-path="url(#upper)"/>'


def _points(panel: _Panel, x: Float, y: Float, bars: Float) -> Iterator[str]:
    for (one, other), bar in zip(_pairs(x, y), bars.tolist(), strict=True):
        across, ends = panel.across(one), (panel.down(other - bar), panel.down(other + bar))
        if bar:
            yield f'<path d="M{across:.1f},{ends[0]:.1f}V{ends[1]:.1f}" stroke="{POINT}"/>'
        centre = f'cx="{across:.1f}" cy="{panel.down(other):.1f}"'
        yield f'<circle {centre} r="4" fill="{POINT}"/>'


def _pairs(x: Float, y: Float) -> Sequence[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))
