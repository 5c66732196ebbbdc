"""First-order uncertainty of single curves."""

from collections.abc import Callable, Mapping

import numpy as np

from edaphon_calibration.curves import find_curve

__all__ = ["GROUPS"]


def _first_order_topp(inputs: Mapping[str, float]) -> float:
    topp = find_curve("topp_1980")
    slope = topp.slope(np.array([float(inputs["eps"])]), topp.parameter_vector())
    return float(abs(slope[0]) * inputs["u_eps"])


GROUPS: dict[str, Callable[[Mapping[str, float]], float]] = {"first_order_topp": _first_order_topp}
