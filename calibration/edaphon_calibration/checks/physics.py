"""Physics: a value that no soil, air or instrument can have, whatever calibration led to it.

A value outside the true domain, as noise around zero gives it, is suspect and does not fail.
Its limits are those of the channel's quantity (`edaphon_calibration.physics`) and are no channel's
own: a wider range that a person states does not make such a value possible.

>>> import numpy as np
>>> evaluate(np.array([0, 1]), np.array([0.3, 1.4]), {"lowest": -0.15, "highest": 1.1})
array([0, 1], dtype=int8)
"""

from math import inf

from edaphon_calibration.checks.definition import CheckMeta, LimitKind
from edaphon_calibration.checks.limits import DefaultLimits, DefaultLine
from edaphon_calibration.checks.range import evaluate
from edaphon_calibration.flags import Flag
from edaphon_calibration.physics import PHYSICS, Physics

__all__ = ["DEFAULTS", "METADATA", "evaluate"]

METADATA = CheckMeta(
    name="physics",
    effect=Flag.FAIL,
    looks_back=0,
    looks_ahead=0,
    limits={"lowest": LimitKind.VALUE, "highest": LimitKind.VALUE},
    reference="edaphon_calibration.physics: the reason of each limit",
    defaults={},
    ordered=("lowest", "highest"),
    of_person=False,
)


def _line(known: Physics) -> DefaultLine:
    ends = {"lowest": known.lowest, "highest": known.highest}
    ends |= {"suspect_lowest": known.least, "suspect_highest": known.most}
    return DefaultLine({name: x for name, x in ends.items() if abs(x) < inf}, known.why)


DEFAULTS: DefaultLimits = {name: (_line(p),) for name, p in PHYSICS.items() if p.limited}
