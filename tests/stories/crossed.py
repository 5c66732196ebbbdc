"""A plot whose cables were crossed: what its probes say, and what follows from what is believed.

A second opinion in plain floats: nothing here is taken from the rooms.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum
from math import sqrt
from typing import NamedTuple

__all__ = [
    "BATH",
    "CHANNELS",
    "CONFIRMED",
    "FOUND",
    "INSTALLED",
    "MIDDLE",
    "N",
    "OF_C",
    "RECOVERED",
    "REPORTED",
    "RIGHT",
    "RIGHTED",
    "SERIALS",
    "SLOTS",
    "SLOT_NS",
    "SWAPPED",
    "WRONG",
    "Belief",
    "Line",
    "Value",
    "answer",
    "believed",
    "hanging",
    "instant",
    "names_of",
]

SLOT_NS = 8 * 3600 * 10**9
START_NS = 1_709_251_200 * 10**9  # 2024-03-01
DAYS = 450
N = 3 * DAYS
MIDDLE = N // 2
SLOTS = [START_NS + n * SLOT_NS for n in range(N + 1)]  # and the end
INSTALLED, RIGHTED, SWAPPED, REPORTED = (3 * day for day in (10, 365, 400, 403))  # slots
FOUND, CONFIRMED = 3 * 420, 3 * 440  # from the one to the other a check found a deviation

SERIALS = {"A": "T12-00041873", "B": "T12-00041874", "C": "T12-00052001"}
CHANNELS = {
    "P1-vwc-5": "volumetric_water_content",
    "P1-vwc-20": "volumetric_water_content",
    "P1-temp-5": "soil_temperature",
    "P1-temp-20": "soil_temperature",
}


class Belief(IntEnum):
    """What is known, in the order in which it came to be known."""

    FIRST = 0
    SWAP = 1  # that S-C hangs at address a since day 400
    CROSSED = 2  # that the cables were crossed for a year, and the plot installed on day 10
    SOIL = 3  # the soil calibration of 20 cm that is right
    DRIFT = 4  # what the thermometer of S-B showed in the bath after it was dug up
    CHECKED = 5  # what was found next to the thermometer at 20 cm


class Value(NamedTuple):
    """What must stand for one slot of a channel."""

    value: float
    raw: float
    u_random: float
    u_systematic: float
    flag: int


class Line(NamedTuple):
    """c0 + c1 x + c2 x², with the covariance of the three."""

    name: str
    c: tuple[float, float, float]
    covariance: tuple[tuple[float, ...], ...]

    def value(self, x: float) -> float:
        return self.c[0] + self.c[1] * x + self.c[2] * x * x

    def slope(self, x: float) -> float:
        return self.c[1] + 2 * self.c[2] * x

    def variance(self, x: float) -> float:
        powers = (1.0, x, x * x)
        rows = enumerate(self.covariance)
        return sum(powers[i] * powers[j] * c for i, row in rows for j, c in enumerate(row))


MINERAL = Line("mineral", (-0.6956, 3.879e-4, 0.0), (((0.03 / sqrt(3)) ** 2, 0, 0), (0,) * 3))
OF_C = Line("C-vwc", (-0.6731, 3.802e-4, 0.0), ((1.6e-5, -5.6e-9), (-5.6e-9, 2.5e-12)))
WRONG = Line(
    "soil-20",
    (0.021, 0.94, 0.15),
    ((4e-6, -1e-5, 1e-6), (-1e-5, 9e-5, -2e-5), (1e-6, -2e-5, 6e-5)),
)
RIGHT = Line("soil-20-again", (-0.012, 1.06, 0.0), ((9e-6, -2e-5), (-2e-5, 1.6e-4)))
BATH = Line("B-bath", (-0.35, 1.0, 0.0), ((0.0004,),))
RECOVERED = Line("B-recovered", (0.62, 0.985, 0.0), ((0.0009, -1e-5), (-1e-5, 4e-6)))


def instant(n: float) -> str:
    """The time of a slot, or of a place between two."""
    return datetime.fromtimestamp(START_NS // 10**9 + round(n * 8 * 3600), UTC).isoformat()


def stated(probe: str, n: int) -> tuple[str, str]:
    """(counts, temperature) of a probe at a slot; the last digit of each tells which it was."""
    own = "ABC".index(probe) + 1
    counts = f"+{2210 + 90 * (own % 3) + 37 * n % 101}.{n % 9}{own}"
    tenths = 20 + 53 * n % 211
    return counts, f"+{tenths // 10}.{tenths % 10}{own}"


def hanging(address: str, n: int) -> str:
    """The probe at an address; "" while one is swapped for another, in the rain."""
    if address == "b":
        return "B"
    return "A" if n < SWAPPED else "C" if n > SWAPPED else ""


def answer(address: str, n: int) -> tuple[str, ...]:
    """What the probe there says to aM!; nothing: it is silent."""
    probe = hanging(address, n)
    return (*stated(probe, n), "+12") if probe else ()


def feeding(depth: str, n: int, belief: Belief) -> tuple[str, str] | None:
    """(address, probe) that is believed to stand at a depth."""
    straight = True
    if belief >= Belief.CROSSED:
        if n < INSTALLED:
            return None
        straight = n >= RIGHTED
    if (depth == "5") != straight:
        return "b", "B"
    return "a", "C" if belief >= Belief.SWAP and n >= SWAPPED else "A"


def lines(channel: str, n: int, belief: Belief) -> tuple[str, list[tuple[Line, ...]]] | None:
    """(address, steps) of a channel; a step of two lines goes evenly from one to the other."""
    _, kind, depth = channel.split("-")
    fed = feeding(depth, n, belief)
    if fed is None:
        return None
    address, probe = fed
    if kind == "temp":
        pair = (BATH, RECOVERED) if belief >= Belief.DRIFT else (BATH,)
        return address, [pair] if probe == "B" else []
    steps: list[tuple[Line, ...]] = [(OF_C if probe == "C" else MINERAL,)]
    if depth == "20":
        steps.append((RIGHT if belief >= Belief.SOIL else WRONG,))
    return address, steps


def names_of(channel: str, n: int, belief: Belief) -> list[str]:
    """The calibrations of a value, of a pair the later one."""
    found = lines(channel, n, belief)
    return [step[-1].name for step in found[1]] if found else []


def believed(channel: str, belief: Belief, until: int = N) -> Iterator[tuple[int, Value]]:
    """(slot, value) of all that must be there, of the slots before `until`."""
    for n in range(until):
        found = lines(channel, n, belief)
        if found is not None and answer(found[0], n):
            yield n, _value(channel, n, belief, *found)


def _value(
    channel: str, n: int, belief: Belief, address: str, steps: list[tuple[Line, ...]]
) -> Value:
    temperature = "temp" in channel
    raw = float(answer(address, n)[temperature])
    u_random, accuracy = (0.1, 0.5) if temperature else (0.01, 0.0)
    value, random, systematic = raw, u_random / sqrt(12), accuracy * accuracy / 3
    for step in steps:
        shares = (1.0,) if len(step) == 1 else (1 - n / N, n / N)
        mixed = list(zip(shares, step, strict=True))
        slope = sum(share * line.slope(value) for share, line in mixed)
        own = sum(share * share * line.variance(value) for share, line in mixed)
        value = sum(share * line.value(value) for share, line in mixed)
        random, systematic = abs(slope) * random, slope * slope * systematic + own
    if channel == "P1-temp-20" and belief >= Belief.CHECKED and FOUND <= n < CONFIRMED:
        systematic += 1.5 * 1.5
    # Who is there is asked after the first record behind a silence: that one is not doubted yet.
    doubted = belief == Belief.FIRST and address == "a" and n > SWAPPED + 1
    return Value(value, raw, random, sqrt(systematic), 3 if doubted else 1)
