"""The facts and configurations of a journal, found without reading ten years of records."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from edaphon.journal.copies import acknowledged_places
from edaphon.journal.entry import START, Entry, Item, Kind, entry_crc
from edaphon.journal.reader import DamagedRow, JournalReader
from edaphon.model import EntryId

FACT_KINDS = frozenset({Kind.FACT, Kind.CALIBRATION, Kind.MARK})
FACT_LOG_KINDS = FACT_KINDS | {Kind.CONFIGURATION}
GONE = -2
CHECKPOINT = "deriver"  # the name of the place from which the deriver goes on, in the series
_RUN = 500  # entries that are read at once


def trusted(journal: JournalReader, table: dict[str, Any] | None) -> dict[str, Any] | None:
    """The deriver's checkpoint where it is of this journal.

    An entry that is damaged or lost takes nothing from what was derived with it, once the journal
    goes on behind it.
    """
    if table is None:
        return None
    position = EntryId.of(table["position"])
    crc = crc_at(journal, position)
    lost = crc == GONE and position < (journal.last or START)
    return table if crc == table["crc"] or lost else None


def crc_at(journal: JournalReader, sequence: EntryId) -> int:
    """The CRC of the entry there; -1 for the beginning, -2 for an entry that is gone."""
    if sequence == START:
        return -1
    try:
        return entry_crc(*sequence, journal.entry(sequence))
    except (KeyError, DamagedRow):
        return GONE


def fact_log_items(
    journal: JournalReader,
    table: Mapping[str, Any] | None,
    on_damage: Callable[[Exception], None] = lambda _: None,
) -> Iterator[Item]:
    """Those of all places that are known, in the order of entry; `table` is the checkpoint.

    A journal with a summary knows its own places, its second copies those of files that are lost;
    without a summary each entry behind the checkpoint is looked at. A damaged row costs itself
    alone; one that is set aside is passed over.
    """
    aside, places = journal.aside, _places_of(table)
    if journal.summary is None:
        start = EntryId.of(table["position"]) if table is not None else START
        behind = journal.scan(kinds=FACT_LOG_KINDS, start=start, on_damage=on_damage)
    else:
        copied = journal.copies.entries.items()
        places |= {place for place, entry in copied if entry.kind in FACT_LOG_KINDS}
        places.update(journal.summary.rare)
        behind = iter(())
    found = chain(recalled(journal, sorted(places), on_damage), behind)
    yield from (item for item in found if item[0].number not in aside)


def _places_of(table: Mapping[str, Any] | None) -> set[EntryId]:
    """Of all that was entered up to the checkpoint."""
    return {EntryId.of(number) for number in table["meanings"]} if table is not None else set()


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


def lost_fact_places(journal: JournalReader, table: Mapping[str, Any] | None) -> frozenset[EntryId]:
    """Places of facts and configurations that neither the journal nor its copies can give."""
    known = _places_of(table) | journal.copies.doubtful
    known -= acknowledged_places(journal.copies)
    return frozenset(known.difference(place for place, _ in recalled(journal, sorted(known))))


def lost_facts(journal: JournalReader, table: Mapping[str, Any] | None) -> str:
    """What an answer lacks, for a person; "" where every fact can be read."""
    places = lost_fact_places(journal, table)
    if not places:
        return ""
    which = ", ".join(map(str, sorted(places)))
    return (
        f"what was entered at {which} (a fact, a calibration or a configuration) can't be read,"
        " nor its copy: enter it again (`edaphon apply`), or go on without it"
        " (`edaphon salvage --acknowledge`)"
    )


def configuration_entry(
    journal: JournalReader, table: Mapping[str, Any] | None = None
) -> Entry | None:
    """The configuration that was entered last; None without one."""
    copied = journal.copies.last(Kind.CONFIGURATION)
    log = fact_log_items(journal, table)
    own = [item for item in log if item[1].kind == Kind.CONFIGURATION]
    last = max([*own, *([copied] if copied else [])], key=lambda item: item[0], default=None)
    return last[1] if last else None


def configuration(journal: JournalReader, table: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The tables of the configuration that was entered last; empty without one."""
    entry = configuration_entry(journal, table)
    return tomllib.loads(orjson.loads(entry.payload)["text"]) if entry else {}
