"""Regression, draws, combined and expanded uncertainty, sums: from case groups to functions."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from edaphon_calibration.draws import Normal, Rectangular, first_order, propagate
from edaphon_calibration.fit import fit_polynomial
from edaphon_calibration.uncertainty import relative_of_product, total, welch_satterthwaite

__all__ = ["GROUPS"]

Inputs = Mapping[str, Any]
DRAWS = 400_000


def _thermometer(inputs: Inputs) -> dict[str, float]:
    """JCGM 100:2008, H.3."""
    t = np.array(inputs["t"]) - inputs["t0"]
    line = fit_polynomial(t, inputs["b"], 1)
    assert line.covariance is not None
    (v1, v12), (_, v2) = line.covariance.tolist()
    at_30 = [30.0 - inputs["t0"]]
    return {
        "y1": line.parameters["c0"],
        "s_y1": sqrt(v1),
        "y2": line.parameters["c1"],
        "s_y2": sqrt(v2),
        "r": v12 / sqrt(v1 * v2),
        "s": line.residual_sd,
        "b30": float(line.value(at_30)[0]),
        "u_b30": float(line.uncertainty(at_30)[0]),
    }


def _four_inputs(inputs: Inputs) -> dict[str, float]:
    """JCGM 101:2008, 9.2."""
    normal = inputs["dist"].startswith("N")
    one = Normal(0.0, 1.0) if normal else Rectangular(-sqrt(3.0), sqrt(3.0))
    done = propagate(lambda *x: sum(x, np.zeros(())), [one] * 4, draws=DRAWS)
    return {"y": done.value, "u": done.u, "lo95": done.lowest, "hi95": done.highest}


def _weight(_: Inputs) -> dict[str, float]:
    """JCGM 101:2008, 9.3: masses in mg, densities in kg/m³, air nominally 1.2."""
    quantities = [
        Normal(100_000.0, 0.05),
        Normal(1.234, 0.02),
        Rectangular(1.1, 1.3),
        Rectangular(7000.0, 9000.0),
        Rectangular(7950.0, 8050.0),
    ]

    def difference(*x: np.ndarray) -> np.ndarray:
        mass, added, air, weight, reference = x
        return (mass + added) * (1.0 + (air - 1.2) * (1.0 / weight - 1.0 / reference)) - 1e5

    drawn = propagate(difference, quantities, draws=DRAWS)
    return {
        "GUF_first_order": first_order(difference, quantities)[1],
        "MCM_and_higher_order": drawn.u,
    }


def _welch_satterthwaite(inputs: Inputs) -> dict[str, float]:
    combined, effective = welch_satterthwaite(inputs["u"], inputs["nu"])
    return {"uc": combined, "nu_eff": effective}


def _flux(inputs: Inputs) -> float:
    names = ("slope", "V", "A", "P")
    factors = [(inputs[name], inputs[f"u_{name}"]) for name in names]
    kelvin, dry = inputs["T_C"] + 273.15, 1.0 - inputs["W"]
    return relative_of_product([*factors, (kelvin, inputs["u_T"]), (dry, inputs["u_W"])])


def _annual_sum(inputs: Inputs) -> dict[str, float]:
    n, daily = inputs["n"], inputs["sum"] / inputs["n"]
    year = total([daily] * n, inputs["u_random_gC_d"], inputs["u_cal_rel"] * daily)
    return {"random": year.u_random, "systematic": year.u_systematic, "total": year.u}


GROUPS: dict[str, Callable[[Inputs], Any]] = {
    "gum_s1_additive": _four_inputs,
    "gum_s1_mass_calibration": _weight,
    "gum_h3_thermometer_calibration": _thermometer,
    "welch_satterthwaite": _welch_satterthwaite,
    "flux_relative_uncertainty": _flux,
    "annual_sum_uncertainty": _annual_sum,
}
