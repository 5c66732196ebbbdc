"""Standard uncertainty from limits, after a check in the field, and expanded to an interval."""

from collections.abc import Sequence
from math import atan, cos, floor, fsum, inf, isfinite, isnan, nan, pi, sin, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edaphon_calibration.arrays import Float
from edaphon_calibration.errors import ParameterError

_COVERAGE = 2.0  # the k of the expanded uncertainties in an E_n number


def from_limits(half_width: float) -> float:
    """The standard uncertainty of a maker's "± a": rectangular, a/√3 (JCGM 100:2008, 4.3.7).

    >>> round(from_limits(0.03), 5)
    0.01732
    """
    return half_width / sqrt(3.0)


class FieldCheck(NamedTuple):
    """A comparison at the place of the sensor, both in the unit of the values it is used for.

    `deviation` is instrument minus reference; `u` is the standard uncertainty of the reference,
    with what lies between the two: placement, soil, time.
    """

    deviation: float
    u: float


def widened(u_systematic: Float, check: FieldCheck) -> Float:
    """The systematic uncertainty after a check in the field; NaN stays NaN.

    Where |d| <= 2 √(u_systematic² + u²), an E_n number of at most 1 with k = 2, the check confirms
    and nothing changes. Elsewhere it is √(u_systematic² + d²): a deviation that is known and not
    corrected is part of the uncertainty.

    References: E_n: ISO/IEC 17043 and ISO 13528. JCGM 100:2008, 6.3.1 NOTE and F.2.4.5. Root sum of
    squares with the deviation: "About not Correcting for Systematic Effects", Measurement Science
    Review 2019, doi:10.2478/msr-2019-0026.
    Notes: the GUM asks for a correction and wants enlarging avoided; where it lets one correction
    stand for a range (F.2.4.5), it adds the variance of what is left. This rule takes from there
    only that what is left uncorrected counts as a variance, and here all of d is left: one check
    does not say if it is an offset, a gain or the place. It is the root mean square error to
    be expected, not a standard uncertainty of the best estimate: who trusts d should correct by a
    calibration. The uncertainty of the reference decides if d is real and is not added again.

    >>> widened(np.array([0.02, 0.03, np.nan]), FieldCheck(deviation=-0.06, u=0.01)).round(4)
    array([0.0632, 0.03  ,    nan])
    """
    d, u = check
    confirmed = abs(d) <= _COVERAGE * np.sqrt(u_systematic * u_systematic + u * u)
    return np.where(confirmed, u_systematic, np.sqrt(u_systematic * u_systematic + d * d))


_MANY = 10_000  # degrees of freedom from which t is the normal distribution to four digits


def welch_satterthwaite(u: Sequence[float], dof: Sequence[float]) -> tuple[float, float]:
    """Combined standard uncertainty and its effective degrees of freedom (JCGM 100:2008, G.4.1).

    A component known from data sheets has `inf` degrees of freedom.

    >>> uc, nu = welch_satterthwaite([0.02, 0.03], [4, 9])
    >>> round(uc, 6), round(nu, 6)
    (0.036056, 13.0)
    """
    if len(u) != len(dof) or not u:
        raise ParameterError(
            f"expected for each uncertainty its degrees of freedom; came {len(u)} and {len(dof)}"
        )
    if any(part < 0.0 for part in u) or any(not nu > 0.0 for nu in dof):
        raise ParameterError("expected uncertainties >= 0 and degrees of freedom > 0")
    combined = sqrt(sum(part * part for part in u))
    share = sum(part**4 / nu for part, nu in zip(u, dof, strict=True) if isfinite(nu))
    return combined, combined**4 / share if share else inf


def coverage_factor(level: float, dof: float) -> float:
    """k for an interval that holds with probability `level`: two-sided t (JCGM 100:2008, G.3).

    Degrees of freedom that are no whole number count as the next lower one; below 1 there is no
    interval, which is NaN.

    >>> round(coverage_factor(0.95, 9.8), 2), round(coverage_factor(0.95, inf), 2)
    (2.26, 1.96)
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"expected a level between 0 and 1; came {level!r}")
    if not dof >= 1.0:
        return nan
    if dof >= _MANY:
        return NormalDist().inv_cdf(0.5 + level / 2.0)
    whole = floor(dof)
    low, high = 0.0, 1.0
    while _within(high, whole) < level:
        high *= 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _within(middle, whole) < level else (low, middle)
    return high


def _within(t: float, dof: int) -> float:
    """P(|T| <= t): Abramowitz and Stegun 1964, 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(dof))
    square, odd = cos(angle) ** 2, dof % 2
    if dof == 1:
        return 2.0 * angle / pi
    term, total = (cos(angle), cos(angle)) if odd else (1.0, 1.0)
    for k in range(2 if odd else 1, dof - 2, 2):
        term *= square * k / (k + 1)
        total += term
    return 2.0 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


