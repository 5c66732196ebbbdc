"""Facts and configurations of a journal, found without reading ten years of records."""

from collections.abc import Iterable
from typing import Any

import orjson

from edaphon.facts import Knowledge, from_payload
from edaphon.journal import JournalReader
from edaphon.journal.fact_log import CHECKPOINT, FACT_KINDS, Item, fact_log_items, trusted
from edaphon.series import Series


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
