"""General shapes with the numbers of a certificate or of a person's own fit."""

from math import nan

import numpy as np

from edaphon_calibration.arrays import (
    Float,
    Int,
    finite,
    horner,
    horner_slope,
    nan_like,
    positive,
    powers,
    reciprocal,
)
from edaphon_calibration.curves.definition import Curve, Example, Second
from edaphon_calibration.curves.shapes import POLYNOMIAL, ROOT_LINE, no_parameters


def _offset(x: Float, p: Float) -> Float:
    return finite(x) + float(p[0])


def _offset_gradient(x: Float, p: Float) -> Float:
    return np.stack([nan_like(1.0, x)])


def _with_temperature(x: Float, p: Float, z: Float) -> Float:
    c0, c1, c2, t0, t1, s0, _ = p.tolist()
    x, warmer = finite(x), finite(z - float(p[6]))
    y: Float = c0 + x * (c1 + x * c2) + warmer * (t0 + t1 * x + s0 * warmer)
    return y


def _with_temperature_slope(x: Float, p: Float, z: Float) -> Float:
    warmer = finite(z - float(p[6]))
    return float(p[1]) + 2.0 * float(p[2]) * finite(x) + float(p[4]) * warmer


def _with_temperature_in_temperature(x: Float, p: Float, z: Float) -> Float:
    warmer = finite(z - float(p[6]))
    return float(p[3]) + float(p[4]) * finite(x) + 2.0 * float(p[5]) * warmer


def _with_temperature_gradient(x: Float, p: Float, z: Float) -> Float:
    x, warmer = finite(x), finite(z - float(p[6]))
    one = nan_like(1.0, x + warmer)
    rows = (one, x * one, x * x * one, warmer * one, x * warmer, warmer * warmer * one)
    return np.stack([*rows, -_with_temperature_in_temperature(x, p, z) * one])


def _rational_parts(x: Float, p: Float) -> tuple[Float, Float, Float]:
    """The coefficients below the line, 1 over it, and the value."""
    below = np.concatenate(([1.0], p[3:]))
    over = reciprocal(positive(horner(x, below)))
    return below, over, horner(x, p[:3]) * over


def _rational(x: Float, p: Float) -> Float:
    return _rational_parts(x, p)[2]


def _rational_slope(x: Float, p: Float) -> Float:
    below, over, y = _rational_parts(x, p)
    return (horner_slope(x, p[:3]) - y * horner_slope(x, below)) * over


def _rational_gradient(x: Float, p: Float) -> Float:
    _, over, y = _rational_parts(x, p)
    rows = powers(x, 3) * over
    return np.concatenate([rows, -rows[1:] * y])


_TABLE_MOST = 12


def _table_lines(x: Float, p: Float) -> tuple[Float, Float, Int, Float]:
    """The points' x and y, the number of the line that holds at x, and how far along it x is."""
    n = int(round(float(p[0])))
    xs, ys = p[1 : 2 * _TABLE_MOST : 2][:n], p[2 : 2 * _TABLE_MOST + 1 : 2][:n]
    if not 2 <= n <= _TABLE_MOST or (xs[1:] <= xs[:-1]).any():
        xs, ys = np.array([0.0, 1.0]), np.array([np.nan, np.nan])
    at = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 2)
    return xs, ys, at, nan_like((x - xs[at]) / (xs[at + 1] - xs[at]), x)


def _table(x: Float, p: Float) -> Float:
    _, ys, at, along = _table_lines(x, p)
    return ys[at] + along * (ys[at + 1] - ys[at])


def _table_slope(x: Float, p: Float) -> Float:
    xs, ys, at, along = _table_lines(x, p)
    return nan_like((ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]), along)


def _table_gradient(x: Float, p: Float) -> Float:
    _, _, at, along = _table_lines(x, p)
    steep = _table_slope(x, p)
    rows = nan_like(np.zeros((2 * _TABLE_MOST + 1, len(x))), along)
    column = np.arange(len(x))
    for place, share in ((at, 1.0 - along), (at + 1, along)):
        rows[1 + 2 * place, column] = -steep * share
        rows[2 + 2 * place, column] = share
    return rows


