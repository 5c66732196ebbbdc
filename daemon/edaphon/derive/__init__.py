"""What entries mean: decode, place, convert, calibrate, check; live and again."""

from edaphon.derive.another import Another, Part, derived_by
from edaphon.derive.compare import Comparison
from edaphon.derive.deriver import Deriver, known_facts
from edaphon.derive.foresee import foresee
from edaphon.derive.plan import ALWAYS, LINE_VERSION, Plan, changed_ranges, plan_of
from edaphon.derive.rework import remove_series
from edaphon.derive.sources import Sources
from edaphon.derive.step import DeadLetter

__all__ = [
    "ALWAYS",
    "LINE_VERSION",
    "Another",
    "Comparison",
    "DeadLetter",
    "Deriver",
    "Part",
    "Plan",
    "Sources",
    "changed_ranges",
    "derived_by",
    "foresee",
    "known_facts",
    "plan_of",
    "remove_series",
]
