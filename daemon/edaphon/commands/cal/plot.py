"""The picture of a fit as SVG: points with their bars, the curve with its band, residuals below."""

from collections.abc import Iterator

import numpy as np

from edaphon.svg import (
    HEIGHT,
    LEFT,
    RIGHT,
    Panel,
    band,
    frame,
    line,
    numbered,
    pairs,
    picture,
    ticks,
    wider,
    words_at,
)
from edaphon_calibration.arrays import Float
from edaphon_calibration.fit import FitResult

__all__ = ["fit_svg"]

CURVE, BAND, POINT = "#b03a2e", "#f2d7d5", "#1f618d"


def fit_svg(
    fitted: FitResult, x: Float, y: Float, bars: Float, labels: tuple[str, str], title: str
) -> str:
    """`bars` are half lengths [unit of y]; `labels` say what x and y are, with their units."""
    span = wider(x)
    along = np.linspace(*span, 121)
    curve, reach = fitted.value(along), fitted.expanded(along)
    good = np.isfinite(curve)
    reach = np.where(np.isfinite(reach), reach, 0.0)
    along, curve, reach = along[good], curve[good], reach[good]
    above = Panel(span, wider(np.concatenate([y - bars, y + bars, curve])), 50.0, 400.0)
    ends = np.concatenate([fitted.residuals - bars, fitted.residuals + bars, [0.0]])
    below = Panel(span, wider(ends), 440.0, 560.0)
    across = numbered(ticks(span, 6))
    parts = [
        *frame(above, labels[1], [(tick, "") for tick, _ in across]),
        *frame(below, "residual", across),
        *_band(above, along, curve, reach),
        line(above, along, curve, CURVE),
        line(below, np.array(span), np.zeros(2), CURVE),
        *_points(above, x, y, bars),
        *_points(below, x, fitted.residuals, bars),
        words_at((LEFT + RIGHT) / 2, HEIGHT - 12, labels[0]),
        words_at((LEFT + RIGHT) / 2, 24, title),
    ]
    return picture(title, above, parts)


def _band(panel: Panel, x: Float, y: Float, reach: Float) -> Iterator[str]:
    """Where the curve lies with 95 %; it may leave the frame and is cut there."""
    if reach.any():
        yield band(panel, x, y - reach, y + reach, f'fill="{BAND}" clip-path="url(#upper)"')


def _points(panel: Panel, x: Float, y: Float, bars: Float) -> Iterator[str]:
    for (one, other), bar in zip(pairs(x, y), bars.tolist(), strict=True):
        across, ends = panel.across(one), (panel.down(other - bar), panel.down(other + bar))
        if bar:
            yield f'<path d="M{across:.1f},{ends[0]:.1f}V{ends[1]:.1f}" stroke="{POINT}"/>'
        centre = f'cx="{across:.1f}" cy="{panel.down(other):.1f}"'
        yield f'<circle {centre} r="4" fill="{POINT}"/>'
