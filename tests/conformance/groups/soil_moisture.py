"""Soil moisture, conductivity and matric potential: from case groups to curves."""

from collections.abc import Callable, Mapping

import numpy as np

from edaphon_calibration.curves import curve

__all__ = ["GROUPS"]

Inputs = Mapping[str, float]


def _curve(name: str, x: str) -> Callable[[Inputs], float]:
    """The value of a curve with its own coefficients at the input called `x`."""

    def value(inputs: Inputs) -> float:
        known = curve(name)
        return float(known.value(np.array([float(inputs[x])]), known.parameter_vector())[0])

    return value


GROUPS: dict[str, Callable[[Inputs], float]] = {
    "eps2theta_ToppEtal1980": _curve("topp_1980", "epsilon"),
    "teros12_mineral": _curve("teros12_mineral", "raw"),
    "teros12_soilless": _curve("teros12_soilless", "raw"),
    "teros12_permittivity": _curve("teros12_permittivity", "raw"),
}
