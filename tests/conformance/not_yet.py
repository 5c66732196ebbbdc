"""The case groups of the reference numbers that edaphon does not compute yet, by exact name.

A group that stands neither here nor among the supported ones makes its test fail.
"""

__all__ = ["GROUPS"]

GROUPS = frozenset(
    {
        # chamber_flux.json
        "li8100_linear",
        "li8100_exponential",
        "li8200_smart_chamber",
        "goflux_lm_hm",
        "fluxfinder_models_ugga",
        "fluxfinder_ppm_to_umol",
        "hm81_three_point",
        "gasfluxes_unit_tests",
        "gasfluxes_fluxMeas",
        "gasfluxes_aggregate",
        "water_vapour_dilution",
        "flux_unit_conversions",
        # climate.json
        "q10",
        "lloyd_taylor_1994",
        "arrhenius",
        "kirschbaum_1995",
        "damm",
        "damm_grid",
        "srdb_exponential",
        "mann_kendall_family",
        "mann_kendall_hand",
        "degree_days",
        "freeze_thaw_cycles",
        "rewetting_events",
        "anomaly_wmo",
        "cosore_q10_fits",
        # gradient_flux.json
        "neon_co2_conc",
        "neon_diffusivity",
        "neon_gradient_flux",
        "relative_gas_diffusivity",
        "co2_free_air_diffusivity",
        "forced_diffusion",
        # lab_respiration.json
        "microresp_absorbance_to_co2",
        "microresp_rate",
        "alkali_trap_titration",
        "sir_biomass",
        "metabolic_quotient_rq",
        "headspace_to_ugC",
    }
)
