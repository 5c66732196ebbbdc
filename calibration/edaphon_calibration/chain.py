"""The chain from a reported number to a trusted one: conversions, curves, uncertainty."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Number
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.steps import SecondInput, Step, prepare_step
from edaphon_calibration.uncertainty import parameter_variance, random_variance
from edaphon_calibration.units import SAME, Conversion

__all__ = ["Calibrated", "SecondInput", "Step", "apply_chain", "prepare_step"]


class Calibrated(NamedTuple):
    """Columns of equal length; `outside` marks values beyond the domain of a curve."""

    value: Float
    u_random: Float
    u_systematic: Float
    outside: Bools


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
    All of it is first order; for a curve that is `nonlinear` see `uncertainty.monte_carlo`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x = conversion.apply(raw)
        gain = conversion.scale * conversion.scale
        random: Number = random_variance(repeatability, resolution) * gain
        systematic: Number = accuracy * accuracy * gain
        outside = np.zeros(len(raw), np.bool_)
        columns = (_ages(steps, ages), seconds or (None,) * len(steps), _shares(steps, progress))
        for step, age, second, share in zip(steps, *columns, strict=True):
            beside = second if step.takes_second() else None
            at = _between(step, x, beside, share)
            random, systematic = _spread(at, random, systematic, beside)
            if step.drift_per_year:
                drift = step.drift_per_year * age
                systematic = systematic + drift * drift
            x = at.value
            outside |= at.outside
        x = final.apply(x)
        blank = x * 0.0  # NaN where there is no value, and the shape for a constant variance
        reach = abs(final.scale)
        return Calibrated(
            x + blank,
            np.sqrt(random) * reach + blank,
            np.sqrt(systematic) * reach + blank,
            outside,
        )


def _ages(steps: Sequence[Step], ages: Sequence[Number]) -> Sequence[Number]:
    """One age [years] for each step; raises ParameterError where a drifting step has none."""
    if ages or not any(step.drift_per_year for step in steps):
        return ages or (0.0,) * len(steps)
    raise ParameterError("expected for each step the years since its calibration: one drifts")


def _shares(steps: Sequence[Step], progress: Sequence[Number | None]) -> Sequence[Number | None]:
    """One progress [1] for each step; raises ParameterError where a pair has none."""
    shares = progress or (None,) * len(steps)
    for step, share in zip(steps, shares, strict=True):
        if step.before is not None and share is None:
            raise ParameterError(
                "expected how far each value lies from the calibration before (0) to that after "
                f"the deployment (1): the step {step.curve.name} has both"
            )
    return shares


class _Along(NamedTuple):
    """What one calibration makes of numbers: value, df/dx, df/dz, its own variance, outside."""

    value: Float
    slope: Float
    beside: Number
    own: Number
    outside: Bools


def _along(step: Step, came: Float, second: SecondInput | None) -> _Along:
    """A step that needs a second input and has none has NaN for it."""
    curve, p, x = step.curve, step.parameters, step.conversion.apply(came)
    inputs, outside = [x, p], step.outside(x)
    beside: Number = 0.0
    if curve.second is not None:
        z = np.full(len(x), np.nan) if second is None else second.value
        inputs.append(z)
        beside = curve.second.slope(x, p, z)
        outside |= curve.second.outside(z)
    own: Number = step.model * step.model
    if step.covariance is not None:
        own = own + parameter_variance(curve.gradient(*inputs), step.covariance)
    slope = curve.slope(*inputs) * step.conversion.scale
    return _Along(curve.value(*inputs), slope, beside, own, outside)


def _between(step: Step, x: Float, second: SecondInput | None, share: Number | None) -> _Along:
    """The step alone, or a share of the way from the calibration before to this one."""
    after = _along(step, x, second)
    if step.before is None or share is None:
        return after
    before, rest = _along(step.before, x, second), 1.0 - share

    def mixed(one: Number, two: Number, of_one: Number, of_two: Number) -> Float:
        # at either end the other calibration counts for nothing, not even where it has no value
        return np.where(share == 0.0, one, np.where(share == 1.0, two, of_one * one + of_two * two))

    return _Along(
        mixed(before.value, after.value, rest, share),
        mixed(before.slope, after.slope, rest, share),
        mixed(before.beside, after.beside, rest, share),
        mixed(before.own, after.own, rest * rest, share * share),
        before.outside | after.outside | (share < 0.0) | (share > 1.0),
    )


def _spread(
    at: _Along, random: Number, systematic: Number, second: SecondInput | None
) -> tuple[Number, Number]:
    """Both variances behind a step."""
    gain: Number = at.slope * at.slope
    random, systematic = gain * random, gain * systematic + at.own
    if second is not None:
        gain = at.beside * at.beside
        random = random + gain * (second.u_random * second.u_random)
        systematic = systematic + gain * (second.u_systematic * second.u_systematic)
    return random, systematic
