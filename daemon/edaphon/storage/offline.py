"""Without a daemon: is the whole journal derived, who derives the rest, and the facts entered."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from edaphon.clock import SystemClock, instant_text
from edaphon.databases import StorageFault, fault_of
from edaphon.errors import StaleError
from edaphon.facts import FactPayload, Knowledge, from_payload
from edaphon.facts.knowledge import Known
from edaphon.journal import Journal, JournalBusy, JournalReader, read_only
from edaphon.journal.fact_log import (
    CHECKPOINT,
    FACT_KINDS,
    Item,
    configuration,
    fact_log_items,
    trusted,
)
from edaphon.journal.guard import guarded
from edaphon.journal.salvage import undeclared
from edaphon.model import EntryId
from edaphon.people import as_owner
from edaphon.printer import show_error
from edaphon.series import Series, SeriesReader, WrongFile
from edaphon.storage.access import Storage
from edaphon.storage.client import NOT_SHOWN, is_behind
from edaphon.storage.paths import Layout
from edaphon.storage.series_file import open_series, reached_by

if TYPE_CHECKING:
    from edaphon.config import Configuration
    from edaphon.derive.decode import Sources
    from edaphon.derive.deriver import Deriver
    from edaphon.derive.plan import Plan


def expect_complete(layout: Layout, say: Callable[[str], None]) -> None:
    """Of a series that is behind its journal: raises StaleError, unless nothing can be derived."""
    if not lacks_entries(layout, say):
        act = f"`edaphon channels --folder {layout.folder}` derives them"
        raise StaleError(f"{NOT_SHOWN}: the newest records are not derived yet; {act}")


def derive_the_rest(storage: Storage) -> None:
    """What a kill left underived; raises StaleError where it can't be."""
    layout = storage.layout
    if not is_behind(layout) or lacks_entries(layout, show_error):
        return
    try:
        with settled_deriver(storage):
            pass
    except PermissionError as error:
        why = f"the newest records are not derived yet, and this account may not: {error}"
        raise StaleError(f"{NOT_SHOWN}: {why}") from None


def lacks_entries(layout: Layout, say: Callable[[str], None]) -> bool:
    """Whether a part of the journal is gone that no start has declared yet, which is reported.

    To derive would begin a journal file, and a person may be about to copy a backup to its place.
    """
    gone = undeclared(layout.journal, reached_by(layout.series))
    for loss in gone:
        say(
            f"{loss.why}: what is shown is what was derived before; copy the file from a backup to"
            " its place, or start the service, which declares it as lost and goes on"
        )
    return bool(gone)


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple["Deriver", Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""

    with as_owner(storage.layout.folder):
        yield from _settled(storage.layout)


def _settled(layout: Layout) -> Iterator[tuple["Deriver", Series]]:
    from edaphon.derive.deriver import Deriver  # it imports the drivers

    layout.set_aside_non_files()
    try:
        journal = Journal.open(layout.journal, SystemClock(), reached=reached_by(layout.series))
    except JournalBusy as busy:
        raise StaleError(str(busy)) from None
    series = open_series(layout.series, lambda words: show_error(words))
    try:
        deriver = Deriver(journal, series, layout.scratch, guard=guarded(journal, True))
        while deriver.turn():
            pass
        yield deriver, series
        from edaphon.sinks.feed import cursor_name  # its servers take long to import

        checkpoint = trusted(journal, orjson.loads(series.checkpoint(CHECKPOINT) or b"null"))
        sinks = configuration(journal, checkpoint).get("sink", ())
        names = [cursor_name(sink["name"]) for sink in sinks]
        _flush(deriver, {name: series.checkpoint(name) or "0" for name in names}, layout)
    finally:
        series.close()
        journal.close()


def _flush(deriver: "Deriver", cursors: dict[str, str], layout: Layout) -> None:
    """On a full disk the answer is of what was kept before."""
    try:
        deriver.flush(cursors)
    except sqlite3.OperationalError as error:
        if fault_of(error, layout.series) is not StorageFault.FULL:
            raise
        show_error(f"{layout.folder}: {StorageFault.FULL}")


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
