"""Matric potential: the Watermark sensor, and the water retention of soil there and back."""

import numpy as np

from edaphon_calibration.arrays import Float, nan_like, positive, reciprocal
from edaphon_calibration.curves.definition import Curve, Example, Second

_WATERMARK_WET, _WATERMARK_MIDDLE, _WATERMARK_DRY = 550.0, 1000.0, 8000.0

_WATERMARK_SHORT, _WATERMARK_OPEN = 300.0, 35000.0

_WATERMARK_PER_DEGREE = 0.018


def _watermark_branch(x: Float, wet: Float, middle: Float, dry: Float, z: Float) -> Float:
    """What of the branches holds at x; NaN beyond the sensor and where z is unknown."""
    y = np.where(x < _WATERMARK_MIDDLE, wet, np.where(x <= _WATERMARK_DRY, middle, dry))
    y = nan_like(np.where(x <= _WATERMARK_WET, 0.0, y), z)
    return np.where((x >= _WATERMARK_SHORT) & (x <= _WATERMARK_OPEN), y, np.nan)


def _watermark_scaled(x: Float, z: Float) -> tuple[Float, Float, Float]:
    """k, q and 1 over the denominator of the middle branch."""
    k = x / 1000.0
    below = positive(1.0 - 0.009733 * k - 0.01205 * z)
    return k, 1.0 + _WATERMARK_PER_DEGREE * (z - 24.0), reciprocal(below)


def _watermark(x: Float, p: Float, z: Float) -> Float:
    w0, w1, w2 = p.tolist()
    k, q, over = _watermark_scaled(x, z)
    kq = k * q
    dry = -2.246 - 5.239 * kq - 0.06756 * (kq * kq)
    return _watermark_branch(x, w0 + w1 * q - w2 * kq, (-3.213 * k - 4.093) * over, dry, z)


def _watermark_slope(x: Float, p: Float, z: Float) -> Float:
    k, q, over = _watermark_scaled(x, z)
    middle = (-3.213 + 0.009733 * (-3.213 * k - 4.093) * over) * over
    dry = (-5.239 - 2.0 * 0.06756 * k * q) * q
    return _watermark_branch(x, -float(p[2]) * q, middle, dry, z) / 1000.0


def _watermark_gradient(x: Float, p: Float, z: Float) -> Float:
    k, q, _ = _watermark_scaled(x, z)
    none = k * 0.0
    return np.stack([_watermark_branch(x, row, none, none, z) for row in (none + 1.0, q, -k * q)])


def _watermark_in_temperature(x: Float, p: Float, z: Float) -> Float:
    _, w1, w2 = p.tolist()
    k, q, over = _watermark_scaled(x, z)
    wet = (w1 - w2 * k) * _WATERMARK_PER_DEGREE
    middle = (-3.213 * k - 4.093) * 0.01205 * over * over
    dry = (-5.239 - 2.0 * 0.06756 * k * q) * k * _WATERMARK_PER_DEGREE
    return _watermark_branch(x, wet, middle, dry, z)


_KPA_PER_CM = 0.0980665


def _retention_parts(x: Float, p: Float) -> tuple[Float, Float, Float, Float]:
    """h, t = (α h)^n, the effective saturation, and m; h is NaN where the soil is saturated."""
    _, _, alpha, n = p
    m = 1.0 - 1.0 / np.where(n > 1.0, n, np.nan)
    h = positive(-x / _KPA_PER_CM)
    t = np.exp(n * np.log(positive(alpha * h)))
    return h, t, np.exp(-m * np.log1p(t)), m


def _retention_wet(x: Float, saturated: Float, y: Float) -> Float:
    """y, but `saturated` where the potential is not below 0."""
    return np.where((x >= 0.0) & (x < np.inf), saturated, y)


def _retention(x: Float, p: Float) -> Float:
    residual, full, _, _ = p
    _, _, saturation, m = _retention_parts(x, p)
    return _retention_wet(x, full + m * 0.0, residual + (full - residual) * saturation)


def _retention_slope(x: Float, p: Float) -> Float:
    h, t, saturation, m = _retention_parts(x, p)
    residual, full, _, n = p
    return _retention_wet(
        x, m * 0.0, (full - residual) * m * n * saturation * t / (h * (1.0 + t)) / _KPA_PER_CM
    )


def _retention_gradient(x: Float, p: Float) -> Float:
    residual, full, alpha, n = p
    h, t, saturation, m = _retention_parts(x, p)
    of_all = (full - residual) * saturation
    share = t / (1.0 + t)
    by_alpha = of_all * (-m * n / alpha) * share
    by_n = -of_all * (np.log1p(t) / (n * n) + m * share * np.log(alpha * h))
    rows = zip((0.0, 1.0, 0.0, 0.0), (1.0 - saturation, saturation, by_alpha, by_n), strict=True)
    return np.stack([_retention_wet(x, wet + m * 0.0, row) for wet, row in rows])


def _suction(x: Float, p: Float) -> Float:
    residual, full, alpha, n = p
    saturation = positive((x - residual) / (full - residual))
    above = np.where(n > 1.0, n, np.nan)
    power = -above / (above - 1.0)
    t: Float = positive(np.expm1(power * np.log(saturation)))
    psi: Float = -np.exp(np.log(t) / n) / alpha * _KPA_PER_CM
    return psi


def _suction_slope(x: Float, p: Float) -> Float:
    return 1.0 / _retention_slope(_suction(x, p), p)


