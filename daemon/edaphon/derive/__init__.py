"""What entries mean: decode, place, convert, calibrate, check; live and again."""

from edaphon.derive.another import Another, Part, derived_by
from edaphon.derive.compare import Comparison
from edaphon.derive.deriver import Deriver
from edaphon.derive.foresee import foresee
from edaphon.derive.known_then import KnownThen, known_then, values_then
from edaphon.derive.meanings import knowledge_of, known_facts, last_sources, meanings
from edaphon.derive.plan import ALWAYS, LINE_VERSION, Plan, changed_ranges, plan_of
from edaphon.derive.rework import remove_series
from edaphon.derive.sources import Sources
from edaphon.derive.state import UplinkConflicts
from edaphon.derive.step import DeadLetter, LostLine, counted_files

__all__ = [
    "ALWAYS",
    "LINE_VERSION",
    "Another",
    "Comparison",
    "DeadLetter",
    "Deriver",
    "KnownThen",
    "LostLine",
    "Part",
    "Plan",
    "Sources",
    "UplinkConflicts",
    "changed_ranges",
    "counted_files",
    "derived_by",
    "foresee",
    "known_facts",
    "known_then",
    "knowledge_of",
    "last_sources",
    "meanings",
    "plan_of",
    "remove_series",
    "values_then",
]
