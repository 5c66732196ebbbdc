"""What a change of facts, configuration or software makes of earlier entries, slice by slice.

From the readings that the series keeps where these are the same, else from the journal into a
series of its own, which is taken over once it has caught up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from edaphon.databases import SIDE_FILES
from edaphon.derive.decode import Sources, sources_of
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import ALL, NEWEST_NS, Pipeline, files_meaning, span
from edaphon.derive.plan import Plan, changed_ranges, whole_segments
from edaphon.derive.recalculate import NeedsJournal, Recalibration, can_recalibrate, same_readings
from edaphon.derive.segments import PlanInterval
from edaphon.derive.state import LastValue, PipelineState
from edaphon.facts import Knowledge, from_payload
from edaphon.journal import START, DamagedRow, Entry, Item, JournalReader, Kind
from edaphon.journal.fact_log import recalled
from edaphon.journal.guard import AGAIN, EntryGuard
from edaphon.journal.reader import NO_MORE
from edaphon.journal.salvage import losses_in
from edaphon.model import ALWAYS, EntryId, Observations, Range
from edaphon.series import Series

ONE_BY_ONE = 100  # entries in a turn
RECOUNT = "set aside before"  # a meaning that no settings give: the files are counted once more
_FLUSH_ROWS = 200_000
# A turn is as short whatever the entries hold: a piece of a file is thousands of readings.
READINGS, BATCH_BYTES = 20_000, 500_000
# What is derived again from the series in one turn: so many rows for an entry, and at most.
ROWS_FOR_ENTRY, SLICE_ROWS = 25, 100_000


class Replay:
    """Follows the journal from its first entry until it has caught up with the live deriver."""

    def __init__(
        self,
        journal: JournalReader,
        plan: Plan,
        scratch: Path,
        recall: Callable[[Iterable[EntryId]], Iterable[Item]],
        latest: Sources,
        counted: Iterable[str] = (),
        guard: EntryGuard | None = None,
    ) -> None:
        """`counted` are paths whose files are only counted again."""
        self._guard = guard or EntryGuard(None)
        self.plan, self._journal, self._scratch = plan, journal, scratch
        remove_series(scratch)
        self.series = Series(scratch)
        self.state = PipelineState()
        self._pipeline = Pipeline(
            self.state, plan, Sources(), recall, latest=latest, journal=journal
        )
        self.position = EntryId(0, 0)  # up to which all is derived
        # Ranges of entries that can't be read, by number: nothing is known against their rows.
        self.unreadable = missing_ranges(journal)
        # A record's source is its path, or for a broker the first part of the path.
        paths = {*plan.routes, *counted}
        self._sources = paths | {path.partition("/")[0] for path in paths}

    def turn(self, live: EntryId, limit: int, readings: int = READINGS) -> bool:
        """Derive a slice; True once everything up to `live` is derived."""
        try:
            items = self._journal.after(self.position, limit, BATCH_BYTES)
        except DamagedRow as damage:
            self.unreadable.append((damage.first.number, damage.last.number))
            self.position = damage.last
            return False
        items = [item for item in items if item[0] <= live]
        mine = self._sources
        own = [i for i in items if i[1].kind != Kind.RECORD or i[1].source in mine]
        if not items and not self.state.due:
            return True
        taken = self._taken(own, readings)
        if taken < len(own):
            self.position = own[taken - 1][0] if taken else self.position
        elif items:
            self.position = items[-1][0]
        if self.series.unflushed_rows > _FLUSH_ROWS:
            self.series.flush()
        return self.position >= live and not self.state.due

    def _taken(self, own: list[Item], readings: int) -> int:
        """How many entries a turn has taken; one by one where one of them is to be found."""
        if not any(one.work == AGAIN for one in self._guard.suspects):
            return self._step(own, readings)
        at = 0
        for _ in range(ONE_BY_ONE):
            one = [] if self.state.due else own[at : at + 1]
            at += self._step(one, readings, 1)
        return at

    def _step(self, batch: list[Item], readings: int, entries: int = ALL) -> int:
        if not batch and not self.state.due:
            return 0
        with self._guard.at(AGAIN, *span(self.state.due, batch, self.position, entries)):
            runs = self._pipeline.step(batch, readings, entries)
            if runs:
                self.series.merge(runs, self.plan.texts)
        return self._pipeline.taken

    def close(self) -> None:
        self.series.close()
        remove_series(self._scratch)


def missing_ranges(journal: JournalReader) -> list[tuple[int, int]]:
    """The entries of files, or ends of files, that are declared lost, by number."""
    found = []
    for loss in losses_in(journal.copies):
        first, last = loss.first or 1, NO_MORE if loss.last is None else loss.last
        found.append((EntryId(loss.number, first).number, EntryId(loss.number, last).number))
    return found


def remove_series(path: Path) -> None:
    """Remove the file of a series and what SQLite keeps next to it."""
    for suffix in ("", *SIDE_FILES):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


class DerivingAgain:
    """The part of a deriver that goes below live entries; see Deriver, which holds the lock."""

    _pipeline: Pipeline

    def __init__(
        self,
        journal: JournalReader,
        series: Series,
        scratch: Path,
        on_damage: Callable[[DamagedRow], None],
        guard: EntryGuard | None,
    ) -> None:
        self._guard = guard or EntryGuard(None)
        self._on_damage = on_damage
        self._journal, self._series, self._scratch = journal, series, scratch
        self._replay: Replay | None = None
        self._recalibration: Recalibration | None = None
        self._pending: dict[str, list[Range]] = {}
        self._from_journal: set[str] = set()  # pending channels whose readings may be others
        self._miscounted: list[str] = []  # sources whose files are counted once more
        self._known = NOTHING_LEARNED  # what was entered up to `position`; the plan is made of it
        self._newest_ns = -(2**63)
        self.position = START
        self.differing = 0  # rows that deriving again has changed or withdrawn

    def flush(self, cursors: Mapping[str, str] | None = None) -> None:
        raise NotImplementedError

    def _recall(self, sequences: Iterable[EntryId]) -> Iterator[Item]:
        return recalled(self._journal, sequences, self._note_damage)

    def _note_damage(self, damage: Exception) -> None:
        if isinstance(damage, DamagedRow):
            self._on_damage(damage)

    def _settle_suspects(self) -> None:
        """Suspects that were taken without an end are none any more.

        What they did is written first: else a kill would leave them passed over for ever.
        """
        again = START if self._pending else self.position
        again = self._replay.position if self._replay is not None else again
        due, live = self._pipeline.state.due, self.position
        places = ((one, again if one.work == AGAIN else live) for one in self._guard.suspects)
        over = [s for s, place in places if s.last <= place.number and not any(map(s.holds, due))]
        if over:
            self.flush()
            self._guard.passed(over)

    def _try_again(self) -> None:
        """Let records wait that were passed over and no longer are.

        They are taken as those whose clock has become known; the lines of a file have an order, and
        are read once more from the first.
        """
        state, aside, files = self._pipeline.state, self._guard.aside, set[str]()
        again = [number for number in state.aside if number not in aside]
        state.aside = [number for number in state.aside if number in aside]
        for sequence, record in self._recall(map(EntryId.of, again)):
            state.counts.dead -= 1
            if record.source in self._pipeline.sources.files:
                state.counts.decoded += 1
                state.files.setdefault(record.source, SourceFiles()).meaning = RECOUNT
                files.add(record.source)
                continue
            state.counts.held += 1
            if record.boot in state.boots:
                state.due.append(sequence.number)
                if sequence.number < state.placed:
                    state.displaced.append((sequence.number, sequence.number))
            else:
                state.held.setdefault(record.boot, []).append(sequence.number)
        routes = self._pipeline.plan.routes
        outputs = [own for path in files for own in routes.get(path, {}).values()]
        if files:
            self._derive_from_journal({segment.channel for own in outputs for segment in own})

    def _derive_from_journal(self, channels: Iterable[str]) -> None:
        """All of these once more: what came in while they waited was not derived."""
        self._pending |= {channel: [ALWAYS] for channel in channels}
        self._from_journal |= set(channels)
        self._drop_jobs()

    def _reconsider(self, before: Mapping[str, tuple[PlanInterval, ...]]) -> None:
        """Plan the work that the difference between two plans makes for what is derived."""
        after = self._pipeline.plan.intervals
        reached = {
            channel: past
            for channel, ranges in changed_ranges(before, after).items()
            if (past := [r for r in ranges if r[0] <= self._newest_ns + NEWEST_NS])
        }
        for channel, ranges in self._pending.items():
            reached.setdefault(channel, []).extend(ranges)
        wanted = {channel: sorted(ranges) for channel, ranges in reached.items()}
        self._pending = whole_segments(wanted, before, after)
        self._from_journal |= {
            channel
            for channel, ranges in reached.items()
            if not same_readings(before.get(channel, ()), after.get(channel, ()), ranges)
        }
        self._drop_jobs()

    def _derive_again(self, limit: int, readings: int) -> None:
        """A slice of what is to be derived again."""
        if self._recalibration is None and self._replay is None:
            self._begin_again()
        if self._recalibration is not None:
            self._recalibrate(self._recalibration, min(limit * ROWS_FOR_ENTRY, SLICE_ROWS))
        elif self._replay is not None and self._replay.turn(self.position, limit, readings):
            self._adopt(self._replay)

    def _begin_again(self) -> None:
        """One channel after the other from the series, then the others at once from the journal."""
        for channel in sorted(self._pending.keys() - self._from_journal):
            if can_recalibrate(self._pipeline.plan, self._series, channel, self._pending[channel]):
                self._recalibration = self._recalibration_of(channel)
                return
            self._from_journal.add(channel)
        plan = self._pipeline.plan.only(self._pending)
        latest = self._known.sources
        self._replay = Replay(
            self._journal, plan, self._scratch, self._recall, latest, self._miscounted, self._guard
        )

    def _recalibration_of(self, channel: str) -> Recalibration:
        ranges, displaced = self._pending[channel], self._pipeline.state.displaced
        return Recalibration(self._series, self._pipeline.plan, channel, ranges, displaced)

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
                self.differing += self._series.revise(part.new, self._pipeline.plan.texts)
            if job.done:
                self._finish(job)
            self.flush()

    def _finish(self, job: Recalibration) -> None:
        self._pipeline.state.memory.update(job.memory)
        self._know_latest(job.channel, self._pending.pop(job.channel), job.latest)
        self._recalibration = None
        if not self._pending:
            self._forget_segments()

    def _left_of_work(self, job: Recalibration, runs: list[Observations]) -> list[Observations]:
        """Live rows that the work leaves; one behind its place sends its channel to the journal."""
        kept = job.second_input(runs)
        if kept is not None:
            return kept
        self._from_journal.add(job.channel)
        self._recalibration = None
        return runs

    def _know_latest(self, channel: str, ranges: list[Range], last: LastValue | None) -> None:
        """The latest value that others take; that of a stretch of the past alone is not it."""
        known = self._pipeline.state.latest.get(channel)
        renewed = known is not None and any(a <= known.time_ns < b for a, b in ranges)
        if known is not None and not renewed and (last is None or last.place < known.place):
            return
        if last is not None:
            self._pipeline.state.latest[channel] = last
        else:
            self._pipeline.state.latest.pop(channel, None)

    def _forget_segments(self) -> None:
        """What is remembered of segments that are no longer in the plan."""
        segments = list(self._pipeline.plan.segments())
        mine = {s.key for s in segments} | {s.demoted_key for s in segments}
        for key in self._pipeline.state.memory.keys() - mine:
            del self._pipeline.state.memory[key]

    def _adopt(self, replay: Replay) -> None:
        """Take over one channel; sinks see it once it is written with the place to go on from.

        After a kill all later entries are derived the same way again, so that whatever a sink was
        sent of them is sent again or withdrawn; what was taken over here would not be. All at once
        would take as long as no stop and no live value may wait. A channel comes behind those whose
        values it takes: what is derived live between the two is taken over with it.
        """
        before = dict(self._pending), set(self._from_journal), self.differing
        levels = {segment.channel: segment.level for segment in replay.plan.segments()}
        try:
            with self._series.unseen():
                if self._pending:
                    channel = min(self._pending, key=lambda id: (levels.get(id, 0), id))
                    self._take_over(replay, channel)
                if not self._pending:
                    self._count_files_as(replay)
                    self._forget_segments()
                self.flush()
        except BaseException:
            self._pending, self._from_journal, self.differing = before
            raise
        if not self._pending:
            self._drop_jobs()

    def _take_over(self, replay: Replay, channel: str) -> None:
        ranges = self._pending.pop(channel)
        fed = [(e.start_ns, e.end_ns) for e in self._pipeline.plan.intervals.get(channel, ())]
        adopted = self._series.adopt(channel, replay.series, ranges, replay.unreadable, fed)
        self.differing += adopted.differing
        # What the line counted then and now: an account that stays open is not closed by this.
        derived, memory = self._pipeline.state.derived, self._pipeline.state.memory
        counted = replay.state.derived.get(channel, 0) + adopted.kept
        if ranges != [ALWAYS]:
            counted += derived.get(channel, 0) - adopted.before
        derived[channel] = counted
        for segment in replay.plan.segments():
            if segment.channel == channel:
                for key in (segment.key, segment.demoted_key):
                    memory.pop(key, None)
                    if key in replay.state.memory:
                        memory[key] = replay.state.memory[key]
        self._know_latest(channel, ranges, replay.state.latest.get(channel))
        self._from_journal.discard(channel)

    def _count_files_as(self, replay: Replay) -> None:
        """The account of the files that were read once more, by what is known of them now.

        Lines whose entries were lost since stay counted by the same meaning, as values stay."""
        sources = self._known.sources
        for path in {*replay.state.files, *self._miscounted}:
            counted = replay.state.files.get(path, SourceFiles())
            counted.meaning = files_meaning(sources, path)
            kept = self._pipeline.state.files.get(path, counted)
            if kept.meaning != counted.meaning or kept.lines <= counted.lines:
                self._pipeline.state.files[path] = counted

    def _drop_jobs(self) -> None:
        """What is to be derived again, or counted by another meaning, is begun once more."""
        self._recalibration = None
        if self._replay is not None:
            self._replay.close()
            self._replay = None
        known, sources = self._pipeline.state.files, self._known.sources
        paths = (path for path in sources.files if path in known)
        self._miscounted = [p for p in paths if known[p].meaning != files_meaning(sources, p)]


class Learned(NamedTuple):
    """What the journal says, up to a place, of how to read it."""

    knowledge: Knowledge
    known: EntryId  # of the last fact or configuration it holds
    sources: Sources
    configured: EntryId = START  # of the last configuration


NOTHING_LEARNED = Learned(Knowledge(), START, Sources())


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
