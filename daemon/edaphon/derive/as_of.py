"""What was known at a time of the past: the facts, the configuration and the records by then."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edaphon.derive.decode import Sources
from edaphon.derive.fact_log import knowledge_of, last_sources, meanings
from edaphon.derive.plan import Plan, plan_of
from edaphon.derive.projection import Projection
from edaphon.derive.recalculate import chosen
from edaphon.facts import Knowledge
from edaphon.journal import JournalReader
from edaphon.model import EntryId, Observations
from edaphon.series import Series

__all__ = ["AsOf", "known_as_of", "values_then"]


class AsOf(NamedTuple):
    """What was known once the entry of that place had been written."""

    place: EntryId
    knowledge: Knowledge
    sources: Sources
    plan: Plan


def known_as_of(journal: JournalReader, series: Series, time_ns: int) -> AsOf | None:
    """What was known at that time [UTC ns]; None before the first entry."""
    place = journal.place_at(time_ns)
    if place is None:
        return None
    reported = tuple(item for item in meanings(journal, series) if item[0] <= place)
    knowledge, sources = knowledge_of(reported), last_sources(reported)
    return AsOf(place, knowledge, sources, plan_of(knowledge, sources))


def values_then(
    journal: JournalReader,
    series: Series,
    known: AsOf,
    channel: str,
    start_ns: int,
    end_ns: int,
    scratch: Path,
) -> Iterator[Observations]:
    """The observations from start to before end [UTC ns] as they were derived then.

    The software is today's: a derivation that the series still names says that nothing differs.
    """
    another = Projection(journal, series, known.plan, known.sources, scratch, known.place)
    for _, part in another.parts({channel: [(start_ns, end_ns)]}):
        for run in part.new:
            inside = (run.time_ns >= start_ns) & (run.time_ns < end_ns)
            if inside.any():
                yield chosen(run, inside)
