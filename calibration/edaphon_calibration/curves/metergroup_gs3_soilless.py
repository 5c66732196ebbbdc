"""METER (Decagon) GS3 in soilless media: volumetric water content from apparent permittivity.

θ = 0.118 √ε - 0.117 [m³/m³].

References: Decagon GS3 operator's manual 2016, equation 7, as SoilHyP, R/DK_to_SWC.R, has it.
Notes: the domain begins where θ is 0 and ends at ε = 80, water. `metergroup_gs3` is the curve of a
radio node for the same sensor.

>>> import numpy as np
>>> CURVE.value(np.array([10.0]), CURVE.parameter_vector()).round(5)
array([0.25615])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import root_line, root_line_gradient, root_line_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="metergroup_gs3_soilless",
    parameters={"c0": -0.117, "c1": 0.118},
    value=root_line,
    slope=root_line_slope,
    gradient=root_line_gradient,
    reference="Decagon GS3 operator's manual, equation 7",
    from_unit="dimensionless",
    to_unit="m**3/m**3",
    quantity="volumetric_water_content",
    domain=(1.0, 80.0),
)
