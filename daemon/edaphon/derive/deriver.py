"""The one deriver: it follows the journal, keeps the series current, and derives again.

Live entries go first. When a fact, a configuration or the software itself changes what earlier
entries mean, the plans before and after tell which stretches of which channels; these are derived
again, slice by slice from the readings that the series keeps where these are the same, else from
the journal into a series of their own, which is taken over once it has caught up.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from edaphon.derive.checkpoint import (
    CHECKPOINT,
    START,
    crc_at,
    extents_of_json,
    extents_to_json,
    ranges_of_json,
    trusted,
)
from edaphon.derive.doubt import Doubt, doubtful_places
from edaphon.derive.files import SourceFiles
from edaphon.derive.meanings import (
    MEANINGS,
    NOTHING_LEARNED,
    Learned,
    learned,
    meanings_behind,
    recalled,
)
from edaphon.derive.plan import ALWAYS, Extent, Plan, Range, changed_ranges, plan_of, whole_segments
from edaphon.derive.recalibrate import (
    NeedsJournal,
    Recalibration,
    can_recalibrate,
    chosen,
    same_readings,
)
from edaphon.derive.rework import BATCH_BYTES, READINGS, Rework
from edaphon.derive.sources import Note, Sources
from edaphon.derive.state import Latest, State
from edaphon.derive.step import (
    NEWEST_NS,
    DeadLetter,
    Item,
    Line,
    LostLine,
    files_meaning,
)
from edaphon.facts import Knowledge
from edaphon.journal import DamagedRow, JournalReader, Kind
from edaphon.nouns import Channel, Observations, Sequence
from edaphon.series import Series

__all__ = ["Deriver"]

BATCH = 4000
FLUSH_AT_ROWS = 20_000  # in memory; a backlog of years leaves no more unwritten
# What is derived again from the series in one turn: so many rows for an entry, and at most.
ROWS_FOR_ENTRY, SLICE_ROWS = 25, 100_000

Listener = Callable[[DeadLetter], None]
EnteredAgain = Callable[[frozenset[Sequence], Sequence | None], None]  # lost places, and by what


class Deriver:
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
    ) -> None:
        self._on_entered_again = on_entered_again
        self._on_damage = on_damage
        self._lock = threading.RLock()
        self._journal = journal
        self._series = series
        self._scratch = scratch
        self._rework: Rework | None = None
        self._recalibration: Recalibration | None = None
        self._pending: dict[str, list[Range]] = {}
        self._from_journal: set[str] = set()  # pending channels whose readings may be others
        self._told = NOTHING_LEARNED  # what was entered up to `position`; the plan is made of it
        self._meanings: list[int] = []  # the sequences of all that
        self.channels: dict[str, Channel] = {}
        self.doubt = Doubt()
        self.differing = 0  # rows that deriving again has changed or withdrawn
        self.position = START
        self._rows = 0  # of records up to `position`, for the journal's summary
        # What the life before may have derived and told the sinks, unflushed.
        self._lived_until = journal.last or START
        self._full = False
        self._newest_ns = -(2**63)
        nothing = State(), Plan(), Sources()
        self._line = Line(*nothing, self._recall, on_dead_letter, None, on_lost_line, on_note)
        checkpoint = trusted(journal, series)
        told = meanings_behind(journal, checkpoint, self._note_damage)
        self._latest = learned(NOTHING_LEARNED, list(told))  # all that was ever entered
        self._name_channels()
        self._resume(checkpoint)
        if (summary := journal.summary) is not None:
            self._rows = summary.records - summary.behind(self.position, journal)
        # Both of one moment, to be read without waiting for a turn.
        self._reached = self.position, self.state.counts.records, self._rows

    @property
    def plan(self) -> Plan:
        return self._line.plan

    @property
    def knowledge(self) -> Knowledge:
        """All that was ever entered, what `turn` has not reached yet included."""
        return self._latest.knowledge

    @property
    def sources(self) -> Sources:
        """How records are decoded at the place that `turn` has reached."""
        return self._line.sources

    @property
    def state(self) -> State:
        return self._line.state

    def held_last_ns(self, boot: str, source: str) -> int | None:
        """Monotonic time of the last record of a source that waits for the clock of that boot."""
        of, mono_ns = self._line.held_last.get(source, ("", 0))
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
        return bool(self._pending) or self._rework is not None

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
            self._full = self._live(items, readings) or _fills(items, limit)
            busy = self._full or self._derive_again(limit, readings) or bool(items)
            if self._series.unflushed_rows > FLUSH_AT_ROWS:
                self.flush()
            return busy

    def derive_all_again(self) -> None:
        """Plan to derive everything from the journal once more, and to take over what differs."""
        with self._lock:
            self._series.sum_again()
            known = {head.channel for head in self._series.heads()} | self.plan.channels.keys()
            self._pending = {c: [ALWAYS] for c in known if not self.doubt.holds(c)}
            self._from_journal = set(self._pending)
            self._drop_jobs()

    def recalibrate(self, ranges: Mapping[str, list[Range]]) -> None:
        """Plan to derive these once more from the readings that are kept, and what takes them."""
        with self._lock:
            for channel, own in ranges.items():
                if self.doubt.holds(channel):
                    continue
                self._pending[channel] = sorted([*self._pending.get(channel, []), *own])
            extents = self.plan.extents
            self._pending = whole_segments(self._pending, extents)
            self._drop_jobs()

    def flush(self, cursors: Mapping[str, str] | None = None) -> None:
        """Write the series with the place to go on from; nothing is lost without it but time."""
        with self._lock:
            checkpoint = {
                "position": self.position.number,
                "crc": crc_at(self._journal, self.position),
                "newest_ns": self._newest_ns,
                "state": self.state.to_json(),
                "extents": extents_to_json(self.plan.extents),
                "pending": self._pending,
                "from_journal": sorted(self._from_journal),
                "recalibration": self._recalibration.to_json() if self._recalibration else None,
                "meanings": self._meanings,
                "waiting": sorted(self.doubt.kept or self.channels if self.doubt.places else ()),
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
        if self.state.due and self._take_in([], readings):
            return True
        for _, run in groupby(items, self._changes_meaning):
            if self._take_in(list(run), readings):
                return True
        return False

    def _take_in(self, batch: list[Item], readings: int) -> bool:
        """Entries that all change the meaning of others, or none; whether some are left."""
        lived = self._lived_until
        again = self.position < lived or (bool(self.state.due) and self.position == lived)
        runs = self._beside_work(self._line.step(batch, readings))
        if runs:
            self._series.merge(runs, self.plan.texts, again)
        taken = batch[: self._line.taken]
        if taken:
            if self.state.counts.records:  # before the first, a fact changes nothing
                newest_ns = max(entry.received_ns for _, entry in taken)
                self._newest_ns = max(self._newest_ns, newest_ns)
            if self._changes_meaning(taken[0]):
                self._learn(taken)
            self.position = taken[-1][0]
            self._rows += sum(entry.kind == Kind.RECORD for _, entry in taken)
        self._reached = self.position, self.state.counts.records, self._rows
        return len(taken) < len(batch) or bool(self.state.due)

    def _changes_meaning(self, item: Item) -> bool:
        return item[1].kind in MEANINGS

    def _learn(self, batch: list[Item]) -> None:
        self._latest = learned(self._latest, batch)
        self._told = learned(self._told, batch)
        self._meanings += [sequence.number for sequence, _ in batch]
        self._name_channels()
        self._plan_again()

    def _name_channels(self) -> None:
        """A channel once known stays known: points of it may have to be withdrawn."""
        latest = self._latest
        self.channels.update(latest.knowledge.channels_ever(latest.sources.site))

    # -- deriving again --------------------------------------------------------------------

    def settle_doubt(self) -> None:
        """A person acknowledged lost entries of meaning: what is known without them holds."""
        with self._lock:
            if not self.doubt.places:
                return
            table = {"meanings": self._meanings}
            self.doubt = Doubt() if not doubtful_places(self._journal, table) else self.doubt
            if not self.doubt.places:
                self._plan_again()
                known = {h.channel for h in self._series.heads()} | self.plan.channels.keys()
                self._derive_from_journal(known)

    def _plan_again(self) -> None:
        before = self.plan.extents
        plan = plan_of(self._told.knowledge, self._told.sources)
        settled = self.doubt.settled_by(plan)
        if settled:
            places, self.doubt = self.doubt.places, self.doubt.without(settled)
            if not self.doubt.places:
                self._on_entered_again(places, None)
        self._line.plan = self.doubt.limited(plan)
        self._reconsider(before)
        if settled:
            self._derive_from_journal(settled)

    def _derive_from_journal(self, channels: Iterable[str]) -> None:
        """All of these once more: what came in while they waited was not derived."""
        self._pending |= {channel: [ALWAYS] for channel in channels}
        self._from_journal |= set(channels)
        self._drop_jobs()

    def _reconsider(self, before: Mapping[str, tuple[Extent, ...]]) -> None:
        """Plan the work that the difference between two plans makes for what is derived."""
        changed = changed_ranges(before, self.plan.extents)
        reached = {
            channel: past
            for channel, ranges in changed.items()
            if (past := [r for r in ranges if r[0] <= self._newest_ns + NEWEST_NS])
        }
        for channel, ranges in self._pending.items():
            reached.setdefault(channel, []).extend(ranges)
        self._pending = whole_segments(
            {channel: sorted(ranges) for channel, ranges in reached.items()},
            before,
            self.plan.extents,
        )
        self._from_journal |= {
            channel
            for channel, ranges in reached.items()
            if not same_readings(
                before.get(channel, ()), self.plan.extents.get(channel, ()), ranges
            )
        }
        self._drop_jobs()

    def _derive_again(self, limit: int, readings: int) -> bool:
        if not self._pending and not self._miscounted():
            return False
        if self._recalibration is None and self._rework is None:
            self._begin_again()
        if self._recalibration is not None:
            self._recalibrate(self._recalibration, min(limit * ROWS_FOR_ENTRY, SLICE_ROWS))
        elif self._rework is not None and self._rework.turn(self.position, limit, readings):
            self._adopt(self._rework)
        return True

    def _begin_again(self) -> None:
        """One channel after the other from the series, then the others at once from the journal."""
        for channel in sorted(self._pending.keys() - self._from_journal):
            if can_recalibrate(self.plan, self._series, channel, self._pending[channel]):
                self._recalibration = self._recalibration_of(channel)
                return
            self._from_journal.add(channel)
        plan = self.plan.only(self._pending)
        latest = self._told.sources
        counted = self._miscounted()
        self._rework = Rework(self._journal, plan, self._scratch, self._recall, latest, counted)

    def _miscounted(self) -> list[str]:
        """Sources whose files were counted by another meaning, or by an earlier version."""
        known, sources = self.state.files, self._told.sources
        paths = (path for path in sources.files if path in known)
        return [path for path in paths if known[path].meaning != files_meaning(sources, path)]

    def _recalibration_of(self, channel: str) -> Recalibration:
        ranges, displaced = self._pending[channel], self.state.displaced
        return Recalibration(self._series, self.plan, channel, ranges, displaced)

    def _recalibrate(self, job: Recalibration, limit: int) -> None:
        """A slice; it is written with the place to go on from, and sinks see it then."""
        try:
            part = job.turn(limit)
        except NeedsJournal:
            self._from_journal.add(job.channel)
            self._recalibration = None
            return
        with self._series.unseen():
            if part is not None:
                self.differing += self._series.revise(part.new, self.plan.texts)
            if job.done:
                self._finish(job)
            self.flush()

    def _finish(self, job: Recalibration) -> None:
        self.state.memory.update(job.memory)
        self._know_latest(job.channel, self._pending.pop(job.channel), job.latest)
        self._recalibration = None
        if not self._pending:
            self._forget_segments()

    def _beside_work(self, runs: list[Observations]) -> list[Observations]:
        """Live rows without revisions behind the place where their channel is derived again.

        The work issues these itself, with all that it remembers. A reading that comes behind that
        place is not seen by it, and sends it to the journal.
        """
        job = self._recalibration
        if job is None:
            return runs
        kept: list[Observations] = []
        for run in runs:
            behind = run.time_ns < job.position_ns
            if run.channel != job.channel or run.ordinal is not None or not behind.any():
                kept.append(run)
            elif (run.sequence[behind] > job.last_sequence).any():
                self._from_journal.add(job.channel)
                self._recalibration = None
                return runs
            elif not behind.all():
                kept.append(chosen(run, ~behind))
        return kept

    def _know_latest(self, channel: str, ranges: list[Range], last: Latest | None) -> None:
        """The latest value that others take; that of a stretch of the past alone is not it."""
        known = self.state.latest.get(channel)
        renewed = known is not None and any(a <= known.time_ns < b for a, b in ranges)
        if known is not None and not renewed and (last is None or last.place < known.place):
            return
        if last is not None:
            self.state.latest[channel] = last
        else:
            self.state.latest.pop(channel, None)

    def _forget_segments(self) -> None:
        """What is remembered of segments that are no longer in the plan."""
        segments = list(self.plan.segments())
        mine = {s.key for s in segments} | {s.demoted_key for s in segments}
        for key in self.state.memory.keys() - mine:
            del self.state.memory[key]

    def _adopt(self, rework: Rework) -> None:
        """Take over one channel; sinks see it once it is written with the place to go on from.

        After a kill all later entries are derived the same way again, so that whatever a sink was
        sent of them is sent again or withdrawn; what was taken over here would not be. All at once
        would take as long as no stop and no live value may wait. A channel comes behind those whose
        values it takes: what is derived live between the two is taken over with it.
        """
        before = dict(self._pending), set(self._from_journal), self.differing
        levels = {segment.channel: segment.level for segment in rework.plan.segments()}
        try:
            with self._series.unseen():
                if self._pending:
                    channel = min(self._pending, key=lambda id: (levels.get(id, 0), id))
                    self._take_over(rework, channel)
                if not self._pending:
                    self._count_files_as(rework)
                    self._forget_segments()
                self.flush()
        except BaseException:
            self._pending, self._from_journal, self.differing = before
            raise
        if not self._pending:
            self._drop_jobs()

    def _take_over(self, rework: Rework, channel: str) -> None:
        ranges = self._pending.pop(channel)
        fed = [(e.start_ns, e.end_ns) for e in self.plan.extents.get(channel, ())]
        adopted = self._series.adopt(channel, rework.series, ranges, rework.unreadable, fed)
        self.differing += adopted.differing
        # What the line counted then and now: an account that stays open is not closed by this.
        counted = rework.state.derived.get(channel, 0) + adopted.kept
        if ranges != [ALWAYS]:
            counted += self.state.derived.get(channel, 0) - adopted.before
        self.state.derived[channel] = counted
        for segment in rework.plan.segments():
            if segment.channel == channel:
                for key in (segment.key, segment.demoted_key):
                    self.state.memory.pop(key, None)
                    if key in rework.memory:
                        self.state.memory[key] = rework.memory[key]
        self._know_latest(channel, ranges, rework.latest.get(channel))
        self._from_journal.discard(channel)

    def _count_files_as(self, rework: Rework) -> None:
        """The account of the files that were read once more, by what is known of them now.

        Lines whose entries were lost since stay counted by the same meaning, as values stay."""
        sources = self._told.sources
        for path in {*rework.state.files, *self._miscounted()}:
            counted = rework.state.files.get(path, SourceFiles())
            counted.meaning = files_meaning(sources, path)
            kept = self.state.files.get(path, counted)
            if kept.meaning != counted.meaning or kept.lines <= counted.lines:
                self.state.files[path] = counted

    def _drop_jobs(self) -> None:
        self._recalibration = None
        if self._rework is not None:
            self._rework.close()
            self._rework = None

    def _recall(self, sequences: Iterable[Sequence]) -> Iterator[Item]:
        return recalled(self._journal, sequences, self._note_damage)

    # -- beginning -------------------------------------------------------------------------

    def _note_damage(self, damage: Exception) -> None:
        if isinstance(damage, DamagedRow):
            self._on_damage(damage)

    def _resume(self, table: dict[str, Any] | None) -> None:
        if table is None:
            # Nothing that is derived can be trusted: all of it is derived once more and compared.
            self.doubt = Doubt.of(doubtful_places(self._journal, None), None, self.plan)
            known = {head.channel for head in self._series.heads()}
            self._pending = {c: [ALWAYS] for c in known if not self.doubt.holds(c)}
            self._from_journal = set(self._pending)
            return
        for row in table.get("channels", []):  # the fact of one may be lost since
            self.channels.setdefault(row["id"], Channel(**row))
        self.position = Sequence.of(table["position"])
        self._newest_ns = table["newest_ns"]
        self._line.state = State.of_json(table["state"])
        if self.state.configuration:
            in_force = list(self._recall([Sequence.of(self.state.configuration)]))
            # One that is lost was journalled again at this start, in the same words.
            told = learned(NOTHING_LEARNED, in_force) if in_force else self._latest
            self._line.sources = told.sources
        if "files" not in table["state"]:  # of a version that did not count lines
            for path in self._line.sources.files:
                self.state.files[path] = SourceFiles()
        self._meanings = list(table["meanings"])
        # Not as known now: facts entered behind this place may have sent values to the sinks
        # already, and these are only withdrawn by coming to the facts in the same order again.
        known_then = self._latest.knowledge.as_known_at(self.position)
        self._told = Learned(known_then, self.position, self._line.sources)
        plan = plan_of(self._told.knowledge, self._told.sources)
        places = doubtful_places(self._journal, table)
        if again := places & self._configuration_entered_again():
            self._on_entered_again(again, self._latest.configured)
        self.doubt = Doubt.of(places - again, table, plan)
        self._line.plan = self.doubt.limited(plan)
        pending = ranges_of_json(table["pending"])
        self._pending = {c: r for c, r in pending.items() if not self.doubt.holds(c)}
        self._from_journal = set(table["from_journal"])
        pending = {channel: list(ranges) for channel, ranges in self._pending.items()}
        self._reconsider(extents_of_json(table["extents"]))
        if waited := [c for c in table.get("waiting", ()) if not self.doubt.holds(c)]:
            self._derive_from_journal(waited)
        if table["recalibration"] and self._pending == pending:
            self._go_on(table["recalibration"])

    def _configuration_entered_again(self) -> frozenset[Sequence]:
        """The place of the one in force, where it is lost and a later one is known."""
        place = Sequence.of(self.state.configuration or 0)
        later = self._latest.configured > place
        return frozenset({place} if later and not list(self._recall([place])) else ())

    def _go_on(self, table: Mapping[str, Any]) -> None:
        channel = table["channel"]
        job = self._recalibration_of(channel)
        job.go_on(table)
        self._recalibration = job


def _fills(items: list[Item], limit: int) -> bool:
    """Whether more may wait behind these."""
    return len(items) == limit or sum(len(entry.payload) for _, entry in items) >= BATCH_BYTES
