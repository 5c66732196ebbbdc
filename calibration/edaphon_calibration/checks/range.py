"""Gross range: a value outside the limits that sensor or soil can reach.

References: U.S. IOOS QARTOD, gross range test (manual for in-situ temperature and salinity,
doi:10.7289/V5V40SD4). A value on a limit passes.

>>> import numpy as np
>>> evaluate(np.array([0, 1]), np.array([20.0, 85.0]), {"lowest": -40.0, "highest": 60.0})
array([0, 1], dtype=int8)
"""

from math import inf

import numpy as np

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.checks.definition import CheckMeta, LimitKind, Limits
from edaphon_calibration.checks.limits import DefaultLimits, DefaultLine
from edaphon_calibration.flags import NOT_EVALUABLE, Flag

__all__ = ["DEFAULTS", "METADATA", "evaluate"]

METADATA = CheckMeta(
    name="range",
    effect=Flag.FAIL,
    looks_back=0,
    looks_ahead=0,
    limits={"lowest": LimitKind.VALUE, "highest": LimitKind.VALUE},
    reference="QARTOD gross range test, doi:10.7289/V5V40SD4",
    defaults={},
    ordered=("lowest", "highest"),
)


def evaluate(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails below `lowest` or above `highest` [channel's unit]; NaN is not evaluable."""
    beyond = (value < limits.get("lowest", -inf)) | (value > limits.get("highest", inf))
    result = beyond.astype(np.int8)
    result[np.isnan(value)] = NOT_EVALUABLE
    return result


def _line(fail: tuple[float, float], suspect: dict[str, float], source: str) -> DefaultLine:
    limits = {"fail_lowest": fail[0], "fail_highest": fail[1]}
    return DefaultLine(limits | {f"suspect_{name}": x for name, x in suspect.items()}, source)


_USUAL = "usual practice, no single source; set the site's own"

DEFAULTS: DefaultLimits = {
    # ISMN (Dorigo et al. 2013, doi:10.2136/vzj2012.0097) has -60 to 60 degC and 0 to 60 % water.
    "soil_temperature": (_line((-40.0, 60.0), {"lowest": -25.0, "highest": 45.0}, _USUAL),),
    "volumetric_water_content": (
        _line((0.0, 0.60), {"lowest": 0.01}, "ISMN flags C01, C02; organic soils reach 0.95"),
    ),
    "bulk_electrical_conductivity": (_line((0.0, 20.0), {"highest": 8.0}, "usual probe range"),),
    "matric_potential": (_line((-1e6, 0.0), {}, "physical; a tensiometer has -95 to 5 kPa"),),
    "co2_mole_fraction": (_line((200.0, 60000.0), {"lowest": 350.0, "highest": 30000.0}, _USUAL),),
    "soil_co2_efflux": (_line((-1.0, 60.0), {"lowest": 0.0, "highest": 25.0}, _USUAL),),
}
