"""What a check is: what it is called, what it needs around a value, what its limits mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edaphon_calibration.arrays import Float, Int, Small
from edaphon_calibration.flags import Flag, worst_flag

__all__ = ["Check", "CheckMeta", "Evaluate", "LimitKind", "Limits"]

Limits = Mapping[str, float]
Evaluate = Callable[[Int, Float, Limits], Small]


class LimitKind(StrEnum):
    """The unit of a limit, seen from the channel's unit."""

    VALUE = "channel's unit"
    DIFFERENCE = "difference in the channel's unit"
    PER_HOUR = "channel's unit per hour"
    HOURS = "h"


@dataclass(frozen=True, slots=True, eq=False)
class CheckMeta:
    """What is fixed about a check.

    `effect` is the flag for a failed value where a limit does not name the flag itself.
    `looks_back` and `looks_ahead` count the rows that must stand before and after a value for its
    result to be final, rows without a value included. `limits` maps names to kinds; `defaults`
    are the limits [h] that stand unless others are given; `ordered` names a pair of which the
    first must be the smaller. Of one that is not `of_person` no channel states limits of its own.
    """

    name: str
    effect: Flag
    looks_back: int
    looks_ahead: int
    limits: Mapping[str, LimitKind]
    reference: str
    defaults: Limits
    ordered: tuple[str, str] | None = None
    of_person: bool = True


_MEANING = {effect: np.array([Flag.PASSED, effect, Flag.NOT_EVALUATED], np.int8) for effect in Flag}


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A check with its limits, ready for arrays in order of time [UTC ns, channel's unit].

    Called, it gives the result of each value (Result as int8) over all its levels; `flags` gives
    what that means for the value (Flag as int8: passed, not evaluated, suspect or fail).
    """

    meta: CheckMeta
    evaluate: Evaluate
    levels: tuple[tuple[Flag, Limits], ...]

    def __call__(self, time_ns: Int, value: Float) -> Small:
        found = [self.evaluate(time_ns, value, limits) for _, limits in self.levels]
        worst = found[0]
        for result in found[1:]:
            worst = np.maximum(worst, result)
        return worst

    def flags(self, time_ns: Int, value: Float) -> Small:
        return worst_flag(self.flags_by_level(time_ns, value), len(value))

    def flags_by_level(self, time_ns: Int, value: Float) -> list[Small]:
        """For who takes the worst of several checks at once."""
        return [  # Result -1 picks the last meaning
            _MEANING[effect][self.evaluate(time_ns, value, limits)]
            for effect, limits in self.levels
        ]
