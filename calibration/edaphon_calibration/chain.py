"""The chain from a reported number to a trusted one: conversions, curves, uncertainty."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import AT_ONCE, Bools, Float, Number
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.propagation import Known, through
from edaphon_calibration.steps import SecondInput, Step, prepare_step
from edaphon_calibration.uncertainty import random_variance
from edaphon_calibration.units import SAME, Conversion

__all__ = ["Calibrated", "SecondInput", "Step", "apply_chain", "prepare_step"]


class Calibrated(NamedTuple):
    """Columns of equal length; `outside` marks values beyond the domain of a curve."""

    value: Float
    u_random: Float
    u_systematic: Float
    outside: Bools


class _Beside(NamedTuple):
    """What goes with one step: years since its calibration, second input, progress."""

    age: Number
    second: SecondInput | None
    share: Number | None

    def part(self, at: slice) -> "_Beside":
        second = self.second
        if second is not None:
            u_random, u_systematic = _part(second.u_random, at), _part(second.u_systematic, at)
            second = SecondInput(second.value[at], u_random, u_systematic)
        share = None if self.share is None else _part(self.share, at)
        return _Beside(_part(self.age, at), second, share)


def apply_chain(
    raw: Float,
    conversion: Conversion,
    steps: Sequence[Step],
    accuracy: Number = 0.0,
    repeatability: float = 0.0,
    resolution: float = 0.0,
    final: Conversion = SAME,
    ages: Sequence[Number] = (),
    seconds: Sequence[SecondInput | None] = (),
    progress: Sequence[Number | None] = (),
) -> Calibrated:
    """Numbers as reported (length >= 1) to values with uncertainty in the unit `final` leads to.

    `accuracy` (a standard uncertainty: see `from_limits`), `repeatability` and `resolution` are in
    the unit of `raw`. `ages` holds for each step the years since its calibration; it is needed only
    where a step drifts. What is not finite, or becomes so, is NaN in all three columns.
    `seconds` holds for each step its second input; a step that needs one and has none gives NaN.
    The correlation of a second input with the first is left out: an air pressure and a CO2 signal
    share no error, but a temperature that came out of the same sensor may.
    `progress` holds for each step how far each value lies between the calibration before (0) and
    after the deployment (1) [1]; it is needed only where a step has a `before`. Values are mixed,
    (1 - z) f_before(x) + z f_after(x), and so are slopes; the errors of the two calibrations are
    independent, those of x and of a second input the same in both. Beyond 0 to 1 the drift goes on,
    which is marked as outside.
    Uncertainty is first order, but for a step whose curve is `nonlinear` it is that of 512 fixed
    draws of all errors together, normal: see `scores.drawn_variance`, also for where it is NaN.
    The value is f(x) in any case.
    """
    n = len(raw)
    found = Calibrated(np.empty(n), np.empty(n), np.empty(n), np.zeros(n, np.bool_))
    besides = _besides(steps, ages, seconds, progress)
    u_random = sqrt(random_variance(repeatability, resolution)) * abs(conversion.scale)

    def calibrate(raw: Float, accuracy: Number, besides: list[_Beside], into: Calibrated) -> None:
        u_systematic = accuracy * conversion.scale
        known = Known(conversion.apply(raw), u_random, u_systematic * u_systematic)
        for step, beside in zip(steps, besides, strict=True):
            known = _through(step, known, beside, into.outside)
        _finish(known, final, into)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if n <= AT_ONCE:
            calibrate(raw, accuracy, besides, found)
            return found
        for start in range(0, n, AT_ONCE):
            at = slice(start, start + AT_ONCE)
            columns = (found.value[at], found.u_random[at], found.u_systematic[at])
            parts = [beside.part(at) for beside in besides]
            calibrate(raw[at], _part(accuracy, at), parts, Calibrated(*columns, found.outside[at]))
    return found


def _besides(
    steps: Sequence[Step],
    ages: Sequence[Number],
    seconds: Sequence[SecondInput | None],
    progress: Sequence[Number | None],
) -> list[_Beside]:
    """One for each step; raises ParameterError where a drifting step or a pair lacks its column."""
    nothing = (None,) * len(steps)
    if not ages and any(step.drift_per_year for step in steps):
        raise ParameterError("expected for each step the years since its calibration: one drifts")
    columns = (ages or (0.0,) * len(steps), seconds or nothing, progress or nothing)
    besides = [_Beside(*row) for row in zip(*columns, strict=True)]
    for step, beside in zip(steps, besides, strict=True):
        if step.before is not None and beside.share is None:
            raise ParameterError(
                "expected how far each value lies from the calibration before (0) to that after "
                f"the deployment (1): the step {step.curve.name} has both"
            )
    return besides


def _part(column: Number, at: slice) -> Number:
    return column[at] if isinstance(column, np.ndarray) else column


def _through(step: Step, known: Known, beside: _Beside, outside: Bools) -> Known:
    known, beyond = through(step, known, beside.second, beside.share)
    outside |= beyond
    if not step.drift_per_year:
        return known
    drift = step.drift_per_year * beside.age
    return known._replace(systematic=known.systematic + drift * drift)


def _finish(known: Known, final: Conversion, into: Calibrated) -> None:
    """The columns in the final unit, NaN in all where a value is not finite."""
    reach = abs(final.scale)
    np.copyto(into.value, final.apply(known.value))
    np.multiply(known.u_random, reach, out=into.u_random)
    np.sqrt(known.systematic, out=into.u_systematic)
    if reach != 1.0:
        np.multiply(into.u_systematic, reach, out=into.u_systematic)
    finite = np.isfinite(into.value)
    if not np.logical_and.reduce(finite):
        for column in into[:3]:
            column[~finite] = np.nan
