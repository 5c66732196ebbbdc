"""What a check is: its name, what it needs around a value, its limits and the usual ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

import numpy as np

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.errors import LimitError, suggestion
from edaphon_calibration.flags import Flag, worst_flag
from edaphon_calibration.units import Conversion

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

    >>> from edaphon_calibration.checks import find_check
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
