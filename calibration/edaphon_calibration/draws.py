"""Any model of independent quantities: first order beside Monte Carlo (JCGM 101:2008).

For work by hand, a chamber flux say, where a curve and its chain do not reach. Where both disagree,
the draws are right: the first order misses what is bent or has no slope at the estimate.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.errors import ParameterError

__all__ = ["Drawn", "Normal", "Rectangular", "first_order", "propagate"]

Model = Callable[..., Float]


class Normal(NamedTuple):
    """A quantity known by its estimate and standard uncertainty."""

    estimate: float
    u: float

    def draw(self, rng: np.random.Generator, n: int) -> Float:
        return rng.normal(self.estimate, self.u, n)


class Rectangular(NamedTuple):
    """A quantity known to lie between two limits, and nothing else."""

    lowest: float
    highest: float

    @property
    def estimate(self) -> float:
        return (self.lowest + self.highest) / 2.0

    @property
    def u(self) -> float:
        return (self.highest - self.lowest) / sqrt(12.0)

    def draw(self, rng: np.random.Generator, n: int) -> Float:
        return rng.uniform(self.lowest, self.highest, n)


Quantities = Sequence[Normal | Rectangular]


class Drawn(NamedTuple):
    """Mean, standard uncertainty, and the ends of the interval with equal tails."""

    value: float
    u: float
    lowest: float
    highest: float


def propagate(
    model: Model,
    quantities: Quantities,
    level: float = 0.95,
    draws: int = 200_000,
    seed: int = 20080101,
) -> Drawn:
    """The distribution of model(first, second, …) by draws; raises ParameterError where it is NaN.

    >>> done = propagate(lambda x: x * x, [Normal(0.0, 1.0)])
    >>> round(done.value, 1), round(done.u, 1)
    (1.0, 1.4)
    """
    rng = np.random.default_rng(seed)
    y = np.asarray(model(*(quantity.draw(rng, draws) for quantity in quantities)), np.float64)
    if y.shape != (draws,) or not np.isfinite(y).all():
        raise ParameterError("expected a model that gives a finite number for every draw")
    ends = np.quantile(y, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Drawn(float(y.mean()), float(y.std(ddof=1)), float(ends[0]), float(ends[1]))


def first_order(model: Model, quantities: Quantities) -> tuple[float, float]:
    """The model at the estimates and its standard uncertainty (JCGM 100:2008, 5.1.3, note 2).

    >>> value, u = first_order(lambda x, y: x * y, [Normal(2.0, 0.1), Normal(3.0, 0.2)])
    >>> round(value, 9), round(u, 9)
    (6.0, 0.5)
    """
    at = [np.array([quantity.estimate]) for quantity in quantities]
    parts = []
    for k, quantity in enumerate(quantities):
        up, down = ([*at[:k], at[k] + sign * quantity.u, *at[k + 1 :]] for sign in (1.0, -1.0))
        parts.append(float((model(*up) - model(*down))[0]) / 2.0)
    return float(model(*at)[0]), sqrt(sum(part * part for part in parts))
