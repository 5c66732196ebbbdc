"""What `edaphon verify` finds: the ledgers of journal, series and sinks, and whether they close.

The sums that are kept are taken of all but the newest entries; `deep` proves them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial, reduce
from typing import Any

import orjson

from edaphon.acquire.slots import accounts_of
from edaphon.clock import DAY_NS
from edaphon.config import ScheduledSource, SinkTable
from edaphon.derive.decode import last_sources
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import counted_files
from edaphon.derive.plan import known_facts, read_fact_log
from edaphon.journal import Kind, StateFile, read_only
from edaphon.journal.copies import acknowledged_places
from edaphon.journal.fact_log import FACT_LOG_KINDS, recalled
from edaphon.journal.salvage import DeclaredLoss, covered, losses_in, open_losses, undeclared
from edaphon.journal.summary import summed
from edaphon.model import Channel, EntryId
from edaphon.printer import Among
from edaphon.series import BlockHead, Contested, Series, cursor_name
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
from edaphon.service.notes import FileLines, line_rows
from edaphon.sinks.influxql import Readback, same_numbers
from edaphon.sinks.sink import Held, Later, sink_kind
from edaphon.storage.access import Storage, reached_by

NOT_PROMISED = (
    "InfluxDB 3 does not promise that the later of two writes of a point wins: counts prove that"
    " a point is there, not which of its values"
)
Show = Callable[[str, int, int], None]  # what is looked at, how many are done, of how many
_Block = tuple[str, int]  # channel, day


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

    files: list[FileLines]
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
    deep: Among[Mapping[str, SummaryLedger]]  # "summaries", where they were counted
    sinks: Mapping[str, SinkLedger]

    @property
    def open(self) -> bool:
        """Whether a ledger does not close."""
        own = (self.entries, self.observations, self.file_lines, self.losses, self.releases)
        closes = {part.closes for part in own} | {one.closes for one in self.deep.values()}
        closes |= {slots.closes for slots in self.slots.values()}
        return False in closes | {sink.closes for sink in self.sinks.values()}

    @property
    def good(self) -> bool:
        """Whether nothing is missing, and every sink that can be read back now was."""
        return not self.open and not any(sink.differs for sink in self.sinks.values())


def verified(
    storage: Storage, sinks: Sequence[SinkTable], deep: bool, running: bool, show: Show
) -> Verified:
    with closing(storage.series()) as series:
        return _Look(storage, series, deep, running).verified(sinks, show)


class _Look:
    """One look at all that is stored; where the service runs, more may come meanwhile."""

    def __init__(self, storage: Storage, series: Series, deep: bool, running: bool) -> None:
        self.storage, self.series, self.deep, self.running = storage, series, deep, running
        self.journal = read_only(storage.layout.journal)

    def verified(self, sinks: Sequence[SinkTable], show: Show) -> Verified:
        journal, storage, series = self.journal, self.storage, self.series
        checkpoint = orjson.loads(series.checkpoint("deriver") or b"{}")
        state, position = checkpoint["state"], EntryId.of(checkpoint["position"])
        end = journal.last or position
        start = START if self.deep else newest_from(journal)
        account = read_accounts(journal, position, end, start)
        still_open = open_losses(journal.copies)
        noted = [loss for loss in losses_in(journal.copies) if loss not in still_open]
        altered = not_noted(storage, altered_releases(storage))
        deep = {"summaries": summaries(storage.layout.folder, journal, series)} if self.deep else {}
        return Verified(
            entries=self._entries(state["counts"], account, start, noted),
            slots=dict(self._slots(account, end, bool(noted))),
            floods=account.floods,
            observations=self._observations(state["derived"]),
            file_lines=self._files(state.get("files", {}), position, start, bool(noted)),
            counted_from=start.number,
            losses=self._losses(still_open),
            releases=ReleaseLedger(altered, not altered),
            deep=deep,
            sinks=dict(self._sinks(sinks, show)),
        )

    def _entries(
        self,
        counts: Mapping[str, int],
        account: EntryAccount,
        start: EntryId,
        noted: Sequence[DeclaredLoss],
    ) -> EntryLedger:
        """Up to `start` by the kept sums; what is `noted` as lost is known to be missing."""
        journal = self.journal
        sum_of = sum(n for name, n in counts.items() if name != "records")
        before = self._records_before(start) if start != START else 0
        gone = counts["records"] - account.records - before
        # Rows that can't be read count before `start`, and did not when they were passed over.
        rows = (loss for loss in losses_in(journal.copies) if loss.rows)
        unread = sum(loss.n for loss in rows if EntryId(loss.number, 0) <= start)
        gone += min(max(0, -gone), unread)
        known = not gone or (gone > 0 and bool(noted))
        without = acknowledged_places(journal.copies)
        damaged = sum(not covered(noted, d) and d.first not in without for d in account.damaged)
        closes = known and counts["records"] == sum_of and not damaged
        return EntryLedger(counts, counts["records"] - gone, max(0, gone), damaged, closes)

    def _records_before(self, start: EntryId) -> int:
        """How many records there are up to a place, by the sums that are kept."""
        with StateFile(self.storage.layout.folder) as state:
            summary = summed(self.journal, state.get(JOURNAL_SUMMARY), FACT_LOG_KINDS)
        return summary.records - summary.behind(start, self.journal)

    def _losses(self, still_open: Sequence[DeclaredLoss]) -> LossLedger:
        layout = self.storage.layout
        losses = [*still_open, *undeclared(layout.journal, reached_by(layout.series))]
        lost = [list(lost_text(lost_with(self.storage, loss))) for loss in losses]
        return LossLedger([loss.words for loss in losses], lost, not losses)

    def _files(
        self, live: Mapping[str, Any], until: EntryId, start: EntryId, noted: bool
    ) -> FileLedger:
        """As kept live and, from the first entry on, counted.

        What was kept live by other settings is being counted again, and is not compared. Where a
        loss is `noted` the kept lines stand.
        """
        files = {path: SourceFiles.of_json(row) for path, row in live.items()}
        differs: list[str] = []
        if start == START:
            counted = self._counted(until)
            known = [path for path in sorted(counted) if path in files]
            same = [path for path in known if files[path].meaning == counted[path].meaning]
            differs = [path for path in same if files[path].to_json() != counted[path].to_json()]
            if noted:
                differs = [path for path in differs if counted[path].lines >= files[path].lines]
                counted = files | {path: counted[path] for path in differs}
            files = counted
        rows = line_rows(files)
        closes = not differs and all(row.is_accounted_for(noted) for row in rows)
        return FileLedger(rows, differs, noted, closes)

    def _counted(self, until: EntryId) -> dict[str, SourceFiles]:
        journal = self.journal
        sources = last_sources(read_fact_log(journal, self.series))
        kinds = {Kind.RECORD, Kind.CLOCK, Kind.CONFIGURATION}
        items = journal.scan({"", *sources.files}, kinds, on_damage=lambda _: None)
        known = (item for item in items if item[0] <= until)
        return counted_files(known, sources, partial(recalled, journal), journal)

    def _slots(
        self, account: EntryAccount, end: EntryId, lost: bool
    ) -> Iterator[tuple[str, SlotLedger]]:
        sources = self.storage.config.sources
        intervals = {s.path: s.interval_ns for s in sources if isinstance(s, ScheduledSource)}
        with StateFile(self.storage.layout.folder) as state:
            saved = state.get("slot accounts")
        known = accounts_of(saved, self.journal, end)
        for path, book in sorted(account.books.items()):
            gap = known[path].gap if path in known else None
            yield path, book.reported(gap, intervals.get(path), self.running, lost)

    def _observations(self, derived: Mapping[str, int]) -> ObservationLedger:
        series = self.series
        kept, counted = series.totals() if self.deep else (series.kept_totals(), {})
        totals = counted if self.deep and kept else kept
        current = {channel: n for channel, (n, _) in totals.items()}
        lost = {channel: contested for channel, (_, contested) in totals.items()}
        open_ones = sorted(
            c
            for c in {*current, *derived}
            if derived.get(c, 0) != current.get(c, 0) + sum(lost.get(c, ()))
        )
        of_all = reduce(Contested.plus, lost.values(), Contested())._asdict()
        n_derived, n_current = sum(derived.values()), sum(current.values())
        return ObservationLedger(n_derived, n_current, of_all, open_ones, not open_ones)

    def _sinks(self, configs: Sequence[SinkTable], show: Show) -> Iterator[tuple[str, SinkLedger]]:
        for n, config in enumerate(configs):
            show(f"sink {config.name}", n, len(configs))
            yield config.name, self._sink(config)

    def _sink(self, config: SinkTable) -> SinkLedger:
        series = self.series
        with StateFile(self.storage.layout.folder) as state:
            aside = {(p.channel, p.time_ns) for p in state.set_aside(config.name)}
        waiting = self._waiting(int(series.checkpoint(cursor_name(config.name)) or 0))
        found = SinkLedger(series.count(), len(aside), sum(waiting.values()))
        kind = sink_kind(config.kind)
        if kind.reads_all and not self.deep:
            return replace(found, notes=["what it holds is counted with --deep"])
        if kind.held is None:
            return replace(found, notes=[f"a sink of kind {config.kind} can't be read back"])
        if config.kind == "influxdb" and config.settings.get("version") == 3:
            words = NOT_PROMISED if self.deep else f"{NOT_PROMISED}; --deep compares them"
            found = replace(found, notes=[words])
        try:
            settings = kind.settings.model_validate(config.settings)
            with closing(kind.held(settings)) as held:
                return self._read_back(found, held, aside, waiting)
        except Later as later:
            return replace(found, differs=[f"can't be read back: {later.why}"])

    def _waiting(self, cursor: int) -> dict[_Block, int]:
        """Rows not delivered yet, by block; only a block that was delivered in part is read."""
        return {
            (head.channel, head.day): head.n
            if head.first_change > cursor
            else sum(map(len, self.series.rows_above(head.channel, head.day, cursor)))
            for head in self.series.changed_heads(cursor)
        }

    def _read_back(
        self,
        found: SinkLedger,
        held: Held,
        aside: set[tuple[str, int]],
        waiting: Mapping[_Block, int],
    ) -> SinkLedger:
        """What the server has of each block; where the service runs, perhaps what came since."""
        numbers = held if self.deep and isinstance(held, Readback) else None
        differs: list[str] = []
        more: dict[_Block, int] = {}
        total = delivered = 0
        refused_on = Counter((channel, time_ns // DAY_NS) for channel, time_ns in aside)
        for id, channel in sorted(self._channels().items()):
            heads = self.series.heads(id)
            counted = held.counts(channel, [_date(head) for head in heads])
            for head in heads:
                day, there = f"{id} {_date(head)}", counted[_date(head)]
                refused, unsent = refused_on[id, head.day], waiting.get((id, head.day), 0)
                due = max(0, head.n - refused - unsent)
                total += there
                delivered += min(there, due)
                if unsent:
                    if there < due:
                        words = f"expected at least {due} points, the server has {there}"
                        differs.append(f"{day}: {words}")
                elif self.running and there > due:
                    more[id, head.day] = there + refused
                elif there != due:
                    differs.append(f"{day}: expected {due} points, the server has {there}")
                elif numbers and not same_numbers(self.series, numbers, channel, head, aside):
                    differs.append(f"{day}: the server has other numbers")
        differs += self._too_many(more)
        read = replace(found, delivered=delivered, read_back=total)
        return replace(read, differs=differs, closes=not differs)

    def _too_many(self, more: Mapping[_Block, int]) -> Iterator[str]:
        """Blocks of which the server has more rows than there are by now."""
        if not more:
            return
        with closing(self.storage.series()) as series:
            for (channel, day), n in more.items():
                rows = next((h.n for h in series.heads(channel) if h.day == day), 0)
                if n > rows:
                    yield f"{channel} day {day}: expected {rows} points, the server has {n}"

    def _channels(self) -> dict[str, Channel]:
        knowledge = known_facts(self.journal, self.series)
        site = self.storage.config.site.id
        return {id: knowledge.channel(id, site) for id in knowledge.channels}


def _date(head: BlockHead) -> date:
    return date(1970, 1, 1) + timedelta(days=head.day)
