"""What the journal says of how to read it, found without reading ten years of records."""

from collections.abc import Iterator
from typing import Any

import orjson

from edaphon.derive.deriver import CHECKPOINT, FACT_KINDS, MEANINGS
from edaphon.derive.sources import Sources
from edaphon.derive.step import Item, sources_of
from edaphon.facts import Knowledge, from_payload
from edaphon.journal import DamagedRow, JournalReader, Kind
from edaphon.nouns import Sequence
from edaphon.series import Series

__all__ = ["Meanings", "knowledge_of", "known_facts", "last_sources", "meanings"]

Meanings = tuple[Item, ...]


def meanings(journal: JournalReader, series: Series | None) -> Meanings:
    """Facts and configurations in the order of entry; damaged rows are passed over.

    The series knows the places of those up to where it was derived.
    """
    text = series.checkpoint(CHECKPOINT) if series is not None else None
    known: dict[str, Any] = orjson.loads(text) if text else {"meanings": [], "position": 0}
    start = Sequence.of(known["position"]) if known["position"] else None
    later = journal.scan(kinds=MEANINGS, start=start, on_damage=lambda _: None)
    return (*_recalled(journal, known["meanings"]), *later)


def _recalled(journal: JournalReader, numbers: list[int]) -> Iterator[Item]:
    for place in map(Sequence.of, numbers):
        try:
            yield place, journal.entry(place)
        except (DamagedRow, KeyError):
            continue


def knowledge_of(told: Meanings) -> Knowledge:
    knowledge = Knowledge()
    for sequence, entry in told:
        if entry.kind in FACT_KINDS:
            knowledge = knowledge.learn(sequence, from_payload(entry.payload).fact)
    return knowledge


def known_facts(journal: JournalReader, series: Series | None = None) -> Knowledge:
    """Everything that was ever entered in the journal; `edaphon verify` tells of damaged rows."""
    return knowledge_of(meanings(journal, series))


def last_sources(told: Meanings) -> Sources:
    """By the configuration that was entered last."""
    last = [entry for _, entry in told if entry.kind == Kind.CONFIGURATION][-1:]
    return sources_of(last[0]) if last else Sources()
