"""Each curve with parameters, inputs and second inputs with which the shared tests run it."""

import numpy as np

from edaphon_calibration import Curve, curve
from edaphon_calibration.arrays import Float

__all__ = ["PARAMETERS", "beside", "grid", "with_parameters"]

# Curves whose parameters have no defaults: numbers of an ordinary soil or certificate.
PARAMETERS: dict[str, dict[str, float]] = {
    "polynomial": {"c0": 0.5, "c1": 4.0, "c2": 0.25, "c4": 1e-2, "c6": -1e-3},
    "ndir_ideal_gas": {"pressure": 90.0, "temperature": 5.0},
}


def with_parameters(name: str) -> tuple[Curve, Float]:
    found = curve(name)
    return found, found.parameter_vector(PARAMETERS.get(name))


def grid(found: Curve, n: int = 101) -> Float:
    """Points inside the domain, or from -3 to 3 where there is none."""
    return _spread(found.domain, n)


def beside(found: Curve, n: int = 101) -> tuple[Float, ...]:
    """A second input for each point, running the other way, where the curve takes one."""
    return () if found.second is None else (_spread(found.second.domain, n)[::-1].copy(),)


def _spread(domain: tuple[float, float], n: int) -> Float:
    lowest, highest = domain
    lowest = lowest if np.isfinite(lowest) else min(-3.0, highest - 1.0)
    return np.linspace(lowest, highest if np.isfinite(highest) else max(3.0, lowest + 1.0), n)
