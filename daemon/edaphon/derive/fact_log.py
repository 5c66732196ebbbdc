"""What the journal says of how to read it, found without reading ten years of records."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from edaphon.derive.decode import Sources, sources_of
from edaphon.facts import Knowledge, from_payload
from edaphon.journal import Entry, JournalReader, Kind
from edaphon.journal.fact_log import CHECKPOINT, FACT_KINDS, START, Item, fact_log_items, trusted
from edaphon.model import EntryId
from edaphon.series import Series


class Learned(NamedTuple):
    """What the journal says, up to a place, of how to read it."""

    knowledge: Knowledge
    known: EntryId  # of the last fact or configuration it holds
    sources: Sources
    configured: EntryId = START  # of the last configuration


NOTHING_LEARNED = Learned(Knowledge(), START, Sources())


def read_fact_log(journal: JournalReader, series: Series | None) -> tuple[Item, ...]:
    """Facts and configurations in the order of entry; damaged rows are passed over."""
    table = checkpoint_in(journal, series) if series is not None else None
    return tuple(fact_log_items(journal, table))


def checkpoint_in(journal: JournalReader, series: Series) -> dict[str, Any] | None:
    """The place to go on from; None without one, and for one of another journal."""
    return trusted(journal, orjson.loads(series.checkpoint(CHECKPOINT) or b"null"))


def knowledge_of(reported: Iterable[Item]) -> Knowledge:
    knowledge = Knowledge()
    for sequence, entry in reported:
        if entry.kind in FACT_KINDS:
            knowledge = knowledge.learn(sequence, from_payload(entry.payload).fact)
    return knowledge


def known_facts(journal: JournalReader, series: Series | None = None) -> Knowledge:
    """Everything that was ever entered in the journal; `edaphon verify` reports damaged rows."""
    return knowledge_of(read_fact_log(journal, series))


def last_sources(reported: Iterable[Item]) -> Sources:
    """By the configuration that was entered last."""
    last = [entry for _, entry in reported if entry.kind == Kind.CONFIGURATION][-1:]
    return sources_of(last[0]) if last else Sources()


def learned(so_far: Learned, batch: Iterable[Item]) -> Learned:
    """With the facts and configurations of a batch that are new to it."""
    knowledge, known, sources, configured = so_far
    configuration: Entry | None = None
    for sequence, entry in batch:
        if sequence <= known:
            continue
        known = sequence
        if entry.kind == Kind.CONFIGURATION:
            configuration, configured = entry, sequence
        else:
            knowledge = knowledge.learn(sequence, from_payload(entry.payload).fact)
    sources = sources_of(configuration) if configuration else sources
    return Learned(knowledge, known, sources, configured)
