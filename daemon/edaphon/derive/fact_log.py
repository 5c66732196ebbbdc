"""What the journal says of how to read it, found without reading ten years of records."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edaphon.derive.decode import Sources, sources_of
from edaphon.facts import Knowledge, from_payload
from edaphon.journal import DamagedRow, Entry, JournalReader, Kind, entry_crc
from edaphon.journal.salvage import acknowledged_places
from edaphon.model import EntryId
from edaphon.series import Series, WrongFile

Item = tuple[EntryId, Entry]
CHECKPOINT = "deriver"
START = EntryId(0, 0)
GONE = -2


def trusted(journal: JournalReader, series: Series) -> dict[str, Any] | None:
    """None without a checkpoint, and for one of another journal.

    An entry that is damaged or lost takes nothing from what was derived with it, once the journal
    goes on behind it.
    """
    text = series.checkpoint(CHECKPOINT)
    if text is None:
        return None
    table: dict[str, Any] = orjson.loads(text)
    position = EntryId.of(table["position"])
    crc = crc_at(journal, position)
    lost = crc == GONE and position < (journal.last or START)
    return table if crc == table["crc"] or lost else None


def reached_by(path: Path) -> EntryId | None:
    """The last place from which the series of that file has rows; None where none can be read."""
    if not path.exists():
        return None
    try:
        with closing(Series(path, read_only=True)) as series:
            table = orjson.loads(series.checkpoint(CHECKPOINT) or b"{}")
        return EntryId.of(table["position"])
    except (OSError, sqlite3.Error, WrongFile, ValueError, KeyError, TypeError):
        return None


def crc_at(journal: JournalReader, sequence: EntryId) -> int:
    """The CRC of the entry there; -1 for the beginning, -2 for an entry that is gone."""
    if sequence == START:
        return -1
    try:
        return entry_crc(*sequence, journal.entry(sequence))
    except (KeyError, DamagedRow):
        return GONE


FACT_KINDS = frozenset({Kind.FACT, Kind.CALIBRATION, Kind.MARK})
_RUN = 500  # entries that are read at once
FACT_LOG_KINDS = FACT_KINDS | {Kind.CONFIGURATION}


class Learned(NamedTuple):
    """What the journal says, up to a place, of how to read it."""

    knowledge: Knowledge
    known: EntryId  # of the last fact or configuration it holds
    sources: Sources
    configured: EntryId = START  # of the last configuration


NOTHING_LEARNED = Learned(Knowledge(), START, Sources())


def read_fact_log(journal: JournalReader, series: Series | None) -> tuple[Item, ...]:
    """Facts and configurations in the order of entry; damaged rows are passed over."""
    table = trusted(journal, series) if series is not None else None
    return tuple(fact_log_items(journal, table, lambda _: None))


def fact_log_items(
    journal: JournalReader,
    table: Mapping[str, Any] | None,
    on_damage: Callable[[Exception], None],
) -> Iterator[Item]:
    """Those of all places that are known, in the order of entry.

    A journal with a summary knows its own places, its second copies those of files that are lost;
    without a summary each entry behind the checkpoint is looked at. A damaged row costs itself
    alone; one that is set aside is passed over.
    """
    aside = journal.aside
    found = _fact_log_items(journal, table, on_damage)
    yield from (item for item in found if item[0].number not in aside)


def _fact_log_items(
    journal: JournalReader,
    table: Mapping[str, Any] | None,
    on_damage: Callable[[Exception], None],
) -> Iterator[Item]:
    places = {EntryId.of(number) for number in table["meanings"]} if table is not None else set()
    if journal.summary is None:
        start = EntryId.of(table["position"]) if table is not None else START
        yield from recalled(journal, sorted(places), on_damage)
        yield from journal.scan(kinds=FACT_LOG_KINDS, start=start, on_damage=on_damage)
        return
    copied = (p for p, entry in journal.copies.entries.items() if entry.kind in FACT_LOG_KINDS)
    yield from recalled(journal, sorted({*places, *journal.summary.rare, *copied}), on_damage)


def recalled(
    journal: JournalReader,
    places: Iterable[EntryId],
    on_damage: Callable[[Exception], None] = lambda _: None,
) -> Iterator[Item]:
    """The entries of these places that can be read; of places in a row at once."""
    for run in _runs(places):
        first = run[0]
        try:
            read = journal.after(EntryId(first.file, first.n - 1), len(run))
        except DamagedRow:
            read = []
        found = dict(read)
        for place in run:
            try:
                yield place, found[place] if place in found else journal.entry(place)
            except (DamagedRow, KeyError) as damage:
                on_damage(damage)


def _runs(places: Iterable[EntryId]) -> Iterator[list[EntryId]]:
    """Places cut where the next one does not follow, and where a run is long."""
    run: list[EntryId] = []
    for place in places:
        if run and (len(run) == _RUN or place != EntryId(run[-1].file, run[-1].n + 1)):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


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


def lost_fact_places(journal: JournalReader, table: Mapping[str, Any] | None) -> frozenset[EntryId]:
    """Places of facts and configurations that neither the journal nor its copies can give."""
    known = {EntryId.of(number) for number in table["meanings"]} if table is not None else set()
    known |= journal.copies.doubtful
    known -= acknowledged_places(journal.copies)
    return frozenset(known.difference(place for place, _ in recalled(journal, sorted(known))))
