"""From the case groups of the reference numbers to the functions of the calibration room."""

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


def _first_order_topp(inputs: Inputs) -> float:
    topp = curve("topp_1980")
    slope = topp.slope(np.array([float(inputs["eps"])]), topp.parameter_vector())
    return float(abs(slope[0]) * inputs["u_eps"])


GROUPS: dict[str, Callable[[Inputs], float]] = {
    "eps2theta_ToppEtal1980": _curve("topp_1980", "epsilon"),
    "teros12_mineral": _curve("teros12_mineral", "raw"),
    "teros12_soilless": _curve("teros12_soilless", "raw"),
    "teros12_permittivity": _curve("teros12_permittivity", "raw"),
    "first_order_topp": _first_order_topp,
}
