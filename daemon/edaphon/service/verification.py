"""What `edaphon verify` finds: the ledgers of journal, series and sinks, and whether they close.

The sums that are kept are taken of all but the newest entries; `deep` proves them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial, reduce
from typing import Any

import orjson

from edaphon.acquire.gaps import accounts_of
from edaphon.clock import DAY_NS
from edaphon.config.model import SinkTable
from edaphon.derive.decode import last_sources
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import counted_files
from edaphon.derive.plan import known_facts, read_fact_log
from edaphon.journal import JournalReader, Kind, StateFile, read_only
from edaphon.journal.copies import acknowledged_places
from edaphon.journal.fact_log import FACT_LOG_KINDS, recalled
from edaphon.journal.salvage import covered, losses_in, open_losses, undeclared
from edaphon.journal.summary import summed
from edaphon.model import Channel, EntryId
from edaphon.printer import Among
from edaphon.series import BlockHead, Contested, Series
from edaphon.service.audit import (
    JOURNAL_SUMMARY,
    START,
    Altered,
    EntryAccount,
    SlotLedger,
    SummaryLedger,
    altered_releases,
    lost_text,
    lost_with,
    newest_from,
    not_noted,
    read_accounts,
    summaries,
)
from edaphon.service.notes import line_rows
from edaphon.sinks.feed import cursor_name
from edaphon.sinks.influxql import Readback, same_numbers
from edaphon.sinks.sink import Held, Later, sink_kind
from edaphon.storage.access import Storage, reached_by
from edaphon_drivers.files.lines import LineCounts

Show = Callable[[str, int, int], None]  # what is looked at, how many are done, of how many


@dataclass(frozen=True)
class EntryLedger:
    """records = decoded + dead + ..., all of them there."""

    counts: Among[Mapping[str, int]]  # the records, and what became of them
    journalled: int
    lost: int
    damaged: int
    closes: bool


@dataclass(frozen=True)
class ObservationLedger:
    """derived = current + contested, for each channel; `open` are those where it is not so."""

    derived: int
    current: int
    contested: Among[Mapping[str, int]]
    open: list[str]
    closes: bool


@dataclass(frozen=True)
class FileLedger:
    """lines = rows + headers + blank + refused, of each file.

    `noted`: a person knows of lost entries; then the journal may have fewer lines than there were.
    """

    files: list[dict[str, Any]]  # see notes.line_rows
    differs: list[str]
    noted: bool
    closes: bool


@dataclass(frozen=True)
class LossLedger:
    """Parts of the journal that were lost, and that no person has acknowledged."""

    open: list[str]
    lost: list[list[str]]  # what was in each of them
    closes: bool


@dataclass(frozen=True)
class ReleaseLedger:
    """Files of releases that are missing, or not as they were released, until that is noted."""

    altered: Altered
    closes: bool


@dataclass(frozen=True)
class DeepLedgers:
    summaries: SummaryLedger


@dataclass(frozen=True)
class SinkLedger:
    """current = delivered + set aside + waiting, where the sink says what it holds.

    `delivered` is what was read back of the rows that don't wait. Of a sink that was not read back
    it is None, and so are `read_back` and `closes`: whether all is there is not known. `differs`
    says why where it should have been.
    """

    current: int
    set_aside: int
    waiting: int
    delivered: int | None = None
    read_back: int | None = None
    differs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    closes: bool | None = None


@dataclass(frozen=True)
class Verified:
    """Each ledger; `closes` of it says whether all is there."""

    entries: EntryLedger
    slots: Mapping[str, SlotLedger]
    floods: Mapping[str, int]
    observations: ObservationLedger
    file_lines: FileLedger
    counted_from: int
    losses: LossLedger
    releases: ReleaseLedger
    deep: Among[DeepLedgers | None]
    sinks: Mapping[str, SinkLedger]

    @property
    def open(self) -> bool:
        """Whether a ledger does not close."""
        own = (self.entries, self.observations, self.file_lines, self.losses, self.releases)
        summaries = (self.deep.summaries,) if self.deep is not None else ()
        parts = *own, *summaries, *self.slots.values(), *self.sinks.values()
        return any(part.closes is False for part in parts)

    @property
    def good(self) -> bool:
        """Whether nothing is missing, and every sink that can be read back now was."""
        return not self.open and not any(sink.differs for sink in self.sinks.values())


def verified(
    storage: Storage, sinks: Sequence[SinkTable], deep: bool, running: bool, show: Show
) -> Verified:
    with closing(storage.series()) as series:

        def of_sinks() -> Iterator[tuple[str, SinkLedger]]:
            for n, sink in enumerate(sinks):
                show(f"sink {sink.name}", n, len(sinks))
                yield sink.name, sink_ledger(storage, series, sink, deep, running)

        return _ledgers(storage, series, running, deep, of_sinks())


def _ledgers(
    storage: Storage,
    series: Series,
    running: bool,
    deep: bool,
    sinks: Iterable[tuple[str, SinkLedger]],
) -> Verified:
    checkpoint = orjson.loads(series.checkpoint("deriver") or b"{}")
    position = EntryId.of(checkpoint["position"])
    journal = read_only(storage.layout.journal)
    end = journal.last or position
    start = START if deep else newest_from(journal)
    account = read_accounts(journal, position, end, start)
    state = checkpoint["state"]
    files = state.get("files", {})
    noted = len(losses_in(journal.copies)) > len(open_losses(journal.copies))
    return Verified(
        entries=_entries(storage, journal, state["counts"], account, start),
        slots=dict(_slots(storage, journal, account, end, (running, noted))),
        floods=account.floods,
        observations=_observations(series, state["derived"], deep),
        file_lines=_files(journal, series, files, position, start, noted),
        counted_from=start.number,
        losses=_losses(storage),
        releases=_releases(storage),
        deep=DeepLedgers(summaries(storage.layout.folder, journal, series)) if deep else None,
        sinks=dict(sinks),
    )


def _entries(
    storage: Storage,
    journal: JournalReader,
    counts: Mapping[str, int],
    account: EntryAccount,
    start: EntryId,
) -> EntryLedger:
    """Up to `start` by the kept sums."""
    sum_of = sum(n for name, n in counts.items() if name != "records")
    # What was lost and acknowledged is known to be missing: the records that are there are counted.
    losses, still_open = losses_in(journal.copies), open_losses(journal.copies)
    noted = [loss for loss in losses if loss not in still_open]
    before = _records_before(storage, journal, start) if start != START else 0
    gone = counts["records"] - account.records - before
    # Rows that can't be read are counted before `start`, and were not when they were passed over.
    unread = sum(loss.n for loss in losses if loss.rows and EntryId(loss.number, 0) <= start)
    gone += min(max(0, -gone), unread)
    known = not gone or (gone > 0 and bool(noted))
    without = acknowledged_places(journal.copies)
    damaged = sum(not covered(noted, d) and d.first not in without for d in account.damaged)
    closes = known and counts["records"] == sum_of and not damaged
    return EntryLedger(counts, counts["records"] - gone, max(0, gone), damaged, closes)


def _records_before(storage: Storage, journal: JournalReader, start: EntryId) -> int:
    """How many records there are up to a place, by the sums that are kept."""
    with StateFile(storage.layout.folder) as state:
        summary = summed(journal, state.get(JOURNAL_SUMMARY), FACT_LOG_KINDS)
    return summary.records - summary.behind(start, journal)


def _losses(storage: Storage) -> LossLedger:
    folder = storage.layout.journal
    gone = undeclared(folder, reached_by(storage.layout.series))
    losses = [*open_losses(read_only(folder).copies), *gone]
    lost = [list(lost_text(lost_with(storage, loss))) for loss in losses]
    return LossLedger([loss.words for loss in losses], lost, not losses)


def _releases(storage: Storage) -> ReleaseLedger:
    found = not_noted(storage, altered_releases(storage))
    return ReleaseLedger(found, not found)


def _files(
    journal: JournalReader,
    series: Series,
    live: Mapping[str, Any],
    until: EntryId,
    start: EntryId,
    noted: bool,
) -> FileLedger:
    """As kept live and, from the first entry on, counted.

    What was kept live by other settings is being counted again, and is not compared. Where a loss
    is `noted` the kept lines stand.
    """
    kept = {path: SourceFiles.of_json(row) for path, row in live.items()}
    if start != START:
        return _closed(line_rows(kept), [], noted)
    sources = last_sources(read_fact_log(journal, series))
    names = {"", *sources.files}
    kinds = {Kind.RECORD, Kind.CLOCK, Kind.CONFIGURATION}
    items = journal.scan(sources=names, kinds=kinds, on_damage=lambda _: None)
    known = (item for item in items if item[0] <= until)
    counted = counted_files(known, sources, partial(recalled, journal), journal)
    same = {path for path, files in counted.items() if _meaning(kept, path) == files.meaning}
    differs = [path for path in sorted(same) if kept[path].to_json() != counted[path].to_json()]
    if noted:
        differs = [path for path in differs if counted[path].lines >= kept[path].lines]
        counted = kept | {path: counted[path] for path in differs}
    return _closed(line_rows(counted), differs, noted)


def _closed(rows: list[dict[str, Any]], differs: list[str], noted: bool) -> FileLedger:
    closes = not differs and all(is_accounted_for(row, noted) for row in rows)
    return FileLedger(rows, differs, noted, closes)


def is_accounted_for(row: Mapping[str, Any], noted: bool) -> bool:
    """Whether all lines are accounted for; lines of entries whose loss is noted may be missing."""
    lines = sum(row[name] for name in LineCounts._fields)
    return row["lines"] == lines and (noted or not row["missing"])


def _meaning(kept: Mapping[str, SourceFiles], path: str) -> str:
    return kept[path].meaning if path in kept else ""


def _slots(
    storage: Storage,
    journal: JournalReader,
    account: EntryAccount,
    end: EntryId,
    running_and_lost: tuple[bool, bool],
) -> Iterator[tuple[str, SlotLedger]]:
    intervals = {s.path: getattr(s, "interval_ns", None) for s in storage.config.sources}
    with StateFile(storage.layout.folder) as state:
        saved = state.get("slot accounts")
    known = accounts_of(saved, journal, end)
    for path, book in sorted(account.books.items()):
        gap = known[path].gap if path in known else None
        yield path, book.reported(gap, intervals.get(path), *running_and_lost)


def _observations(series: Series, derived: Mapping[str, int], deep: bool) -> ObservationLedger:
    kept, counted = series.totals() if deep else (series.kept_totals(), {})
    totals = counted if deep and kept else kept
    current = {channel: n for channel, (n, _) in totals.items()}
    lost = {channel: contested for channel, (_, contested) in totals.items()}
    channels = {*current, *derived, *lost}
    open_ones = [
        c for c in channels if derived.get(c, 0) != current.get(c, 0) + sum(lost.get(c, ()))
    ]
    of_all = reduce(Contested.plus, lost.values(), Contested())
    n_derived, n_current = sum(derived.values()), sum(current.values())
    all_close = not open_ones
    return ObservationLedger(n_derived, n_current, of_all._asdict(), sorted(open_ones), all_close)


NOT_PROMISED = (
    "InfluxDB 3 does not promise that the later of two writes of a point wins: counts prove that"
    " a point is there, not which of its values"
)


def sink_ledger(
    storage: Storage, series: Series, config: SinkTable, deep: bool, running: bool
) -> SinkLedger:
    cursor = int(series.checkpoint(cursor_name(config.name)) or 0)
    with StateFile(storage.layout.folder) as state:
        aside = {(p.channel, p.time_ns) for p in state.set_aside(config.name)}
    waiting = _waiting(series, cursor)
    found = SinkLedger(series.count(), len(aside), sum(waiting.values()))
    kind = sink_kind(config.kind)
    if kind.reads_all and not deep:
        return replace(found, notes=["what it holds is counted with --deep"])
    if kind.held is None:
        return replace(found, notes=[f"a sink of kind {config.kind} can't be read back"])
    if config.kind == "influxdb" and config.settings.get("version") == 3:
        words = NOT_PROMISED if deep else f"{NOT_PROMISED}; --deep compares them"
        found = replace(found, notes=[words])
    held = kind.held(kind.settings.model_validate(config.settings))
    try:
        return _read_back(found, storage, series, held, aside, waiting, deep, running)
    except Later as later:
        return replace(found, differs=[f"can't be read back: {later.why}"])
    finally:
        held.close()


def _waiting(series: Series, cursor: int) -> dict[tuple[str, int], int]:
    """Rows not delivered yet, by block; only a block that was delivered in part is read."""
    return {
        (head.channel, head.day): head.n
        if head.first_change > cursor
        else sum(map(len, series.rows_above(head.channel, head.day, cursor)))
        for head in series.changed_heads(cursor)
    }


def _read_back(
    found: SinkLedger,
    storage: Storage,
    series: Series,
    held: Held,
    aside: set[tuple[str, int]],
    waiting: Mapping[tuple[str, int], int],
    deep: bool,
    running: bool,
) -> SinkLedger:
    """What the server has of each block; where the service runs, perhaps what came since too."""
    numbers = held if deep and isinstance(held, Readback) else None
    differs: list[str] = []
    more: dict[tuple[str, int], int] = {}
    total = delivered = 0
    refused_on = Counter((channel, time_ns // DAY_NS) for channel, time_ns in aside)
    for id, channel in sorted(_channels(storage, series).items()):
        heads = series.heads(id)
        counted = held.counts(channel, [_date(head) for head in heads])
        for head in heads:
            day, there = f"{id} {_date(head)}", counted[_date(head)]
            refused, unsent = refused_on[id, head.day], waiting.get((id, head.day), 0)
            due = max(0, head.n - refused - unsent)
            total += there
            delivered += min(there, due)
            if unsent:
                if there < due:
                    differs.append(f"{day}: expected at least {due} points, the server has {there}")
            elif running and there > due:
                more[id, head.day] = there + refused
            elif there != due:
                differs.append(f"{day}: expected {due} points, the server has {there}")
            elif numbers is not None and not same_numbers(series, numbers, channel, head, aside):
                differs.append(f"{day}: the server has other numbers")
    differs += _too_many(storage, more)
    return replace(found, delivered=delivered, read_back=total, differs=differs, closes=not differs)


def _too_many(storage: Storage, more: Mapping[tuple[str, int], int]) -> Iterator[str]:
    """Blocks of which the server has more rows than there are by now."""
    if not more:
        return
    with closing(storage.series()) as series:
        for (channel, day), n in more.items():
            found = next((h for h in series.heads(channel) if h.day == day), None)
            if found is None or n > found.n:
                rows = found.n if found else 0
                yield f"{channel} day {day}: expected {rows} points, the server has {n}"


def _channels(storage: Storage, series: Series) -> dict[str, Channel]:
    knowledge = known_facts(read_only(storage.layout.journal), series)
    site = storage.config.site.id
    return {id: knowledge.channel(id, site) for id in knowledge.channels}


def _date(head: BlockHead) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=head.day)).date()
