"""What the journal says was entered: each fact with who, when and from which file."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import orjson

from edaphon.clock import instant_text
from edaphon.config import Configuration
from edaphon.derive.decode import Sources
from edaphon.derive.plan import Plan
from edaphon.facts import FactPayload, Knowledge, from_payload
from edaphon.facts.knowledge import Known
from edaphon.journal import JournalReader, read_only
from edaphon.journal.fact_log import CHECKPOINT, FACT_KINDS, Item, fact_log_items, trusted
from edaphon.model import EntryId
from edaphon.series import SeriesReader, WrongFile
from edaphon.storage.access import Storage


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
    """All facts of a journal in their order, and what makes the sources of then."""

    entered: tuple[Entered, ...]
    make_sources: "Callable[[], Sources]"

    @cached_property
    def sources(self) -> "Sources":
        """Those of the last configuration."""
        return self.make_sources()

    @cached_property
    def knowledge(self) -> Knowledge:
        return Knowledge(tuple(Known(one.place, one.reported.fact) for one in self.entered))

    @cached_property
    def plan(self) -> "Plan":
        from edaphon.derive.plan import plan_of  # it imports the drivers

        return plan_of(self.knowledge, self.sources)

    def as_known_at(self, time_ns: int) -> "EnteredFacts":
        own = tuple(e for e in self.entered if e.second_ns <= time_ns)
        return EnteredFacts(own, lambda: self.sources)

    @cached_property
    def by_id(self) -> Mapping[str, tuple[Entered, ...]]:
        """Things have several of one id, any other fact one."""
        found: dict[str, tuple[Entered, ...]] = {}
        for one in self.entered:
            found[one.reported.fact.id] = (*found.get(one.reported.fact.id, ()), one)
        return found


def facts_entered(storage: Storage) -> EnteredFacts:
    """From the journal; damaged rows are passed over, `edaphon verify` lists them."""
    if not storage.layout.journal.exists():
        return EnteredFacts((), lambda: _sources_of_file(storage.config))
    storage.warn_of_lost_facts()
    entered: list[Entered] = []
    configuration = None
    for place, entry in _fact_log(read_only(storage.layout.journal), storage.layout.series):
        if entry.kind in FACT_KINDS:
            entered.append(Entered(place, entry.received_ns, from_payload(entry.payload)))
        else:
            configuration = entry

    def sources() -> "Sources":
        from edaphon.derive.decode import sources_of  # it imports the drivers

        return sources_of(configuration) if configuration else _sources_of_file(storage.config)

    return EnteredFacts(tuple(entered), sources)


def _fact_log(journal: JournalReader, path: Path) -> list[Item]:
    """With the help of the series where there is one that can be read."""
    table = None
    with suppress(WrongFile, sqlite3.DatabaseError, OSError), SeriesReader(path) as series:
        table = trusted(journal, orjson.loads(series.checkpoint(CHECKPOINT) or b"null"))
    return list(fact_log_items(journal, table))


def _sources_of_file(config: "Configuration") -> "Sources":
    """Those of the file, for a journal that no daemon has written its configuration into yet."""
    from edaphon.config.reading import read_codec
    from edaphon.derive.decode import Sources

    files: dict[str, str] = {}
    for source in config.sources:
        path = getattr(source, "codec_file", None)
        if path is not None:
            with suppress(OSError):  # `edaphon check` says so
                files[str(path)] = read_codec(path, errors="replace")
    return Sources.of(config, files)
