"""What entries mean: decode, place, convert, calibrate, check; live and again."""

from edaphon.derive.decode import Sources
from edaphon.derive.deriver import Deriver
from edaphon.derive.fact_log import knowledge_of, known_facts, last_sources, meanings
from edaphon.derive.pipeline import DeadLetter, LostLine, counted_files
from edaphon.derive.plan import ALWAYS, LINE_VERSION, Plan, changed_ranges, plan_of
from edaphon.derive.projection import (
    AsOf,
    Comparison,
    Part,
    Projection,
    derived_by,
    known_as_of,
    previewed,
    values_then,
)
from edaphon.derive.rederive import remove_series
from edaphon.derive.state import UplinkConflicts

__all__ = [
    "ALWAYS",
    "LINE_VERSION",
    "Projection",
    "Comparison",
    "DeadLetter",
    "Deriver",
    "AsOf",
    "LostLine",
    "Part",
    "Plan",
    "Sources",
    "UplinkConflicts",
    "changed_ranges",
    "counted_files",
    "derived_by",
    "previewed",
    "known_facts",
    "known_as_of",
    "knowledge_of",
    "last_sources",
    "meanings",
    "plan_of",
    "remove_series",
    "values_then",
]
