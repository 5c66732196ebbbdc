"""What entries mean: decode, place, convert, calibrate, check; live and again."""

from edaphon.derive.deriver import Deriver, known_facts
from edaphon.derive.plan import ALWAYS, LINE_VERSION, Plan, changed_ranges
from edaphon.derive.rework import remove_series
from edaphon.derive.sources import Sources
from edaphon.derive.step import DeadLetter

__all__ = [
    "ALWAYS",
    "LINE_VERSION",
    "DeadLetter",
    "Deriver",
    "Plan",
    "Sources",
    "changed_ranges",
    "known_facts",
    "remove_series",
]
