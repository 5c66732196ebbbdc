"""Delta-T ThetaProbe ML2x: apparent permittivity from the sensor's voltage.

√ε = 1.07 + 6.4 V - 6.4 V² + 4.7 V³.

References: Delta-T ThetaProbe ML2x user manual, page 10, as FDR2soilmoisture (V2eps) quotes it.
Notes: the manual vouches for 0 to 1 V, a water content of 0 to about 0.55; above, its table and the
polynomial part.

>>> import numpy as np
>>> CURVE.value(np.array([0.5]), CURVE.parameter_vector()).round(5)
array([10.61131])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import square, square_gradient, square_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="deltat_thetaprobe_permittivity",
    parameters={"c0": 1.07, "c1": 6.4, "c2": -6.4, "c3": 4.7},
    value=square,
    slope=square_slope,
    gradient=square_gradient,
    reference="Delta-T ThetaProbe ML2x user manual, page 10",
    from_unit="V",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(0.0, 1.0),
)
