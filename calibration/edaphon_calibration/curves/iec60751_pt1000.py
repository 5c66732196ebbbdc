"""Pt1000: temperature from the resistance of a platinum element of 1000 ohm at 0 °C.

R = r0 (1 + a t + b t² + [t < 0] c (t - 100) t³) [ohm], t in °C, solved for t: in closed form above
0 °C, by a fixed number of Newton steps below.

References: IEC 60751:2008, section 4.2, tolerance classes in section 5.1; 38 points of its table
as reprinted by Sensor Scientific are met within 0.005 ohm for a Pt100 (one reprint has 35.34 at
-160 °C, a misprint for 35.54).
Notes: wires belong to the reading: with two wires each ohm reads as +0.26 °C. The
uncertainty is the tolerance of class B at 50 °C, ± 0.55 °C, read as limits of a rectangular
distribution (JCGM 100:2008, 4.3.7): a better class (`platinum.class_limit`) is stated as the model
uncertainty of a calibration, an own r0 with its covariance.

>>> import numpy as np
>>> CURVE.value(np.array([1077.9]), CURVE.parameter_vector()).round(4)
array([19.991])
"""

from edaphon_calibration.platinum import platinum_curve

__all__ = ["CURVE"]

CURVE = platinum_curve("iec60751_pt1000", r0=1000.0)
