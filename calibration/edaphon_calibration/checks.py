"""Quality checks: what one is, those of this package with their usual limits, and how to find one.

References: U.S. IOOS QARTOD manuals (doi:10.7289/V5V40SD4).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cache
from math import inf, isfinite

import numpy as np

from edaphon_calibration.arrays import Bools, Float, Int, Small
from edaphon_calibration.chain import Conversion
from edaphon_calibration.errors import (
    Known,
    LimitError,
    UnknownCheck,
    installed,
    suggestion,
    unknown,
)
from edaphon_calibration.nomenclature import QUANTITIES, Physics, quantity, table
from edaphon_calibration.units import conversion


class Flag(IntEnum):
    PASSED = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


# A plain number: numpy asks an enum member for half a dozen attributes at every comparison.
_UNSET = int(Flag.NOT_EVALUATED)


class Result(IntEnum):
    """What one test found for one value."""

    NOT_EVALUABLE = -1
    PASS = 0
    FAIL = 1


NOT_EVALUABLE = int(Result.NOT_EVALUABLE)


def worst_flag(flags: list[Small], n: int) -> Small:
    """The worst of several flag arrays of shape (n,); NOT_EVALUATED yields to any other."""
    found = np.array(flags, np.int8).reshape(len(flags), n)
    found[found == _UNSET] = 0  # below any other
    worst: Small = found.max(axis=0, initial=0)
    worst[worst == 0] = _UNSET
    return worst


_HOUR_NS = 3.6e12
Limits = Mapping[str, float]
Evaluate = Callable[[Int, Float, Limits], Small]

_PREFIXES = {"suspect_": Flag.SUSPECT, "fail_": Flag.FAIL}


class LimitKind(StrEnum):
    """The unit of a limit, seen from the channel's unit."""

    VALUE = "channel's unit"
    DIFFERENCE = "difference in the channel's unit"
    PER_HOUR = "channel's unit per hour"
    HOURS = "h"


@dataclass(frozen=True, slots=True)
class UsualRow:
    """Usual limits [nomenclature's unit] from one depth downwards, and where they come from."""

    limits: Limits
    source: str
    from_depth_cm: float = 0.0


UsualLimits = Mapping[str, tuple[UsualRow, ...]]  # rows of a quantity from the top down


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """What is fixed about a check.

    `evaluate(time_ns, value, limits)` is pure and gives a Result as int8 for each value; it gets
    whole arrays (context, new values, context) and decides on each value by the declared
    neighbours alone. `effect` is the flag for a failed value where a limit does not name the flag
    itself. `looks_back` and `looks_ahead` count the rows that must stand before and after a value
    for its result to be final, rows without a value included. `limits` maps names to kinds;
    `defaults` are the limits [h] that hold unless others are given; `ordered` names a pair of which
    the first must be the smaller. Of one that is not `of_person` no channel states limits of its
    own. `usual` holds the usual limits of quantities.
    """

    name: str
    effect: Flag
    looks_back: int
    looks_ahead: int
    limits: Mapping[str, LimitKind]
    reference: str
    defaults: Limits
    evaluate: Evaluate
    usual: UsualLimits
    ordered: tuple[str, str] | None = None
    of_person: bool = True

    def usual_limits(
        self, quantity: str, depth_cm: float | None, line: Conversion
    ) -> dict[str, float]:
        """In the unit that `line` leads to; of the greatest tabulated depth not below this one.

        Those of the first depth if none is known, {} if the quantity has none.
        """
        lines = self.usual.get(quantity, ())
        depth = 0.0 if depth_cm is None else depth_cm
        reached = [row for row in lines if row.from_depth_cm <= depth] or list(lines[:1])
        if not reached:
            return {}
        limits = reached[-1].limits
        return {name: _converted(x, _kind(self, name), line) for name, x in limits.items()}


_FLAGS = {effect: np.array([Flag.PASSED, effect, Flag.NOT_EVALUATED], np.int8) for effect in Flag}


