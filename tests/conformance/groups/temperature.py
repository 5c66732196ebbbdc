"""Thermistors, platinum, thermocouples and digital thermometers: from case groups to curves."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edaphon_calibration import find_curve
from edaphon_calibration.curves.platinum import IEC60751, resistance
from edaphon_calibration.curves.thermocouples import emf
from edaphon_calibration.fit import fit_polynomial

__all__ = ["GROUPS"]

Inputs = Mapping[str, Any]
PER_RATIO = 8000.0  # of X in the polynomial of old loggers


def _of(name: str, x: float, **parameters: float) -> float:
    found = find_curve(name)
    return float(found.value(np.array([x]), found.parameter_vector(parameters))[0])


def _resistance(inputs: Inputs) -> float:
    p = np.array([inputs["R0"], *IEC60751.values()])
    return float(resistance(np.array([inputs["temp_C"]]), p)[0])


def _counts(inputs: Inputs) -> float:
    raw = int.from_bytes(bytes.fromhex(inputs["raw_hex"]), "big", signed=True)
    return _of("ds18b20_counts", float(raw))


def _ice_bath(inputs: Inputs) -> dict[str, float]:
    readings = inputs["readings"]
    done = fit_polynomial(readings, [0.0] * len(readings), 0, u_reference=inputs["u_bath"])
    return {"offset": done.parameters["offset"], "u": float(done.uncertainty([0.0])[0])}


GROUPS: dict[str, Callable[[Inputs], Any]] = {
    "campbell109_table": lambda i: _of("betatherm_10k3a1", i["ohm"]),
    "campbell107_steinhart": lambda i: _of("betatherm_100k6a1", i["ohm"]),
    "campbell107_edlog_poly": lambda i: _of("campbell_107_edlog", i["X"] / PER_RATIO),
    "iec60751_pt100": _resistance,
    "pt1000_and_inverse": lambda i: _of("iec60751_pt1000", i["ohm"], r0=i["R0"]),
    "nist_its90_thermocouple_emf": lambda i: float(emf(i["type"], np.array([i["temp_C"]]))[0]),
    "ds18b20_raw_to_temp": _counts,
    "ice_bath_offset": _ice_bath,
}
