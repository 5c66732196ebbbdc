"""The one deriver: it follows the journal, keeps the series current, and derives again.

Live entries go first. When a fact, a configuration or the software itself changes what earlier
entries mean, the plans before and after show which stretches of which channels; these are derived
again, slice by slice from the readings that the series keeps where these are the same, else from
the journal into a series of their own, which is taken over once it has caught up.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from edaphon.derive.decode import Note, Sources
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import ALL, DeadLetter, LostLine, Pipeline, span
from edaphon.derive.plan import (
    LostFacts,
    Plan,
    checkpoint_in,
    intervals_of_json,
    intervals_to_json,
    plan_of,
    ranges_of_json,
    whole_segments,
)
from edaphon.derive.rederive import (
    BATCH_BYTES,
    NOTHING_LEARNED,
    ONE_BY_ONE,
    READINGS,
    DerivingAgain,
    Learned,
    learned,
)
from edaphon.derive.state import PipelineState
from edaphon.facts import Knowledge
from edaphon.journal import START, DamagedRow, Item, JournalReader, Kind
from edaphon.journal.fact_log import (
    CHECKPOINT,
    FACT_LOG_KINDS,
    crc_at,
    fact_log_items,
    lost_fact_places,
)
from edaphon.journal.guard import AGAIN, LIVE, PLAN, EntryGuard
from edaphon.journal.guard import START as BEGINNING
from edaphon.model import Channel, EntryId, Range
from edaphon.series import Series

BATCH = 4000
FLUSH_AT_ROWS = 20_000  # in memory; a backlog of years leaves no more unwritten

Listener = Callable[[DeadLetter], None]
EnteredAgain = Callable[[frozenset[EntryId], EntryId | None], None]  # lost places, and by what


class Deriver(DerivingAgain):
    """Every method may be called from any thread; `turn` does the work of one."""

    def __init__(
        self,
        journal: JournalReader,
        series: Series,
        scratch: Path,
        on_dead_letter: Listener = lambda _: None,
        on_lost_line: Callable[[LostLine], None] = lambda _: None,
        on_note: Callable[[Note], None] = lambda _: None,
        on_damage: Callable[[DamagedRow], None] = lambda _: None,
        on_entered_again: EnteredAgain = lambda *_: None,
        guard: EntryGuard | None = None,
    ) -> None:
        super().__init__(journal, series, scratch, on_damage, guard)
        self._on_entered_again = on_entered_again
        self._lock = threading.RLock()
        self._fact_log_places: list[int] = []  # of what was entered up to `position`
        self.channels: dict[str, Channel] = {}
        self.lost_facts = LostFacts()
        self._rows = 0  # of records up to `position`, for the journal's summary
        # What the life before may have derived and sent to the sinks, unflushed.
        self._lived_until = journal.last or START
        self._full = False
        nothing = PipelineState(), Plan(), Sources()
        self._pipeline = Pipeline(
            *nothing, self._recall, on_dead_letter, None, on_lost_line, on_note, journal
        )
        checkpoint = checkpoint_in(journal, series)
        self._latest = self._learn_all(checkpoint)
        with self._guard.at(PLAN):
            self._name_channels()
            self._resume(checkpoint)
        self._try_again()
        if (summary := journal.summary) is not None:
            self._rows = summary.records - summary.behind(self.position, journal)
        # Both of one moment, to be read without waiting for a turn.
        self._reached = self.position, self.state.counts.records, self._rows

    @property
    def plan(self) -> Plan:
        return self._pipeline.plan

    @property
    def state(self) -> PipelineState:
        return self._pipeline.state

    @property
    def knowledge(self) -> Knowledge:
        """All that was ever entered, what `turn` has not reached yet included."""
        return self._latest.knowledge

    @property
    def sources(self) -> Sources:
        """How records are decoded at the place that `turn` has reached."""
        return self._pipeline.sources

    def held_last_ns(self, boot: str, source: str) -> int | None:
        """Monotonic time of the last record of a source that waits for the clock of that boot."""
        of, mono_ns = self._pipeline.held_last.get(source, ("", 0))
        return mono_ns if of == boot else None

    @property
    def journalled(self) -> int:
        """How many records the journal holds, those not derived yet included."""
        position, records, rows = self._reached
        summary = self._journal.summary
        if summary is not None:
            return records + summary.records - rows
        return records + self._journal.count_behind(position, Kind.RECORD)

    @property
    def pending(self) -> list[str]:
        """The channels that are derived again."""
        return sorted(self._pending)

    @property
    def reworking(self) -> bool:
        return bool(self._pending) or self._replay is not None

    @property
    def hurried(self) -> bool:
        """More waits than the last turn could take."""
        return self._full or self.reworking

    def turn(self, limit: int = BATCH, readings: int = READINGS) -> bool:
        """Derive the next entries, or a slice of what is derived again; False: all is done.

        At most `limit` entries, and none behind the one that brings their readings to `readings`.
        """
        with self._lock:
            items = self._next(limit)
            size = sum(len(entry.payload) for _, entry in items)
            self._full = self._live(items, readings) or len(items) == limit or size >= BATCH_BYTES
            busy = self._full or bool(items)
            if not self._full and (self._pending or self._miscounted):
                self._derive_again(limit, readings)
                busy = True
            if self._guard.suspects:
                self._settle_suspects()
            if self._series.unflushed_rows > FLUSH_AT_ROWS:
                self.flush()
            return busy

    @contextmanager
    def idle(self, within_s: float) -> Iterator[bool]:
        """Whether no turn goes on: then none begins meanwhile. False where one hangs."""
        is_idle = self._lock.acquire(timeout=within_s)
        try:
            yield is_idle
        finally:
            if is_idle:
                self._lock.release()

    def derive_all_again(self) -> None:
        """Plan to derive everything from the journal once more, and to take over what differs."""
        with self._lock:
            self._series.sum_again()
            known = {head.channel for head in self._series.heads()} | self.plan.channels.keys()
            self._pending, self._from_journal = {}, set()
            self._derive_from_journal({c for c in known if not self._is_held(c)})

    def recalibrate(self, ranges: Mapping[str, list[Range]]) -> None:
        """Plan to derive these once more from the readings that are kept, and what takes them."""
        with self._lock:
            for channel, own in ranges.items():
                if self._is_held(channel):
                    continue
                self._pending[channel] = sorted([*self._pending.get(channel, []), *own])
            intervals = self.plan.intervals
            self._pending = whole_segments(self._pending, intervals)
            self._drop_jobs()

    def flush(self, cursors: Mapping[str, str] | None = None) -> None:
        """Write the series with the place to go on from; nothing is lost without it but time."""
        with self._lock:
            lost = self.lost_facts.kept or self.channels if self.lost_facts.places else ()
            checkpoint = {
                "position": self.position.number,
                "crc": crc_at(self._journal, self.position),
                "newest_ns": self._newest_ns,
                "state": self.state.to_json(),
                "extents": intervals_to_json(self.plan.intervals),
                "pending": self._pending,
                "from_journal": sorted(self._from_journal),
                "recalibration": self._recalibration.to_json() if self._recalibration else None,
                "meanings": self._fact_log_places,
                # The channels that are derived from the journal when they can be again.
                "waiting": sorted({*lost, *self.plan.missing}),
                "channels": [asdict(channel) for channel in self.channels.values()],
            }
            text = orjson.dumps(checkpoint, option=orjson.OPT_NON_STR_KEYS).decode()
            self._series.flush({CHECKPOINT: text, **(cursors or {})})

    # -- live ------------------------------------------------------------------------------

    def _next(self, limit: int) -> list[Item]:
        while True:
            try:
                return self._journal.after(self.position, limit, BATCH_BYTES)
            except DamagedRow as damage:
                self._on_damage(damage)
                self._rows += self._journal.count_between(self.position, damage.last, Kind.RECORD)
                self.position = damage.last

    def _live(self, items: list[Item], readings: int) -> bool:
        """Take these in, or as many as a turn takes; whether some are left."""
        if any(one.work != AGAIN for one in self._guard.suspects):
            return self._one_by_one(items, readings)
        if self.state.due and self._take_in([], readings):
            return True
        for _, run in groupby(items, self._is_of_fact_log):
            if self._take_in(list(run), readings):
                return True
        return False

    def _one_by_one(self, items: list[Item], readings: int) -> bool:
        """As `_live` with a mark for each entry, so that the one that ends the work is known."""
        at = 0
        for _ in range(ONE_BY_ONE):
            if self.state.due:
                self._take_in([], readings, 1)
            elif at < len(items):
                self._take_in(items[at : at + 1], readings, 1)
                at += 1
        self.flush()  # so that the next one that fails costs no more than these
        return at < len(items) or bool(self.state.due)

    def _take_in(self, batch: list[Item], readings: int, entries: int = ALL) -> bool:
        """Entries that all change the meaning of others, or none; whether some are left."""
        with self._guard.at(LIVE, *span(self.state.due, batch, self.position, entries)):
            taken = self._derive(batch, readings, entries)
            if taken:
                if self.state.counts.records:  # before the first, a fact changes nothing
                    newest_ns = max(entry.received_ns for _, entry in taken)
                    self._newest_ns = max(self._newest_ns, newest_ns)
                if self._is_of_fact_log(taken[0]):
                    self._learn(taken)
        if taken:
            self.position = taken[-1][0]
            self._rows += sum(entry.kind == Kind.RECORD for _, entry in taken)
        self._reached = self.position, self.state.counts.records, self._rows
        return len(taken) < len(batch) or bool(self.state.due)

    def _derive(self, batch: list[Item], readings: int, entries: int) -> list[Item]:
        """Merge what a batch means into the series: the entries of it that were taken."""
        lived = self._lived_until
        again = self.position < lived or (bool(self.state.due) and self.position == lived)
        runs = self._pipeline.step(batch, readings, entries)
        if self._recalibration is not None:
            runs = self._left_of_work(self._recalibration, runs)
        if runs:
            self._series.merge(runs, self.plan.texts, again)
        return batch[: self._pipeline.taken]

    def _is_of_fact_log(self, item: Item) -> bool:
        return item[1].kind in FACT_LOG_KINDS

    def _learn(self, batch: list[Item]) -> None:
        batch = [item for item in batch if item[0].number not in self._guard.aside]
        self._latest = learned(self._latest, batch)
        self._known = learned(self._known, batch)
        self._fact_log_places += [sequence.number for sequence, _ in batch]
        self._name_channels()
        self._plan_again()

    def _name_channels(self) -> None:
        """A channel once known stays known: points of it may have to be withdrawn."""
        latest = self._latest
        self.channels.update(latest.knowledge.channels_ever(latest.sources.site))

    # -- deriving again --------------------------------------------------------------------

    def settle_lost_facts(self) -> None:
        """A person acknowledged lost entries of meaning: what is known without them holds."""
        with self._lock:
            table = {"meanings": self._fact_log_places}
            if self.lost_facts.places and not lost_fact_places(self._journal, table):
                self.lost_facts = LostFacts()
                self._plan_again()
                known = {h.channel for h in self._series.heads()} | self.plan.channels.keys()
                self._derive_from_journal(known)

    def _is_held(self, channel: str) -> bool:
        """Whether its values stay as they are: facts are lost, or a package is missing."""
        return self.lost_facts.holds(channel) or channel in self.plan.missing

    def _held(self, plan: Plan, before: Mapping[str, tuple[Any, ...]]) -> Plan:
        """The plan in which channels that lack a part keep what they have."""
        kept = {channel: before.get(channel, ()) for channel in plan.missing}
        return replace(plan, intervals={**plan.intervals, **kept}) if kept else plan

    def _plan_again(self) -> None:
        before = self.plan.intervals
        plan = plan_of(self._known.knowledge, self._known.sources)
        settled = self.lost_facts.settled_by(plan)
        if settled:
            places, self.lost_facts = self.lost_facts.places, self.lost_facts.without(settled)
            if not self.lost_facts.places:
                self._on_entered_again(places, None)
        self._pipeline.plan = self._held(self.lost_facts.limited(plan), before)
        self._reconsider(before)
        if settled:
            self._derive_from_journal(settled)

    # -- beginning -------------------------------------------------------------------------

    def _learn_all(self, checkpoint: dict[str, Any] | None) -> Learned:
        """All that was ever entered, with a mark for each entry."""
        items = list(fact_log_items(self._journal, checkpoint, self._note_damage))
        last = max((s for s, e in items if e.kind == Kind.CONFIGURATION), default=START)
        known = NOTHING_LEARNED
        for sequence, entry in items:
            if entry.kind != Kind.CONFIGURATION or sequence == last:  # the others take long to read
                with self._guard.at(BEGINNING, sequence.number, sequence.number):
                    known = learned(known, [(sequence, entry)])
        return known

    def _resume(self, table: dict[str, Any] | None) -> None:
        if table is None:
            # Nothing that is derived can be trusted: all of it is derived once more and compared.
            self.lost_facts = LostFacts.of(lost_fact_places(self._journal, None), None, self.plan)
            plan = plan_of(self._latest.knowledge, self._latest.sources)
            known = {head.channel for head in self._series.heads()} - plan.missing.keys()
            self._derive_from_journal({c for c in known if not self._is_held(c)})
            return
        for row in table.get("channels", []):  # the fact of one may be lost since
            self.channels.setdefault(row["id"], Channel(**row))
        self.position = EntryId.of(table["position"])
        self._newest_ns = table["newest_ns"]
        self._pipeline.state = PipelineState.of_json(table["state"])
        if self.state.configuration:
            in_force = list(self._recall([EntryId.of(self.state.configuration)]))
            # One that is lost was journalled again at this start, in the same words.
            reported = learned(NOTHING_LEARNED, in_force) if in_force else self._latest
            self._pipeline.sources = reported.sources
        if "files" not in table["state"]:  # of a version that did not count lines
            for path in self._pipeline.sources.files:
                self.state.files[path] = SourceFiles()
        self._fact_log_places = list(table["meanings"])
        # Not as known now: facts entered behind this place may have sent values to the sinks
        # already, and these are only withdrawn by coming to the facts in the same order again.
        known_as_of = self._latest.knowledge.as_known_at(self.position)
        self._known = Learned(known_as_of, self.position, self._pipeline.sources)
        plan = plan_of(self._known.knowledge, self._known.sources)
        places = lost_fact_places(self._journal, table)
        if again := places & self._configuration_entered_again():
            self._on_entered_again(again, self._latest.configured)
        self.lost_facts = LostFacts.of(places - again, table, plan)
        before = intervals_of_json(table["extents"])
        self._pipeline.plan = self._held(self.lost_facts.limited(plan), before)
        pending = ranges_of_json(table["pending"])
        self._pending = {c: r for c, r in pending.items() if not self._is_held(c)}
        self._from_journal = set(table["from_journal"])
        pending = {channel: list(ranges) for channel, ranges in self._pending.items()}
        self._reconsider(before)
        if waited := [c for c in table.get("waiting", ()) if not self._is_held(c)]:
            self._derive_from_journal(waited)
        going_on = table["recalibration"]
        if going_on and self._pending == pending:
            job = self._recalibration_of(going_on["channel"])
            job.go_on(going_on)
            self._recalibration = job

    def _configuration_entered_again(self) -> frozenset[EntryId]:
        """The place of the one in force, where it is lost and a later one is known."""
        place = EntryId.of(self.state.configuration or 0)
        later = self._latest.configured > place
        return frozenset({place} if later and not list(self._recall([place])) else ())
