"""METER GS3: volumetric water content from apparent permittivity.

θ = 5.89e-6 ε³ - 7.62e-4 ε² + 3.67e-2 ε - 7.53e-2 [m³/m³].

References: decentlab-decoders DL-GS3, the formula of the maker's radio node for this sensor.
Notes: the domain begins where θ is 0 and ends at ε = 80, water, the end of the sensor's range; no
uncertainty is published there. For soilless media the GS3 manual gives a square root of ε instead.

>>> import numpy as np
>>> CURVE.value(np.array([20.0]), CURVE.parameter_vector()).round(5)
array([0.40102])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="metergroup_gs3",
    parameters={"c0": -7.53e-2, "c1": 3.67e-2, "c2": -7.62e-4, "c3": 5.89e-6},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="decentlab-decoders DL-GS3",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(2.15, 80.0),
)
