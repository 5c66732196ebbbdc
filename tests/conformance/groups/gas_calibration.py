"""Zero and span, drift between two checks, infrared analysers: from case groups to curves."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edaphon_calibration import find_curve

__all__ = ["GROUPS"]

Inputs = Mapping[str, Any]


def _of(name: str, x: float, parameters: Mapping[str, float], *second: float) -> float:
    found = find_curve(name)
    second_inputs = [np.array([float(z)]) for z in second]
    return float(
        found.value(np.array([float(x)]), found.parameter_vector(parameters), *second_inputs)[0]
    )


def _zero_span(inputs: Inputs) -> float:
    names = {"raw_zero": "raw_zero", "raw_span": "raw_span", "zero_gas": "C_zero"}
    names["span_gas"] = "C_span"
    return _of("zero_span", inputs["raw"], {ours: inputs[his] for ours, his in names.items()})


def _drift(inputs: Inputs) -> float:
    (zero, span), (zero_2, span_2) = inputs["cal1"], inputs["cal2"]
    checks = {"raw_zero": zero, "raw_span": span, "raw_zero_2": zero_2, "raw_span_2": span_2}
    way = inputs["t_days"] / inputs["span_days"]
    return _of("zero_span_drift", inputs["raw"], {**checks, "span_gas": inputs["C_span"]}, way)


def _ndir(inputs: Inputs) -> float:
    """Pressure as a parameter and as a second input: the same law."""
    x, pressure, temperature = inputs["C_ind"], inputs["P_kPa"], float(inputs["temp_C"])
    given = {"pressure": float(pressure), "temperature": temperature}
    one = _of("ndir_ideal_gas", x, given)
    two = _of("ndir_pressure", x, {"temperature": temperature}, pressure)
    assert np.isclose(one, two, rtol=1e-14, atol=0.0)
    return two


def _gmp343(inputs: Inputs) -> dict[str, float]:
    """How much a reading is wrong one step away from where the probe was adjusted."""
    warmer = inputs["effect"] == "temperature"
    away = {"temperature": 26.0 if warmer else 25.0}
    pressure = 101.3 if warmer else 101.4
    error = 100.0 / _of("gmp343_uncompensated", 1.0, away, pressure) - 100.0
    return {"pct_per_C": error} if warmer else {"pct_per_hPa": error}


GROUPS: dict[str, Callable[[Inputs], Any]] = {
    "zero_span": _zero_span,
    "linear_drift_between_calibrations": _drift,
    "ndir_ideal_gas_compensation": _ndir,
    "gmp343_uncompensated_error": _gmp343,
}
