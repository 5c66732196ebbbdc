"""Matric potential: the Watermark sensor, and the water retention of soil there and back."""

import numpy as np

from edaphon_calibration.arrays import Float, nan_like, positive, reciprocal
from edaphon_calibration.curves.shapes import Functions, curves_of

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


CURVES = curves_of(
    __file__,
    watermark=Functions(
        _watermark, _watermark_slope, _watermark_gradient, _watermark_in_temperature
    ),
    retention=Functions(_retention, _retention_slope, _retention_gradient),
    suction=Functions(_suction, _suction_slope, _suction_gradient),
)