def _two_point(x: Float, p: Float) -> Float:
    return _two_point_way(x, p) * float(p[3] - p[2]) + float(p[2])


def _two_point_slope(x: Float, p: Float) -> Float:
    return nan_like(float(p[3] - p[2]) * _two_point_inverse(p), x)


def _two_point_gradient(x: Float, p: Float) -> Float:
    gain, way = float(p[3] - p[2]) * _two_point_inverse(p), _two_point_way(x, p)
    return np.stack([(way - 1.0) * gain, -way * gain, 1.0 - way, way])


def _two_point_way(x: Float, p: Float) -> Float:
    """How far from the low to the high reading x lies: 0 to 1 between them."""
    return (finite(x) - float(p[0])) * _two_point_inverse(p)


def _two_point_inverse(p: Float) -> float:
    span = float(p[1] - p[0])
    return 1.0 / span if span else nan


def _drift(x: Float, p: Float, z: Float) -> Float:
    way, _, rise = _drift_line(x, p, z)
    return way * rise + float(p[4])


def _drift_slope(x: Float, p: Float, z: Float) -> Float:
    _, inverse, rise = _drift_line(x, p, z)
    return nan_like(inverse * rise, x)


def _drift_gradient(x: Float, p: Float, z: Float) -> Float:
    way, inverse, rise = _drift_line(x, p, z)
    zero, span = (way - 1.0) * inverse * rise, -way * inverse * rise
    rows = (zero * (1.0 - z), span * (1.0 - z), zero * z, span * z, 1.0 - way, way)
    return np.stack(rows)


def _drift_slope_second(x: Float, p: Float, z: Float) -> Float:
    way, inverse, rise = _drift_line(x, p, z)
    drift_zero, drift_span = float(p[2] - p[0]), float(p[3] - p[1])
    return ((way - 1.0) * drift_zero - way * drift_span) * inverse * rise


def _drift_line(x: Float, p: Float, z: Float) -> tuple[Float, Float, float]:
    """How far x lies between zero and span, 1 over their distance in raw, and that in true."""
    z = finite(z)
    zero = (1.0 - z) * float(p[0]) + z * float(p[2])
    span = (1.0 - z) * float(p[1]) + z * float(p[3])
    inverse = reciprocal(span - zero)
    return (finite(x) - zero) * inverse, inverse, float(p[5] - p[4])