class Aggregate(NamedTuple):
    """One number out of many, `n` of them present and `missing` not.

    `covered` is the share of the weight or time that had a value. Nothing is filled in: what is
    missing is neither in the value nor in its uncertainty.
    """

    value: float
    u_random: float
    u_systematic: float
    n: int
    missing: int
    covered: float

    @property
    def u(self) -> float:
        """Combined standard uncertainty."""
        return sqrt(self.u_random * self.u_random + self.u_systematic * self.u_systematic)

    def expanded(self, level: float = 0.95, dof_random: float = inf) -> float:
        """Half width of the interval; `dof_random` where u_random comes from n repeats: n - 1."""
        if isnan(self.u):
            return nan
        parts = (self.u_random, self.u_systematic)
        return self.u * coverage_factor(level, welch_satterthwaite(parts, (dof_random, inf))[1])


def mean(
    value: npt.ArrayLike,
    u_random: npt.ArrayLike,
    u_systematic: npt.ArrayLike,
    calibration: Sequence[object] | None = None,
    weight: npt.ArrayLike = 1.0,
) -> Aggregate:
    """The weighted mean of what is there; no value at all gives NaN. Unit of the values.

    `calibration` names for each value what made it (its derivation or certificates), None one for
    all. `weight` is at least 0.

    >>> day = mean([10.0, 12.0, 14.0, float("nan")], 0.3, 0.2)
    >>> day.value, round(day.u_random, 4), round(day.u_systematic, 4), day.missing
    (12.0, 0.1732, 0.2, 1)
    """
    columns = _columns(value, u_random, u_systematic, weight)
    there = ~np.isnan(columns[0])
    whole = fsum(columns[3][there])
    if not whole > 0.0:
        return Aggregate(nan, nan, nan, 0, int((~there).sum()), 0.0)
    return _added(columns, there, columns[3] / whole, calibration)


def total(
    value: npt.ArrayLike,
    u_random: npt.ArrayLike,
    u_systematic: npt.ArrayLike,
    calibration: Sequence[object] | None = None,
    step: npt.ArrayLike = 1.0,
) -> Aggregate:
    """The sum of value times `step` over what is there; its unit is that of the value times step's.

    `step` is the time that each value stands for, in the unit of time of a rate, so rates become an
    amount. Where `covered` is below 1 the sum lacks that time: fill or say so.

    >>> year = total([900.0 / 365] * 365, 0.2, 0.02 * 900.0 / 365)
    >>> round(year.value, 6), round(year.u_random, 4), round(year.u_systematic, 4)
    (900.0, 3.821, 18.0)
    """
    columns = _columns(value, u_random, u_systematic, step)
    return _added(columns, ~np.isnan(columns[0]), columns[3], calibration)


def relative_of_product(parts: Sequence[tuple[float, float]]) -> float:
    """Relative standard uncertainty of a product or quotient of independent (number, u) pairs.

    Reference: JCGM 100:2008, 5.1.6. A chamber flux is such a product of slope, volume, area,
    pressure, absolute temperature and the share of dry air.

    >>> round(relative_of_product([(6.36, 0.1), (99.4, 0.1)]), 6)
    0.015755
    """
    if any(number == 0.0 for number, _ in parts):
        raise ParameterError("expected factors other than 0; a relative uncertainty needs them")
    return sqrt(fsum((u / number) * (u / number) for number, u in parts))


def _columns(*numbers: npt.ArrayLike) -> list[Float]:
    """The columns at one length; raises ParameterError."""
    try:
        columns = [
            np.array(c) for c in np.broadcast_arrays(*(np.asarray(n, float) for n in numbers))
        ]
    except ValueError as error:
        raise ParameterError(f"expected columns of one length; {error}") from error
    value, *spread, weight = columns
    there = ~np.isnan(value)
    if value.ndim != 1:
        raise ParameterError(f"expected a row of values; came {value.ndim} dimensions")
    if any(not (part[there] >= 0.0).all() for part in (*spread, weight)):
        raise ParameterError("expected an uncertainty and a weight >= 0 for every value there is")
    return columns


def _added(
    columns: Sequence[Float],
    there: npt.NDArray[np.bool_],
    factor: Float,
    calibration: Sequence[object] | None,
) -> Aggregate:
    value, u_random, u_systematic, weight = (column[there] for column in columns)
    by = factor[there]
    scatter = by * u_random
    groups = _groups(calibration, there)
    common = [fsum((by * u_systematic)[group]) for group in groups]
    whole = fsum(columns[3][~np.isnan(columns[3])])
    return Aggregate(
        fsum(by * value),
        sqrt(fsum(scatter * scatter)),
        sqrt(fsum(part * part for part in common)),
        len(value),
        int((~there).sum()),
        fsum(weight) / whole if whole else 0.0,
    )


def _groups(
    calibration: Sequence[object] | None, there: npt.NDArray[np.bool_]
) -> list[npt.NDArray[np.bool_]]:
    """For each calibration which of the values present it made; raises ParameterError."""
    if calibration is None:
        return [np.ones(int(there.sum()), np.bool_)]
    if len(calibration) != len(there):
        raise ParameterError(
            f"expected for each value its calibration; came {len(there)} and {len(calibration)}"
        )
    numbers: dict[object, int] = {}
    of_value = np.array([numbers.setdefault(name, len(numbers)) for name in calibration], np.int64)
    return [of_value[there] == number for number in numbers.values()]
