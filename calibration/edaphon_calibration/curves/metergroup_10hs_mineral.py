"""METER 10HS: volumetric water content of mineral soil from the sensor's voltage.

θ = 2.97e-9 mV³ - 7.37e-6 mV² + 6.69e-3 mV - 1.92 [m³/m³].

References: calibration of the METER (Decagon) 10HS for mineral soils, as decentlab-decoders DL-10HS
has it.
Notes: the domain is 0 to 0.57 m³/m³ turned back into millivolts. No uncertainty is published there.

>>> import numpy as np
>>> CURVE.value(np.array([700.0]), CURVE.parameter_vector()).round(5)
array([0.17041])
"""

from edaphon_calibration.arrays import horner, horner_slope, powers
from edaphon_calibration.curves.definition import Curve

__all__ = ["CURVE"]

CURVE = Curve(
    name="metergroup_10hs_mineral",
    parameters={"c0": -1.92, "c1": 6.69e-3, "c2": -7.37e-6, "c3": 2.97e-9},
    value=horner,
    slope=horner_slope,
    gradient=lambda x, p: powers(x, len(p)),
    reference="decentlab-decoders DL-10HS",
    from_unit="mV",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(531.7, 1166.8),
)
