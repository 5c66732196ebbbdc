"""Parts of a picture as SVG: frames with their ticks, lines, bands, words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from xml.sax.saxutils import escape

from edaphon_calibration.arrays import Float

WIDTH, HEIGHT = 720, 620
PICTURE = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'  # its begin
LEFT, RIGHT = 90, 700
INK = "#222"
Tick = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Panel:
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


def picture(title: str, upper: Panel, parts: Iterable[str]) -> str:
    """The whole file; parts may be cut at the frame of `upper` by clip-path="url(#upper)"."""
    return (
        f'{PICTURE} width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">\n'
        f"<title>{escape(title)}</title>\n"
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<clipPath id="upper"><rect x="{LEFT}" y="{upper.top}" width="{RIGHT - LEFT}" '
        f'height="{upper.bottom - upper.top}"/></clipPath>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def wider(numbers: Float) -> tuple[float, float]:
    """From the lowest to the highest with a margin, of some width even where all are equal."""
    low, high = float(numbers.min()), float(numbers.max())
    margin = (high - low) * 0.06 or abs(low) * 0.1 or 1.0
    return low - margin, high + margin


def frame(panel: Panel, label: str, across: Iterable[Tick]) -> Iterator[str]:
    """`across` are the ticks below; one without words is a stroke alone."""
    height = panel.bottom - panel.top
    yield (
        f'<rect x="{LEFT}" y="{panel.top}" width="{RIGHT - LEFT}" height="{height}" '
        f'fill="none" stroke="{INK}"/>'
    )
    for tick, words in numbered(ticks(panel.y, 5)):
        at = panel.down(tick)
        yield f'<path d="M{LEFT - 5},{at:.1f}H{LEFT}" stroke="{INK}"/>'
        yield words_at(LEFT - 8, at + 4, words, "end")
    for tick, words in across:
        at = panel.across(tick)
        yield f'<path d="M{at:.1f},{panel.bottom}v5" stroke="{INK}"/>'
        if words:
            yield words_at(at, panel.bottom + 19, words)
    yield words_at(18, (panel.top + panel.bottom) / 2, label, turned=True)


def ticks(span: tuple[float, float], about: int) -> list[float]:
    """Round numbers within a span, some `about` of them."""
    rough = (span[1] - span[0]) / about
    if not (isfinite(rough) and rough > 0.0):
        return []
    power = 10.0 ** floor(log10(rough))
    step = next((m * power for m in (1, 2, 5) if m * power >= rough), 10 * power)
    first, last = ceil(span[0] / step), floor(span[1] / step)
    return [k * step for k in range(first, last + 1)]


def numbered(at: Iterable[float]) -> list[Tick]:
    return [(tick, f"{tick + 0.0:.6g}") for tick in at]


def words_at(x: float, y: float, words: str, anchor: str = "middle", turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}"'
    return f"<text {place}{turn}>{escape(words)}</text>"


def line(panel: Panel, x: Float, y: Float, colour: str) -> str:
    points = " ".join(panel.at(*one) for one in pairs(x, y))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def band(panel: Panel, x: Float, low: Float, high: Float, look: str) -> str:
    """Between two lines; `look` are attributes such as fill."""
    around = [*pairs(x, high), *reversed(pairs(x, low))]
    corners = " ".join(panel.at(*one) for one in around)
    return f'<polygon points="{corners}" {look}/>'


def pairs(x: Float, y: Float) -> Sequence[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))
