"""Stevens HydraProbe, general calibration: water content from the real permittivity.

θ = 0.109 √ε_r - 0.179 [m³/m³].

References: Seyfried, Grant, Du, Humes 2005, Vadose Zone Journal 4(4), 1070-1079,
doi:10.2136/vzj2004.0148 (abstract read); it is the probe's default soil type, loam.
Notes: evaluated between ε_r of 4 and 36 on 19 soils, where it missed by 0.019 m³/m³ on average,
taken here as the standard uncertainty. The coefficients are those commonly cited; the table of the
paper was not at hand. Not for the apparent permittivity of TDR: losses are no part of ε_r. The
probe's cubics for sand, silt and clay stand in its manual; `polynomial` takes them.

>>> import numpy as np
>>> CURVE.value(np.array([12.0]), CURVE.parameter_vector()).round(5)
array([0.19859])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import root_line, root_line_gradient, root_line_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="hydraprobe_loam",
    parameters={"c0": -0.179, "c1": 0.109},
    value=root_line,
    slope=root_line_slope,
    gradient=root_line_gradient,
    reference="Seyfried et al. 2005, doi:10.2136/vzj2004.0148",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(4.0, 36.0),
    uncertainty=0.019,
)