@dataclass(frozen=True, slots=True, eq=False)
class PreparedCheck:
    """A check with its limits, ready for arrays in order of time [UTC ns, channel's unit].

    Called, it gives the result of each value (Result as int8) over all its levels; `flags` gives
    what that means for the value (Flag as int8: passed, not evaluated, suspect or fail).
    """

    rule: Check
    levels: tuple[tuple[Flag, Limits], ...]

    def __call__(self, time_ns: Int, value: Float) -> Small:
        found = [self.rule.evaluate(time_ns, value, limits) for _, limits in self.levels]
        worst = found[0]
        for result in found[1:]:
            worst = np.maximum(worst, result)
        return worst

    def flags(self, time_ns: Int, value: Float) -> Small:
        return worst_flag(self.flags_by_level(time_ns, value), len(value))

    def flags_by_level(self, time_ns: Int, value: Float) -> list[Small]:
        """For who takes the worst of several checks at once."""
        evaluate = self.rule.evaluate
        # Result -1 picks the last flag
        return [_FLAGS[effect][evaluate(time_ns, value, limits)] for effect, limits in self.levels]


def prepare_check(check: Check, limits: Limits) -> PreparedCheck:
    """A check with its limits; raises LimitError.

    A limit named plainly works with the check's own flag; `suspect_` or `fail_` before the name
    gives the flag. Limits in hours belong to all levels.

    >>> limits = {"fail_lowest": 0.0, "fail_highest": 0.6, "suspect_highest": 0.5}
    >>> check = prepare_check(find_check("range"), limits)
    >>> check.flags(np.array([0, 1, 2]), np.array([0.3, 0.55, 0.7])).tolist()
    [1, 3, 4]
    """
    return PreparedCheck(check, _levels(check, limits))


def _levels(check: Check, limits: Limits) -> tuple[tuple[Flag, Limits], ...]:
    """Limits by the flag they lead to, each complete for the check; raises LimitError."""
    shared = dict(check.defaults)
    by_flag: dict[Flag, dict[str, float]] = {}
    for name, number in limits.items():
        flag, plain = _split(check, name)
        _check_number(check, name, plain, number)
        if check.limits[plain] is LimitKind.HOURS:
            shared[plain] = float(number)
        elif plain in by_flag.setdefault(flag, {}):
            raise LimitError(f"check {check.name}: {plain} is given twice for flag {flag.name}")
        else:
            by_flag[flag][plain] = float(number)
    if not by_flag:
        raise LimitError(f"check {check.name}: expected at least one of {_names(check)}; came none")
    for flag, own in by_flag.items():
        _check_order(check, flag, own)
    return tuple((flag, {**shared, **by_flag[flag]}) for flag in sorted(by_flag))


def _split(check: Check, name: str) -> tuple[Flag, str]:
    """The flag and the plain name of a limit; raises LimitError for an unknown one."""
    for prefix, flag in _PREFIXES.items():
        plain = name.removeprefix(prefix)
        if plain != name and check.limits.get(plain, LimitKind.HOURS) is not LimitKind.HOURS:
            return flag, plain
    if name in check.limits:
        return check.effect, name
    prefixed = [p + n for p in ("", *_PREFIXES) for n in check.limits]
    raise LimitError(
        f"check {check.name}: expected limits among {_names(check)} (with suspect_ or fail_ before "
        f"them, if wanted); came {name[:80]!r}" + suggestion(name, prefixed)
    )


def _check_number(check: Check, name: str, plain: str, number: float) -> None:
    usable = isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number)
    if not usable or (check.limits[plain] is not LimitKind.VALUE and number <= 0):
        kind = check.limits[plain]
        sign = "" if kind is LimitKind.VALUE else " above 0"
        raise LimitError(
            f"check {check.name}: expected a finite number{sign} [{kind}] for {name}; "
            f"came {number!r}"
        )


def _check_order(check: Check, flag: Flag, limits: Limits) -> None:
    if check.ordered is None or not all(name in limits for name in check.ordered):
        return
    low, high = check.ordered
    if limits[low] >= limits[high]:
        raise LimitError(
            f"check {check.name}, flag {flag.name}: expected {low} below {high}; "
            f"came {limits[low]!r} and {limits[high]!r}"
        )


def _names(check: Check) -> str:
    return ", ".join(f"{name} [{kind}]" for name, kind in check.limits.items())


def _kind(check: Check, name: str) -> LimitKind:
    return check.limits[_split(check, name)[1]]


def _converted(number: float, kind: LimitKind, line: Conversion) -> float:
    match kind:
        case LimitKind.VALUE:
            return number * line.scale + line.offset
        case LimitKind.HOURS:
            return number
        case _:
            return number * abs(line.scale)


