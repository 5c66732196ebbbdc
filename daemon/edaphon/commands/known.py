"""What the journal says was entered: each fact with who, when and from which file."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import orjson

from edaphon.commands.storage import Storage
from edaphon.config import Configuration
from edaphon.derive import Plan, Sources, plan_of
from edaphon.derive.deriver import CHECKPOINT, FACT_KINDS, MEANINGS
from edaphon.derive.step import sources_of
from edaphon.facts import FactPayload, Knowledge, from_payload
from edaphon.facts.knowledge import Known
from edaphon.journal import DamagedRow, Entry, JournalReader, entry_crc, read_only
from edaphon.nouns import Sequence
from edaphon.series import Series, WrongFile
from edaphon.written.values import instant_text

__all__ = ["Entered", "Told", "told_in"]


class Entered(NamedTuple):
    """A fact as it was entered; `received_ns` [UTC] is when it became known."""

    place: Sequence
    received_ns: int
    told: FactPayload

    @property
    def second_ns(self) -> int:
        """The second in which it became known, as it is shown to people."""
        return self.received_ns // 10**9 * 10**9

    @property
    def known_since(self) -> str:
        return instant_text(self.second_ns)


@dataclass(frozen=True)
class Told:
    """All facts of a journal in their order; `sources` are those of its last configuration."""

    entered: tuple[Entered, ...] = ()
    sources: Sources = field(default_factory=Sources)

    @cached_property
    def knowledge(self) -> Knowledge:
        return Knowledge(tuple(Known(one.place, one.told.fact) for one in self.entered))

    @cached_property
    def plan(self) -> Plan:
        return plan_of(self.knowledge, self.sources)

    def as_known_at(self, time_ns: int) -> "Told":
        return Told(tuple(e for e in self.entered if e.second_ns <= time_ns), self.sources)

    @cached_property
    def by_id(self) -> Mapping[str, tuple[Entered, ...]]:
        """Things have several of one id, any other fact one."""
        found: dict[str, tuple[Entered, ...]] = {}
        for one in self.entered:
            found[one.told.fact.id] = (*found.get(one.told.fact.id, ()), one)
        return found


def told_in(storage: Storage) -> Told:
    """From the journal; damaged rows are passed over, `edaphon verify` tells them."""
    if not storage.layout.journal.exists():
        return Told((), sources_now(storage.config))
    entered: list[Entered] = []
    configuration = None
    journal = read_only(storage.layout.journal)
    for place, entry in _meanings(journal, storage.layout.series):
        if entry.kind in FACT_KINDS:
            entered.append(Entered(place, entry.received_ns, from_payload(entry.payload)))
        else:
            configuration = entry
    sources = sources_of(configuration) if configuration else sources_now(storage.config)
    return Told(tuple(entered), sources)


def _meanings(journal: JournalReader, series: Path) -> Iterator[tuple[Sequence, Entry]]:
    """Facts and configurations in order: by their places as far as the series knows them.

    So ten years of records are not read for a list.
    """
    places, start = _known_places(journal, series)
    for place in places:
        with contextlib.suppress(DamagedRow, KeyError):
            yield place, journal.entry(place)
    yield from journal.scan(kinds=MEANINGS, start=start, on_damage=lambda _: None)


def _known_places(journal: JournalReader, path: Path) -> tuple[list[Sequence], Sequence | None]:
    """(places up to the series' checkpoint, the checkpoint); nothing if it is of other entries."""
    if not path.exists():
        return [], None
    try:
        series = Series(path, read_only=True)
        table = orjson.loads(series.checkpoint(CHECKPOINT) or "{}")
        series.close()
        position = Sequence.of(table["position"])
        if entry_crc(*position, journal.entry(position)) == table["crc"]:
            return list(map(Sequence.of, table["meanings"])), position
    except (KeyError, DamagedRow, WrongFile, sqlite3.DatabaseError):
        pass
    return [], None


def sources_now(config: Configuration) -> Sources:
    """Those of the file, for a journal that no daemon has written its configuration into yet."""
    files: dict[str, str] = {}
    for source in config.sources:
        path = getattr(source, "codec_file", None)
        if path is not None and path.is_file():
            files[str(path)] = path.read_text("utf-8", "replace")
    return Sources.of(config, files)
