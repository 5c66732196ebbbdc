"""Where new facts contradict what is known, or name what does not exist."""

from collections.abc import Mapping, Sequence

from edaphon.facts.files import FactRow
from edaphon.facts.knowledge import Knowledge
from edaphon.written import Complaint
from edaphon_drivers.sheets import Output

__all__ = ["knowledge_conflicts"]


def knowledge_conflicts(
    rows: Sequence[FactRow],
    knowledge: Knowledge,
    sources: Mapping[str, Mapping[str, Output]] | None = None,
) -> list[Complaint]:
    """Complaints about `rows`; `sources` are the outputs of each source path, None if not known."""
    return []