def outside_range(time_ns: Int, value: Float, limits: Limits) -> Small:
    """Fails below `lowest` or above `highest` [channel's unit]; NaN is not evaluable.

    As `range` it is QARTOD's gross range test: a value outside what sensor or soil can reach. As
    `physics` it finds a value that no soil, air or instrument can have, whatever calibration led
    to it; one outside the true domain, as noise around zero gives it, is suspect and does not
    fail. Those limits are the quantity's (`quantities.csv`) and no channel's own: a
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


def _usual(check: str) -> UsualLimits:
    """The rows of that check in `usual_limits.csv`."""
    found: dict[str, tuple[UsualRow, ...]] = {}
    for row in table("usual_limits"):
        if row.pop("check") == check:
            name, depth, source = row.pop("quantity"), row.pop("from_depth_cm"), row.pop("source")
            limits = {limit: float(number) for limit, number in row.items() if number}
            found[name] = (*found.get(name, ()), UsualRow(limits, source, float(depth)))
    return found


def _possible() -> UsualLimits:
    """The numbers that quantities can have, with the true domain within them."""
    found: dict[str, tuple[UsualRow, ...]] = {}
    for name, line in QUANTITIES.items():
        ends = {"lowest": line.physics.lowest, "highest": line.physics.highest}
        ends |= {"suspect_lowest": line.physics.least, "suspect_highest": line.physics.most}
        if line.physics.limited:
            limits = {limit: x for limit, x in ends.items() if abs(x) < inf}
            found[name] = (UsualRow(limits, line.physics.why),)
    return found


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
        usual=_usual("range"),
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
        usual=_usual("rate"),
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
        usual=_usual("spike"),
    ),
    Check(
        name="physics",
        effect=Flag.FAIL,
        looks_back=0,
        looks_ahead=0,
        limits={"lowest": LimitKind.VALUE, "highest": LimitKind.VALUE},
        reference="edaphon_calibration/quantities.csv: the reason of each limit",
        defaults={},
        ordered=("lowest", "highest"),
        of_person=False,
        evaluate=outside_range,
        usual=_possible(),
    ),
)


@cache
def known_checks() -> Known[Check]:
    """All checks that are installed; read once."""
    return installed("edaphon.checks")


def check_names() -> tuple[str, ...]:
    """The names of all checks, sorted."""
    return tuple(known_checks().by_name)


def find_check(name: str) -> Check:
    """The check of that name; raises UnknownCheck.

    >>> find_check("rate").looks_back
    1
    """
    known = known_checks().by_name
    if name not in known:
        raise UnknownCheck(unknown("check", name, known))
    return known[name]


def default_limits(
    quantity_name: str, depth_cm: float | None = None, unit: str | None = None
) -> dict[str, dict[str, float]]:
    """The usual limits of a quantity by check, ready for `prepare_check`; {} if there are none.

    They are in `unit` (the nomenclature's if None). Starting points for a site's own: each row of
    a check's `usual` names its source.

    >>> default_limits("soil_temperature", depth_cm=50)["rate"]["fall_per_hour"]
    0.3
    """
    known = quantity(quantity_name).unit
    line = conversion(known, unit or known)
    found = {
        name: check.usual_limits(quantity_name, depth_cm, line)
        for name, check in known_checks().by_name.items()
    }
    return {name: limits for name, limits in found.items() if limits}


def physical_limits(name: str, unit: str | None = None) -> Physics:
    """The limits of a quantity in `unit` (the nomenclature's if None).

    Raises UnknownQuantity and UnitError.

    >>> physical_limits("volumetric_water_content", "%")[:2]
    (-15.0, 110.0)
    """
    known = quantity(name).physics
    line = conversion(quantity(name).unit, unit or quantity(name).unit)
    ends = sorted(_rounded(x * line.scale + line.offset) for x in known[:2])
    domain = sorted(_rounded(x * line.scale + line.offset) for x in known[3:])
    return Physics(ends[0], ends[1], known.why, domain[0], domain[1])


def _rounded(number: float) -> float:
    """Without the last digits of a conversion, so that a limit reads as it was written."""
    return number if abs(number) == inf else float(f"{number:.12g}")
