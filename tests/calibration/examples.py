"""Each curve with parameters, inputs and second inputs with which the shared tests run it."""

import numpy as np

from edaphon_calibration import Curve, find_curve
from edaphon_calibration.arrays import Float

__all__ = ["ACCURACY", "PARAMETERS", "second_input", "grid", "with_parameters"]

# Curves whose parameters have no defaults: numbers of an ordinary soil or certificate.
PARAMETERS: dict[str, dict[str, float]] = {
    "polynomial": {"c0": 0.5, "c1": 4.0, "c2": 0.25, "c4": 1e-2, "c6": -1e-3},
    "linear": {"c0": 0.5, "c1": 2.0},
    "polynomial_temperature": {"c0": 0.5, "c1": 2.0, "c2": 0.1, "t0": -0.2, "t1": 0.05, "s0": 0.01},
    "rational": {"a0": 1.0, "a1": 2.0, "a2": 0.1, "b1": 0.05, "b2": 0.02},
    "table": {"points": 3, "x1": -2.5, "y1": 1.0, "x2": 0.31, "y2": 5.0, "x3": 2.8, "y3": 6.0},
    "refractive_index": {"a0": 1.6, "a1": 8.4},
    "jacobsen_1993_soil": {"bulk_density": 1.35, "clay": 22.0, "organic_matter": 3.5},
    "ju_2010": {"bulk_density": 1.35},
    "singh_2019": {"clay": 22.0},
    "drnevich_2005_cohesive": {"bulk_density": 1.35},
    "drnevich_2005_cohesionless": {"bulk_density": 1.35},
    "malicki_1996_density": {"bulk_density": 1.35},
    "malicki_1996_porosity": {"porosity": 0.49},
    "ledieu_1986_density": {"bulk_density": 1.35},
    "zhao_2016": {"bulk_density": 1.35},
    "crim": {"porosity": 0.49},
    "gravimetric": {"bulk_density": 1.27},
    "van_genuchten_1980_inverse": {"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56},
    "van_genuchten_1980": {"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56},
    "ndir_ideal_gas": {"pressure": 90.0, "temperature": 5.0},
    "steinhart_hart": {"a": 1.129241e-3, "b": 2.341077e-4, "c": 8.775468e-8},
    "square_root": {"c0": -0.1758, "c1": 0.1138},
    "offset": {"offset": -0.116},
    "two_point": {
        "reading_low": -3.1,
        "reading_high": 3.2,
        "true_low": 10.0,
        "true_high": 16.0,
    },
    "zero_span": {"raw_zero": -5.0, "raw_span": 8.0, "zero_gas": 1.0, "span_gas": 998.0},
    "zero_span_drift": {
        "raw_zero": -5.0,
        "raw_span": 8.0,
        "raw_zero_2": -5.2,
        "raw_span_2": 8.3,
        "zero_gas": 1.0,
        "span_gas": 998.0,
    },
}


# The part of the domain in which these parameters give a value and sensors measure.
DOMAINS = {
    "van_genuchten_1980": (-100.0, -9.0),
    "van_genuchten_1980_inverse": (0.1, 0.42),
}

# Standard uncertainty of an input, absolute and relative, where the usual sensors are coarse.
ACCURACY = {
    "van_genuchten_1980": (2.0 / 3**0.5, 0.1 / 3**0.5),  # METER TEROS 21, ± (10 % + 2 kPa)
    "van_genuchten_1980_inverse": (0.03 / 3**0.5, 0.0),
}


def with_parameters(name: str) -> tuple[Curve, Float]:
    found = find_curve(name)
    return found, found.parameter_vector(PARAMETERS.get(name))


def grid(found: Curve, n: int = 101) -> Float:
    """Points inside the domain, or from -3 to 3 where there is none."""
    return _spread(DOMAINS.get(found.name, found.domain), n)


def second_input(found: Curve, n: int = 101) -> tuple[Float, ...]:
    """A second input for each point, running the other way, where the curve takes one."""
    return () if found.second is None else (_spread(found.second.domain, n)[::-1].copy(),)


def _spread(domain: tuple[float, float], n: int) -> Float:
    lowest, highest = domain
    lowest = lowest if np.isfinite(lowest) else min(-3.0, highest - 1.0)
    return np.linspace(lowest, highest if np.isfinite(highest) else max(3.0, lowest + 1.0), n)