def _suction_gradient(x: Float, p: Float) -> Float:
    psi = _suction(x, p)
    return -_retention_gradient(psi, p) / _retention_slope(psi, p)


CURVES: tuple[Curve, ...] = (
    Curve(
        name="watermark_200ss_shock",
        title=(
            "Irrometer Watermark 200SS: matric potential [kPa] from resistance and soil "
            "temperature."
        ),
        formula=(
            "With k = R/1000 and q = 1 + 0.018 (T - 24):\n"
            "0 up to 550 ohm; (w0 + w1 q - w2 k q) = -(23.156 k - 12.736) q from there to 1 "
            "kohm;\n"
            "(-3.213 k - 4.093) / (1 - 0.009733 k - 0.01205 T) to 8 kohm;\n"
            "-2.246 - 5.239 k q - 0.06756 k² q² above."
        ),
        value=_watermark,
        slope=_watermark_slope,
        gradient=_watermark_gradient,
        parameters={"w0": 0.0, "w1": 12.736, "w2": 23.156},
        from_unit="ohm",
        to_unit="kPa",
        quantity="matric_potential",
        domain=(550.0, 35000.0),
        compensates=("temperature",),
        second=Second("soil_temperature", "degC", _watermark_in_temperature, (0.0, 40.0)),
        reference=(
            "Shock et al. 1998, Proc. Irrigation Association, 139-146; Irrometer 200SS program"
        ),
        example=Example(2500.0, -17.6636, 24.0),
        notes="""References: Shock, Barnum, Seddigh 1998, Proceedings of the Irrigation Association,
        139-146 (middle branch); Irrometer, example program for the 200SS, versions 1.0 and 1.1 (the
        other branches).
        Notes: public copies disagree about the wet branch. Taken is the one that is continuous at
        24 °C: it is 0 at 550 ohm and meets the middle branch at 1 kohm. The other, -20 (k q -
        0.55), jumps from -9.0 to -10.4 kPa there and turns positive in cold soil; it is {w0: 11,
        w1: 0, w2: 20}. At other temperatures steps of up to 1.5 kPa remain at 1 and 8 kohm. Shock
        calibrated from -10 to -100 kPa; wetter than -10 kPa the sensor hardly answers. Below 300
        ohm (short) and above 35 kohm (open) there is no value. Several copies have a bracket
        misplaced in the dry branch.""",
    ),
    Curve(
        name="van_genuchten_1980",
        title="van Genuchten 1980: volumetric water content from matric potential [kPa, negative].",
        formula=(
            "θ = θ_r + (θ_s - θ_r) / (1 + (α h)^n)^(1 - 1/n) [m³/m³], h = -ψ / 0.0980665 [cm of "
            "water]."
        ),
        value=_retention,
        slope=_retention_slope,
        gradient=_retention_gradient,
        parameters={"theta_r": None, "theta_s": None, "alpha": None, "n": None},
        from_unit="kPa",
        to_unit="m**3/m**3",
        quantity="volumetric_water_content",
        domain=(-1500.0, -0.1),
        nonlinear=True,
        reference="van Genuchten 1980, doi:10.2136/sssaj1980.03615995004400050002x",
        example=Example(
            -9.80665,
            0.242132,
            parameters={"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56},
        ),
        notes="""References: van Genuchten 1980, Soil Science Society of America Journal 44(5),
        892-898, doi:10.2136/sssaj1980.03615995004400050002x; parameters of texture classes: Carsel
        and Parrish 1988, Water Resources Research 24(5), 755-769, doi:10.1029/WR024i005p00755.
        Notes: α [1/cm] and n > 1 [1] belong to the soil: from its own retention data, else the
        class, whose spread is wide. Saturated (ψ >= 0) gives θ_s. The wetting and drying branches
        of a real soil differ. With a sensor of ± (10 % + 2 kPa) the first order misses the
        uncertainty of θ at -10 kPa by 6 % in a loam and 27 % in a sand: a chain takes it from
        draws.""",
    ),
    Curve(
        name="van_genuchten_1980_inverse",
        title=(
            "The inverse of van Genuchten 1980: matric potential [kPa, negative] from water "
            "content."
        ),
        formula="ψ = -0.0980665 (S^(-n/(n - 1)) - 1)^(1/n) / α, S = (θ - θ_r) / (θ_s - θ_r).",
        value=_suction,
        slope=_suction_slope,
        gradient=_suction_gradient,
        parameters={"theta_r": None, "theta_s": None, "alpha": None, "n": None},
        from_unit="m**3/m**3",
        to_unit="kPa",
        quantity="matric_potential",
        domain=(0.0, 1.0),
        nonlinear=True,
        reference="van Genuchten 1980, doi:10.2136/sssaj1980.03615995004400050002x",
        example=Example(
            0.2421317847,
            -9.80665,
            parameters={"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56},
        ),
        notes="""References: van Genuchten 1980, Soil Science Society of America Journal 44(5),
        892-898, doi:10.2136/sssaj1980.03615995004400050002x.
        Notes: parameters as in `van_genuchten_1980`. Only between θ_r and θ_s, both excluded, is
        there a value. Near either end a small error of θ is a large one of ψ, and the first order
        misses it: a chain takes it from draws, and says that it is not known (NaN) where θ lies
        within some five standard uncertainties of an end. A potential that was measured is worth
        more than this one.""",
    ),
)
