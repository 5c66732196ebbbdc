"""What people know of a site, as facts: deployments, wiring, depths, calibrations, marks."""

from edaphon.facts.basis import Fact, Period
from edaphon.facts.calibrations import Calibration, FactoryCurve, FieldCheck
from edaphon.facts.conflicts import in_order, knowledge_conflicts, new_rows
from edaphon.facts.documents import documents_of, rows_of
from edaphon.facts.evidence import evidence_complaints, evidence_files
from edaphon.facts.files import FactRow, read_facts, written_ids
from edaphon.facts.knowledge import Knowledge
from edaphon.facts.model import (
    ChannelFact,
    Deployment,
    Mark,
    Pause,
    Plot,
    Profile,
    Replacement,
    Revocation,
    SecondInput,
    Sensor,
    Visit,
)
from edaphon.facts.payload import FactPayload, fact_of, from_payload, table_of, to_payload
from edaphon.facts.pins import pin_id, pin_of, pins_needed

__all__ = [
    "Calibration",
    "ChannelFact",
    "Deployment",
    "Fact",
    "FactPayload",
    "FactRow",
    "FactoryCurve",
    "FieldCheck",
    "Knowledge",
    "Mark",
    "Pause",
    "Period",
    "Plot",
    "Profile",
    "Replacement",
    "Revocation",
    "SecondInput",
    "Sensor",
    "Visit",
    "documents_of",
    "evidence_complaints",
    "evidence_files",
    "fact_of",
    "from_payload",
    "in_order",
    "knowledge_conflicts",
    "new_rows",
    "pin_id",
    "pin_of",
    "pins_needed",
    "read_facts",
    "rows_of",
    "table_of",
    "to_payload",
    "written_ids",
]
