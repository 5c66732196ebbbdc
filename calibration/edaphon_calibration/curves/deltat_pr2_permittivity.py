"""Delta-T PR2 profile probe: apparent permittivity from the sensor's voltage.

√ε = 1.125 - 5.53 V + 67.17 V² - 234.42 V³ + 413.56 V⁴ - 356.68 V⁵ + 121.53 V⁶.

References: Delta-T PR2 user manual 3.0a, page 20; the same in FDR2soilmoisture (V2eps).
Notes: the polynomial turns over below 0.055 V, where ε would rise again while the voltage falls:
the domain begins at 0.06 V, air, and ends at 1.0 V, the top of the sensor's range.

>>> import numpy as np
>>> CURVE.value(np.array([0.5]), CURVE.parameter_vector()).round(5)
array([6.00327])
"""

from edaphon_calibration.curves.definition import Curve
from edaphon_calibration.shapes import square, square_gradient, square_slope

__all__ = ["CURVE"]

CURVE = Curve(
    name="deltat_pr2_permittivity",
    parameters={
        "c0": 1.125,
        "c1": -5.53,
        "c2": 67.17,
        "c3": -234.42,
        "c4": 413.56,
        "c5": -356.68,
        "c6": 121.53,
    },
    value=square,
    slope=square_slope,
    gradient=square_gradient,
    reference="Delta-T PR2 user manual 3.0a, page 20",
    from_unit="V",
    to_unit="dimensionless",
    quantity="relative_permittivity",
    domain=(0.06, 1.0),
)
