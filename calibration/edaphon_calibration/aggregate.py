"""Means and sums of values whose uncertainty is partly common to all of them.

Random parts are independent and add in quadrature: they shrink in a mean. The systematic part is
one and the same error in every value that one calibration made, so it adds straight within a
calibration and in quadrature between calibrations (JCGM 100:2008, 5.2.2). A plain quadrature of
totals makes the calibration's part of a sum of 365 days nineteen times too small.
"""

from collections.abc import Sequence
from math import fsum, inf, isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edaphon_calibration.arrays import Float
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.uncertainty import coverage_factor, welch_satterthwaite


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