CURVES: tuple[Curve, ...] = (
    Curve(
        name="identity",
        title="The instrument's number as it is: for an output that needs no further calibration.",
        value=lambda x, p: finite(x),
        slope=lambda x, p: nan_like(1.0, x),
        gradient=no_parameters,
        parameters={},
        reference="definition",
        example=Example(12.25, 12.25),
    ),
    Curve(
        name="offset",
        title=(
            "One number added to what the instrument says: an ice bath, a comparison at one point."
        ),
        formula="y = x + offset [units stated by the calibration].",
        value=_offset,
        slope=lambda x, p: nan_like(1.0, x),
        gradient=_offset_gradient,
        parameters={"offset": None},
        reference="definition",
        example=Example(12.34, 12.224, parameters={"offset": -0.116}),
        notes="""References: definition. The ice point is 0.00 °C, in practice known to about 0.01
        °C.
        Notes: an offset found at one point says nothing of the slope; away from that point the
        uncertainty is larger than that of the offset. `fit_curve` makes offset and uncertainty from
        the readings.""",
    ),
    Curve(
        name="linear",
        title="A straight line with the two numbers of a certificate or of a person's own fit.",
        formula="y = offset + slope x [units stated by the calibration].",
        **POLYNOMIAL,
        parameters={"offset": 0.0, "slope": None},
        aliases={"c0": "offset", "c1": "slope"},
        reference="definition",
        example=Example(20.0, 19.96, parameters={"offset": -0.12, "slope": 1.004}),
    ),
    Curve(
        name="polynomial",
        title=(
            "A polynomial up to degree 6 with the coefficients of a certificate or of a "
            "person's own fit."
        ),
        formula=(
            "y = c0 + c1 x + … + c6 x⁶ [units stated by the calibration]; c1 must be given (1 "
            "for an offset\n"
            "alone), any other coefficient that is not given is 0. The curve has no domain of "
            "its own: the range\n"
            "in which a fit holds belongs to the calibration."
        ),
        **POLYNOMIAL,
        parameters={"c0": 0.0, "c1": None, "c2": 0.0, "c3": 0.0, "c4": 0.0, "c5": 0.0, "c6": 0.0},
        reference="definition",
        example=Example(20.0, 19.96, parameters={"c0": -0.12, "c1": 1.004}),
    ),
    Curve(
        name="polynomial_temperature",
        title=(
            "A line or parabola that shifts and turns with temperature: a person's own "
            "temperature correction."
        ),
        formula=(
            "y = c0 + c1 x + c2 x² + (t0 + t1 x) (T - T0) + s0 (T - T0)² [units stated by the "
            "calibration], T the\n"
            "second input, a temperature [°C]. c1 must be given (1 to correct a number that is "
            "right at T0), T0 is 20\n"
            "and any other coefficient 0 unless given."
        ),
        value=_with_temperature,
        slope=_with_temperature_slope,
        gradient=_with_temperature_gradient,
        parameters={
            "c0": 0.0,
            "c1": None,
            "c2": 0.0,
            "t0": 0.0,
            "t1": 0.0,
            "s0": 0.0,
            "temperature_0": 20.0,
        },
        compensates=("temperature",),
        second=Second("soil_temperature", "degC", _with_temperature_in_temperature),
        reference="definition",
        example=Example(0.25, 0.245, 30.0, {"c1": 1.0, "t0": -0.001, "t1": 0.002}),
        notes="""References: definition. Such corrections are fitted for dielectric probes and
        ISFETs in most soils laboratories; none is general, so none is given here.
        Notes: the curve has no domain of its own: the range of a fit belongs to the
        calibration.""",
    ),
    Curve(
        name="rational",
        title=(
            "A quotient of two polynomials with the coefficients of a certificate or of an own fit."
        ),
        formula=(
            "y = (a0 + a1 x + a2 x²) / (1 + b1 x + b2 x²) [units stated by the calibration]; a1 "
            "must be\n"
            "given, any other coefficient that is not given is 0."
        ),
        value=_rational,
        slope=_rational_slope,
        gradient=_rational_gradient,
        parameters={"a0": 0.0, "a1": None, "a2": 0.0, "b1": 0.0, "b2": 0.0},
        reference="definition",
        example=Example(2.0, 2.5, parameters={"a0": 1.0, "a1": 2.0, "b1": 0.5}),
        notes="""Notes: the branch that holds is the one around x = 0, where the denominator is 1;
        where it is not above 0 there is no value. The range in which a fit holds belongs to the
        calibration.""",
    ),
    Curve(
        name="square_root",
        title=(
            "A line in the square root: water content of the own soil from permittivity, as for "
            "a CS650."
        ),
        formula="θ = c0 + c1 √ε [m³/m³].",
        **ROOT_LINE,
        parameters={"c0": None, "c1": None},
        from_unit="dimensionless",
        to_unit="m**3/m**3",
        quantity="volumetric_water_content",
        domain=(1.0, 81.0),
        reference="Campbell Scientific CS650 manual, section 8.4",
        example=Example(16.0, 0.2794, parameters={"c0": -0.1758, "c1": 0.1138}),
        notes="""References: Campbell Scientific CS650 manual, section 8.4: soil-specific
        calibration, linear in √ε from three points on.
        Notes: the same line as `refractive_index`, with the coefficients that a regression gives.
        The domain is from air to water: the range in which a fit holds belongs to the
        calibration.""",
    ),
    Curve(
        name="table",
        title="A table of up to twelve points with straight lines between them.",
        formula=(
            "y is interpolated between (x1, y1), (x2, y2), … [units stated by the calibration]; "
            "`points` says how\n"
            "many of them hold, and x must rise. The first and the last line go on beyond the "
            "table: the range\n"
            "in which it holds belongs to the calibration."
        ),
        value=_table,
        slope=_table_slope,
        gradient=_table_gradient,
        parameters={
            "points": None,
            **{
                f"{axis}{k}": None if k <= 2 else 0.0
                for k in range(1, _TABLE_MOST + 1)
                for axis in "xy"
            },
        },
        reference="definition",
        example=Example(
            3.0, 5.5, parameters={"points": 3, "x1": 0, "y1": 1, "x2": 2, "y2": 5, "x3": 4, "y3": 6}
        ),
    ),
    Curve(
        name="two_point",
        title=(
            "A straight line through two comparisons: ice and warm bath, dry and wet, two buffers."
        ),
        formula=(
            "y = true_low + (x - reading_low) (true_high - true_low) / (reading_high - "
            "reading_low)\n"
            "[units stated by the calibration]."
        ),
        value=_two_point,
        slope=_two_point_slope,
        gradient=_two_point_gradient,
        parameters={"reading_low": None, "reading_high": None, "true_low": None, "true_high": None},
        reference="definition",
        example=Example(
            20.32,
            20.0,
            parameters={
                "reading_low": 0.12,
                "reading_high": 40.52,
                "true_low": 0.0,
                "true_high": 40.0,
            },
        ),
        notes="""References: definition.
        Notes: the parameters are what a certificate prints, so their covariance is what it states:
        usually the squares of four uncertainties. Beyond the two points the uncertainty grows with
        the distance. Two equal readings give no number.""",
    ),
    Curve(
        name="zero_span",
        title="A gas analyser checked with zero and span gas, once: the line through the two.",
        formula=(
            "C = zero_gas + (x - raw_zero) (span_gas - zero_gas) / (raw_span - raw_zero)\n"
            "[units stated by the calibration]."
        ),
        value=_two_point,
        slope=_two_point_slope,
        gradient=_two_point_gradient,
        parameters={"raw_zero": None, "raw_span": None, "zero_gas": 0.0, "span_gas": None},
        reference="definition",
        example=Example(
            412.7,
            408.028155,
            parameters={"raw_zero": 3.2, "raw_span": 1004.8, "zero_gas": 0.0, "span_gas": 998.0},
        ),
        notes="""References: definition (two points).
        Notes: the line holds from the day of the check on; the analyser drifts away from it. When
        the next check is known, `zero_span_drift` for the time between both replaces this:
        recompute from raw.""",
    ),
    Curve(
        name="zero_span_drift",
        title=(
            "An instrument checked at two points before and after: both points drift evenly in "
            "between."
        ),
        formula=(
            "With z from 0 (first check) to 1 (second check), raw_zero(z) and raw_span(z) go in "
            "a straight line\n"
            "from the first to the second pair, and C is that of `zero_span` with them\n"
            "[units stated by the calibration]."
        ),
        value=_drift,
        slope=_drift_slope,
        gradient=_drift_gradient,
        parameters={
            "raw_zero": None,
            "raw_span": None,
            "raw_zero_2": None,
            "raw_span_2": None,
            "zero_gas": 0.0,
            "span_gas": None,
        },
        second=Second("calibration_progress", "dimensionless", _drift_slope_second, (0.0, 1.0)),
        reference="definition",
        example=Example(
            412.7,
            405.800976,
            0.5,
            {
                "raw_zero": 3.2,
                "raw_span": 1004.8,
                "raw_zero_2": 5.8,
                "raw_span_2": 1012.0,
                "span_gas": 998.0,
            },
        ),
        notes="""References: definition. Zero and span are interpolated before they are applied; to
        interpolate between two calibrated values instead is not the same where the span drifts.
        Notes: z is how much of the calibration's validity has passed, from its first day to its
        last: the calendar is the deriver's business, and a fraction has no unit to get wrong.
        Beyond 0 to 1 the drift is extrapolated, which is marked as outside. Good for gases,
        thermometers (baths before burial and after recovery) and moisture probes alike.""",
    ),
)
