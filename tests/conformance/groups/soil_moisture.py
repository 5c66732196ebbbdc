"""Soil moisture, conductivity and matric potential: from case groups to curves."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edaphon_calibration.curves import find_curve
from edaphon_calibration.soil import two_point_soil, weighed_ring

__all__ = ["GROUPS"]

Inputs = Mapping[str, Any]


def _at(name: str, x: float, given: Mapping[str, float] | None = None, *z: float) -> float:
    """The value of a curve at x, and z where it takes a second input."""
    known = find_curve(name)
    columns = (np.array([float(number)]) for number in (x, *z))
    return float(known.value(next(columns), known.parameter_vector(given), *columns)[0])


def _curve(name: str, x: str, **given: float) -> Callable[[Inputs], float]:
    """A curve at the input called `x`, its parameters as given or by default."""
    return lambda inputs: _at(name, inputs[x], given)


def _fersch(inputs: Inputs) -> float:
    # The peer's code has 1 - n √ε_s for (1 - n) √ε_s; `crim` keeps the paper's form.
    porosity, solid = 0.49, np.sqrt(3.29)
    given = {"a0": 1.0 - porosity * solid + porosity, "a1": np.sqrt(80.0) - 1.0}
    return _at("refractive_index", inputs["epsilon"], {k: float(v) for k, v in given.items()})


def _two_points(inputs: Inputs) -> Mapping[str, float]:
    dry, volume = inputs["mass_dry_g"], inputs["volume_ml"]
    # The manual rounds the water contents to two places before it goes on.
    wet, moist = (
        round(weighed_ring(inputs[f"mass_{which}_g"], dry, volume).volumetric, 2)
        for which in ("wet", "moist")
    )
    found = two_point_soil(wet, inputs["sqrt_eps_wet"], moist, inputs["sqrt_eps_moist"])
    return {"theta_wet": wet, "theta_moist": moist, **found._asdict()}


def _ec5(inputs: Inputs) -> float:
    if "raw" in inputs:
        return _at("ec5_mineral_raw", inputs["raw"])
    return _at("ec5_mineral_2500mv", inputs["mV"])


def _5te(inputs: Inputs) -> Mapping[str, float]:
    epsilon = _at("metergroup_5te_permittivity", inputs["raw"])
    return {"eps": epsilon, "theta_topp": _at("topp_1980", epsilon)}


def _tomst(inputs: Inputs) -> float:
    given = {name: inputs[name] for name in "abc"}
    found = _at("tomst_tms", inputs["raw"], given, inputs["temp_C"])
    # The peer clips to 0 to 1, which edaphon leaves to flags.
    return float(np.clip(found, 0.0, 1.0))


def _ring(inputs: Inputs) -> Mapping[str, float]:
    ring = weighed_ring(inputs["wet_g"], inputs["dry_g"], inputs["ring_cm3"])
    return {
        "w": ring.gravimetric,
        "rho_b": ring.bulk_density,
        "theta": ring.volumetric,
        "porosity": ring.porosity,
        "wfps": ring.filled,
    }


def _hilhorst(inputs: Inputs) -> float:
    given = {"offset": inputs["e0"], "temperature": inputs["temp_C"]}
    return _at("hilhorst_2000", inputs["bulk_ec"], given, inputs["eps"])


def _ec25(inputs: Inputs) -> float:
    given = {"alpha": inputs["alpha"]}
    return _at("conductivity_at_25", inputs["ec"], given, inputs["temp_C"])


def _watermark(inputs: Inputs) -> float:
    # The group has the wet branch that jumps; edaphon's default is the continuous one.
    jumping = {"w0": 11.0, "w1": 0.0, "w2": 20.0}
    return _at("watermark_200ss_shock", inputs["ohm"], jumping, inputs["temp_C"])


def _retention(inputs: Inputs) -> Mapping[str, float]:
    psi = inputs["h_cm"] * 0.0980665
    given = {name: inputs[name] for name in ("theta_r", "theta_s", "n")}
    theta = _at("van_genuchten_1980", psi, {**given, "alpha": inputs["alpha_per_cm"]})
    return {"theta": theta, "psi_kPa": psi}


def _pedon(inputs: Inputs) -> float:
    psi = inputs["h_cm"] * 0.0980665
    given = {"theta_r": 0.01, "theta_s": 0.43, "alpha": 0.02, "n": 1.1}
    return _at("van_genuchten_1980", psi, given)


GROUPS: dict[str, Callable[[Inputs], float | Mapping[str, float]]] = {
    "eps2theta_ToppEtal1980": _curve("topp_1980", "epsilon"),
    "eps2theta_RothEtal1992": _curve("roth_1992_mineral", "epsilon"),
    "eps2theta_SchaapEtal1997": _curve("schaap_1997", "epsilon"),
    "eps2theta_Jacobsen_Schjonning1993": _curve(
        "jacobsen_1993_soil", "epsilon", bulk_density=1.35, clay=22.0, organic_matter=3.5
    ),
    "eps2theta_JuEtal2010": _curve("ju_2010", "epsilon", bulk_density=1.35),
    "eps2theta_DrnevichEtal2005": _curve("drnevich_2005_cohesive", "epsilon", bulk_density=1.35),
    "eps2theta_ZhaoEtal2016": _curve("zhao_2016", "epsilon", bulk_density=1.35),
    "eps2theta_SinghEtal2019": _curve("singh_2019", "epsilon", clay=22.0),
    "eps2theta_FerschEtal2017": _fersch,
    "eps2theta_deltaT_minorg": _curve("deltat_mineral", "epsilon"),
    "eps2theta_deltaT_minorg_organic": _curve("deltat_organic", "epsilon"),
    "eps2theta_malicki_bd": _curve("malicki_1996_density", "epsilon", bulk_density=1.35),
    "eps2theta_malicki_ths": _curve("malicki_1996_porosity", "epsilon", porosity=0.49),
    "eps2theta_roth_org": _curve("roth_1992_organic", "epsilon"),
    "eps2theta_jacobsen": _curve("jacobsen_1993", "epsilon"),
    "eps2theta_myllys": _curve("myllys_1996", "epsilon"),
    "eps2theta_kellner": _curve("kellner_2001", "epsilon"),
    "eps2theta_gs3": _curve("metergroup_gs3_soilless", "epsilon"),
    "eps2theta_ledieu1986": _curve("ledieu_1986", "epsilon"),
    "theta2eps_topp1980": _curve("topp_1980_permittivity", "theta"),
    "pr2_volts_to_eps": _curve("deltat_pr2_permittivity", "V"),
    "thetaprobe_volts_to_eps": _curve("deltat_thetaprobe_permittivity", "V"),
    "pr2_mineral_poly": _curve("deltat_pr2_mineral", "V"),
    "deltaT_two_point_soil_calibration": _two_points,
    "cs616_quadratic": _curve("cs616_quadratic", "period_us"),
    "cs616_linear": _curve("cs616_linear", "period_us"),
    "teros12_mineral": _curve("teros12_mineral", "raw"),
    "teros12_soilless": _curve("teros12_soilless", "raw"),
    "teros12_permittivity": _curve("teros12_permittivity", "raw"),
    "teros10_mineral_mV": _curve("teros10_mineral", "mV"),
    "ec5_mineral": _ec5,
    "10hs_mineral_mV": _curve("metergroup_10hs_mineral", "mV"),
    "5te_raw_to_eps": _5te,
    "hydraprobe_loam": _curve("hydraprobe_loam", "eps_real"),
    "smt100_counts_to_eps": _curve("smt100_permittivity", "counts"),
    "tomst_tms_vwc": _tomst,
    "permittivity_of_water": _curve("water_permittivity", "temp_C"),
    "gravimetric_to_volumetric": _ring,
    "hilhorst_pore_water_ec": _hilhorst,
    "ec25_compensation": _ec25,
    "watermark_200ss_shock": _watermark,
    "van_genuchten_retention": _retention,
    "pedon_own_test_genuchten": _pedon,
}
