"""Myllys and Simojoki 1996: volumetric water content of cultivated peat from permittivity.

θ = -0.0733 + 0.0417 ε - 8.01e-4 ε² + 5.56e-6 ε³ [m³/m³].

References: Myllys, Simojoki 1996, Suo 47, table 2 (pooled data). Coefficients read in SoilHyP,
R/DK_to_SWC.R.
Notes: Sphagnum and Carex peat of bulk density 0.3 to 0.4 g/cm³ and porosity 0.75 to 0.77; made
for 0.3 to 0.8 m³/m³ (the domain is that turned back into ε), with a standard deviation of
0.027 m³/m³ [abstract].

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.48478])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="myllys_1996",
    parameters={"c0": -0.0733, "c1": 0.0417, "c2": -8.01e-4, "c3": 5.56e-6},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="Myllys and Simojoki 1996, table 2, pooled",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(11.2, 67.3),
    uncertainty=0.027,
)
