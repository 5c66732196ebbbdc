"""van Genuchten 1980: volumetric water content from matric potential [kPa, negative].

θ = θ_r + (θ_s - θ_r) / (1 + (α h)^n)^(1 - 1/n) [m³/m³], h = -ψ / 0.0980665 [cm of water].

References: van Genuchten 1980, Soil Science Society of America Journal 44(5), 892-898,
doi:10.2136/sssaj1980.03615995004400050002x; parameters of texture classes: Carsel and Parrish 1988,
Water Resources Research 24(5), 755-769, doi:10.1029/WR024i005p00755.
Notes: α [1/cm] and n > 1 [1] belong to the soil: from its own retention data, else the class, whose
spread is wide. Saturated (ψ >= 0) gives θ_s. The wetting and drying branches of a real soil differ.
With a sensor of ± (10 % + 2 kPa) the first order misses the uncertainty of θ at -10 kPa by 6 % in a
loam and 27 % in a sand: a chain takes it from draws.

>>> import numpy as np
>>> loam = {"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56}
>>> CURVE.value(np.array([-9.80665]), CURVE.parameter_vector(loam)).round(6)
array([0.242132])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

KPA_PER_CM = 0.0980665


def _parts(x: Float, p: Float) -> tuple[Float, Float, Float, Float]:
    """h, t = (α h)^n, the effective saturation, and m; h is NaN where the soil is saturated."""
    _, _, alpha, n = p
    m = 1.0 - 1.0 / np.where(n > 1.0, n, np.nan)
    h = positive(-x / KPA_PER_CM)
    t = np.exp(n * np.log(positive(alpha * h)))
    return h, t, np.exp(-m * np.log1p(t)), m


def _wet(x: Float, saturated: Float, y: Float) -> Float:
    """y, but `saturated` where the potential is not below 0."""
    return np.where((x >= 0.0) & (x < np.inf), saturated, y)


def value(x: Float, p: Float) -> Float:
    residual, full, _, _ = p
    _, _, saturation, m = _parts(x, p)
    return _wet(x, full + m * 0.0, residual + (full - residual) * saturation)


def slope(x: Float, p: Float) -> Float:
    h, t, saturation, m = _parts(x, p)
    residual, full, _, n = p
    return _wet(
        x, m * 0.0, (full - residual) * m * n * saturation * t / (h * (1.0 + t)) / KPA_PER_CM
    )


def gradient(x: Float, p: Float) -> Float:
    residual, full, alpha, n = p
    h, t, saturation, m = _parts(x, p)
    of_all = (full - residual) * saturation
    share = t / (1.0 + t)
    by_alpha = of_all * (-m * n / alpha) * share
    by_n = -of_all * (np.log1p(t) / (n * n) + m * share * np.log(alpha * h))
    rows = zip((0.0, 1.0, 0.0, 0.0), (1.0 - saturation, saturation, by_alpha, by_n), strict=True)
    return np.stack([_wet(x, wet + m * 0.0, row) for wet, row in rows])


CURVE = Curve(
    name="van_genuchten_1980",
    parameters={"theta_r": None, "theta_s": None, "alpha": None, "n": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="van Genuchten 1980, doi:10.2136/sssaj1980.03615995004400050002x",
    from_unit="kPa",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(-1500.0, -0.1),
    nonlinear=True,
)
