"""The checks of this package: range, rate, spike and physics, with the usual limits of quantities.

References: U.S. IOOS QARTOD manuals (doi:10.7289/V5V40SD4).
"""

from math import inf

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Int, Small
from edaphon_calibration.checks.definition import Check, LimitKind, Limits, UsualRow
from edaphon_calibration.flags import NOT_EVALUABLE, Flag
from edaphon_calibration.physics import PHYSICS, Physics

_HOUR_NS = 3.6e12
_NO_SOURCE = "usual practice, no single source"
_USUAL = "usual practice, no single source; set the site's own"


def outside_range(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails below `lowest` or above `highest` [channel's unit]; NaN is not evaluable.

    As `range` it is QARTOD's gross range test: a value outside what sensor or soil can reach. As
    `physics` it finds a value that no soil, air or instrument can have, whatever calibration led
    to it; one outside the true domain, as noise around zero gives it, is suspect and does not
    fail. Those limits are the quantity's (`edaphon_calibration.physics`) and no channel's own: a
    wider range that a person states does not make such a value possible. A value on a limit passes.

    >>> limits = {"lowest": -40.0, "highest": 60.0}
    >>> outside_range(np.array([0, 1]), np.array([20.0, 85.0]), limits)
    array([0, 1], dtype=int8)
    """
    beyond = (value < limits.get("lowest", -inf)) | (value > limits.get("highest", inf))
    result = beyond.astype(np.int8)
    result[np.isnan(value)] = NOT_EVALUABLE
    return result


def changed_too_fast(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails above `rise_per_hour` or `fall_per_hour` [channel's unit per hour, both positive].

    A value that rose or fell faster since the row before than the soil can; a rate on the limit
    passes. Between readings a few seconds apart the noise of any sensor is fast per hour: a change
    within `least_change` [channel's unit] passes at any rate.
    Not evaluable: the first row, a row whose predecessor has no value or the same time, and one
    more than `max_gap_hours` after it.
    References: QARTOD rate of change test, with thresholds per hour as in the ISMN's hourly flags.

    >>> hours = np.array([0, 1, 2]) * 3_600_000_000_000
    >>> limits = {"rise_per_hour": 3.0, "max_gap_hours": 6.0}
    >>> changed_too_fast(hours, np.array([10.0, 11.0, 15.0]), limits)
    array([-1,  0,  1], dtype=int8)
    """
    result = np.full(len(value), NOT_EVALUABLE, np.int8)
    hours, change, usable = _changes(time_ns, value, limits)
    rise, fall = limits.get("rise_per_hour", inf), limits.get("fall_per_hour", inf)
    least = limits.get("least_change", 0.0)
    with np.errstate(invalid="ignore"):
        beyond = (change > rise * hours) | (change < -fall * hours)
        beyond &= np.abs(change) > least
    result[1:][usable] = beyond[usable]
    return result


def single_spike(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails where both neighbours are more than `difference` [channel's unit] below, or above.

    QARTOD's spike test in the differential form: the smaller of both differences counts, so
    neighbours of a spike and steps pass. A difference on the limit passes. Spikes of two and more
    rows are not found.
    Not evaluable: the first and the last row, a row with a neighbour that has no value, the same
    time, or more than `max_gap_hours` between.

    >>> hours = np.arange(4) * 3_600_000_000_000
    >>> limits = {"difference": 2.0, "max_gap_hours": 6.0}
    >>> single_spike(hours, np.array([10.0, 10.5, 15.0, 11.0]), limits)
    array([-1,  0,  1, -1], dtype=int8)
    """
    result = np.full(len(value), NOT_EVALUABLE, np.int8)
    _, change, near = _changes(time_ns, value, limits)
    usable = near[:-1] & near[1:]
    rise, fall = change[:-1], -change[1:]
    peak = np.minimum(rise, fall) > limits["difference"]
    trough = np.maximum(rise, fall) < -limits["difference"]
    result[1:-1][usable] = (peak | trough)[usable]
    return result


def _changes(time_ns: Int, value: Float, limits: Limits) -> tuple[Float, Float, Bools]:
    """Hours and change since the row before, and where both count."""
    hours = (time_ns[1:] - time_ns[:-1]) / _HOUR_NS
    change = value[1:] - value[:-1]
    return hours, change, (hours > 0) & (hours <= limits["max_gap_hours"]) & ~np.isnan(change)


def _range(fail: tuple[float, float], suspect: dict[str, float], source: str) -> UsualRow:
    limits = {"fail_lowest": fail[0], "fail_highest": fail[1]}
    return UsualRow(limits | {f"suspect_{name}": x for name, x in suspect.items()}, source)


def _rate(rise: float, fall: float, least: float, from_depth_cm: float = 0.0) -> UsualRow:
    limits = {"rise_per_hour": rise, "fall_per_hour": fall, "least_change": least}
    return UsualRow(limits, _NO_SOURCE, from_depth_cm)


def _spike(suspect: float, fail: float) -> tuple[UsualRow, ...]:
    limits = {"suspect_difference": suspect, "fail_difference": fail}
    return (UsualRow(limits, _NO_SOURCE),)


def _physics(known: Physics) -> UsualRow:
    ends = {"lowest": known.lowest, "highest": known.highest}
    ends |= {"suspect_lowest": known.least, "suspect_highest": known.most}
    return UsualRow({name: x for name, x in ends.items() if abs(x) < inf}, known.why)


CHECKS: tuple[Check, ...] = (
    Check(
        name="range",
        effect=Flag.FAIL,
        looks_back=0,
        looks_ahead=0,
        limits={"lowest": LimitKind.VALUE, "highest": LimitKind.VALUE},
        reference="QARTOD gross range test, doi:10.7289/V5V40SD4",
        defaults={},
        ordered=("lowest", "highest"),
        evaluate=outside_range,
        usual={
            # ISMN (Dorigo et al. 2013, doi:10.2136/vzj2012.0097): -60 to 60 degC, 0 to 60 % water
            "soil_temperature": (
                _range((-40.0, 60.0), {"lowest": -25.0, "highest": 45.0}, _USUAL),
            ),
            "volumetric_water_content": (
                _range(
                    (0.0, 0.60), {"lowest": 0.01}, "ISMN flags C01, C02; organic soils reach 0.95"
                ),
            ),
            "bulk_electrical_conductivity": (
                _range((0.0, 20.0), {"highest": 8.0}, "usual probe range"),
            ),
            "matric_potential": (
                _range((-1e6, 0.0), {}, "physical; a tensiometer has -95 to 5 kPa"),
            ),
            "co2_mole_fraction": (
                _range((200.0, 60000.0), {"lowest": 350.0, "highest": 30000.0}, _USUAL),
            ),
            "soil_co2_efflux": (_range((-1.0, 60.0), {"lowest": 0.0, "highest": 25.0}, _USUAL),),
        },
    ),
    Check(
        name="rate",
        effect=Flag.SUSPECT,
        looks_back=1,
        looks_ahead=0,
        limits={
            "rise_per_hour": LimitKind.PER_HOUR,
            "fall_per_hour": LimitKind.PER_HOUR,
            "least_change": LimitKind.DIFFERENCE,
            "max_gap_hours": LimitKind.HOURS,
        },
        reference="QARTOD rate of change test, doi:10.7289/V5V40SD4",
        defaults={"max_gap_hours": 6.0},
        evaluate=changed_too_fast,
        usual={
            "soil_temperature": (
                _rate(3.0, 3.0, 0.5),
                _rate(1.0, 1.0, 0.5, 20.0),
                _rate(0.3, 0.3, 0.5, 50.0),
            ),
            "volumetric_water_content": (_rate(0.10, 0.03, 0.01),),
            "bulk_electrical_conductivity": (_rate(0.5, 0.5, 0.05),),
            "matric_potential": (_rate(200.0, 200.0, 2.0),),
            "co2_mole_fraction": (_rate(3000.0, 3000.0, 50.0),),
        },
    ),
    Check(
        name="spike",
        effect=Flag.SUSPECT,
        looks_back=1,
        looks_ahead=1,
        limits={"difference": LimitKind.DIFFERENCE, "max_gap_hours": LimitKind.HOURS},
        reference="QARTOD spike test, differential form, doi:10.7289/V5V40SD4",
        defaults={"max_gap_hours": 6.0},
        evaluate=single_spike,
        usual={
            "soil_temperature": _spike(2.0, 5.0),
            "volumetric_water_content": _spike(0.03, 0.06),
            "bulk_electrical_conductivity": _spike(0.2, 1.0),
            "co2_mole_fraction": _spike(1500.0, 5000.0),
        },
    ),
    Check(
        name="physics",
        effect=Flag.FAIL,
        looks_back=0,
        looks_ahead=0,
        limits={"lowest": LimitKind.VALUE, "highest": LimitKind.VALUE},
        reference="edaphon_calibration.physics: the reason of each limit",
        defaults={},
        ordered=("lowest", "highest"),
        of_person=False,
        evaluate=outside_range,
        usual={name: (_physics(row),) for name, row in PHYSICS.items() if row.limited},
    ),
)
