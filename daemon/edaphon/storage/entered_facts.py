"""What the journal says was entered: each fact with who, when and from which file."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from edaphon.config import Configuration
from edaphon.config.reading import read_codec
from edaphon.derive.decode import Sources, sources_of
from edaphon.derive.fact_log import FACT_KINDS, read_fact_log
from edaphon.derive.plan import Plan, plan_of
from edaphon.facts import FactPayload, Knowledge, from_payload
from edaphon.facts.knowledge import Known
from edaphon.journal import Entry, JournalReader, read_only
from edaphon.model import EntryId
from edaphon.series import Series, WrongFile
from edaphon.storage.access import Storage
from edaphon.storage.lost_facts import warn_of_lost_facts
from edaphon.toml_input.values import instant_text

__all__ = ["Entered", "EnteredFacts", "told_in"]


class Entered(NamedTuple):
    """A fact as it was entered; `received_ns` [UTC] is when it became known."""

    place: EntryId
    received_ns: int
    reported: FactPayload

    @property
    def second_ns(self) -> int:
        """The second in which it became known, as it is shown to people."""
        return self.received_ns // 10**9 * 10**9

    @property
    def known_since(self) -> str:
        return instant_text(self.second_ns)


@dataclass(frozen=True)
class EnteredFacts:
    """All facts of a journal in their order; `sources` are those of its last configuration."""

    entered: tuple[Entered, ...] = ()
    sources: Sources = field(default_factory=Sources)

    @cached_property
    def knowledge(self) -> Knowledge:
        return Knowledge(tuple(Known(one.place, one.reported.fact) for one in self.entered))

    @cached_property
    def plan(self) -> Plan:
        return plan_of(self.knowledge, self.sources)

    def as_known_at(self, time_ns: int) -> "EnteredFacts":
        return EnteredFacts(tuple(e for e in self.entered if e.second_ns <= time_ns), self.sources)

    @cached_property
    def by_id(self) -> Mapping[str, tuple[Entered, ...]]:
        """Things have several of one id, any other fact one."""
        found: dict[str, tuple[Entered, ...]] = {}
        for one in self.entered:
            found[one.reported.fact.id] = (*found.get(one.reported.fact.id, ()), one)
        return found


def told_in(storage: Storage) -> EnteredFacts:
    """From the journal; damaged rows are passed over, `edaphon verify` tells them."""
    if not storage.layout.journal.exists():
        return EnteredFacts((), sources_now(storage.config))
    warn_of_lost_facts(storage)
    entered: list[Entered] = []
    configuration = None
    journal = read_only(storage.layout.journal)
    for place, entry in _meanings(journal, storage.layout.series):
        if entry.kind in FACT_KINDS:
            entered.append(Entered(place, entry.received_ns, from_payload(entry.payload)))
        else:
            configuration = entry
    sources = sources_of(configuration) if configuration else sources_now(storage.config)
    return EnteredFacts(tuple(entered), sources)


def _meanings(journal: JournalReader, path: Path) -> tuple[tuple[EntryId, Entry], ...]:
    """With the help of the series where there is one that can be read."""
    try:
        with closing(Series(path, read_only=True)) as series:
            return read_fact_log(journal, series)
    except (WrongFile, sqlite3.DatabaseError):
        return read_fact_log(journal, None)


def sources_now(config: Configuration) -> Sources:
    """Those of the file, for a journal that no daemon has written its configuration into yet."""
    files: dict[str, str] = {}
    for source in config.sources:
        path = getattr(source, "codec_file", None)
        if path is not None:
            with suppress(OSError):  # `edaphon check` says so
                files[str(path)] = read_codec(path, errors="replace")
    return Sources.of(config, files)
