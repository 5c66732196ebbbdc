"""The inverse of van Genuchten 1980: matric potential [kPa, negative] from water content.

ψ = -0.0980665 (S^(-n/(n - 1)) - 1)^(1/n) / α, S = (θ - θ_r) / (θ_s - θ_r).

References: van Genuchten 1980, Soil Science Society of America Journal 44(5), 892-898,
doi:10.2136/sssaj1980.03615995004400050002x.
Notes: parameters as in `van_genuchten_1980`. Only between θ_r and θ_s, both excluded, is there a
value. Near either end a small error of θ is a large one of ψ, and the first order misses it: a
chain takes it from draws, and says that it is not known (NaN) where θ lies within some five
standard uncertainties of an end. A potential that was measured is worth more than this one.

>>> import numpy as np
>>> loam = {"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56}
>>> CURVE.value(np.array([0.2421317847]), CURVE.parameter_vector(loam)).round(5)
array([-9.80665])
"""

import numpy as np

from edaphon_calibration.arrays import Float, positive
from edaphon_calibration.curves import van_genuchten_1980 as forward
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]


def value(x: Float, p: Float) -> Float:
    residual, full, alpha, n = p
    saturation = positive((x - residual) / (full - residual))
    above = np.where(n > 1.0, n, np.nan)
    power = -above / (above - 1.0)
    t: Float = positive(np.expm1(power * np.log(saturation)))
    psi: Float = -np.exp(np.log(t) / n) / alpha * forward.KPA_PER_CM
    return psi


def slope(x: Float, p: Float) -> Float:
    return 1.0 / forward.slope(value(x, p), p)


def gradient(x: Float, p: Float) -> Float:
    psi = value(x, p)
    return -forward.gradient(psi, p) / forward.slope(psi, p)


CURVE = Curve(
    name="van_genuchten_1980_inverse",
    parameters={"theta_r": None, "theta_s": None, "alpha": None, "n": None},
    value=value,
    slope=slope,
    gradient=gradient,
    reference="van Genuchten 1980, doi:10.2136/sssaj1980.03615995004400050002x",
    from_unit="m**3/m**3",
    to_unit="kPa",
    quantity="matric_potential",
    domain=(0.0, 1.0),
    nonlinear=True,
)
