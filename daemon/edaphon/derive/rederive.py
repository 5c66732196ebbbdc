"""What a change of facts, configuration or software makes of earlier entries, slice by slice.

From the readings that the series keeps where these are the same, else from the journal into a
series of its own, which is taken over once it has caught up.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edaphon.derive.fact_log import Learned
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import NEWEST_NS, Item, Line, files_meaning
from edaphon.derive.plan import ALWAYS, Extent, Plan, Range, changed_ranges, whole_segments
from edaphon.derive.recalculate import NeedsJournal, Recalibration, can_recalibrate, same_readings
from edaphon.derive.replay import Replay
from edaphon.derive.state import Latest, State
from edaphon.journal import JournalReader
from edaphon.journal.guard import EntryGuard
from edaphon.model import EntryId, Observations
from edaphon.series import Series

__all__ = ["DerivingAgain"]

# What is derived again from the series in one turn: so many rows for an entry, and at most.
ROWS_FOR_ENTRY, SLICE_ROWS = 25, 100_000


class DerivingAgain:
    """The part of a deriver that goes below live entries; see Deriver, which holds the lock."""

    position: EntryId
    differing: int  # rows that deriving again has changed or withdrawn
    _journal: JournalReader
    _series: Series
    _scratch: Path
    _line: Line
    _told: Learned
    _guard: EntryGuard
    _newest_ns: int
    _pending: dict[str, list[Range]]
    _from_journal: set[str]
    _rework: Replay | None
    _recalibration: Recalibration | None

    @property
    def plan(self) -> Plan:
        return self._line.plan

    @property
    def state(self) -> State:
        return self._line.state

    def flush(self, cursors: Mapping[str, str] | None = None) -> None:
        raise NotImplementedError

    def _recall(self, sequences: Iterable[EntryId]) -> Iterator[Item]:
        raise NotImplementedError

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
        road = self._journal, plan, self._scratch, self._recall, latest, counted
        self._rework = Replay(*road, guard=self._guard)

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
        """Live rows beside the work; one behind its place sends its channel to the journal."""
        job = self._recalibration
        kept = job.second_input(runs) if job is not None else runs
        if kept is None and job is not None:
            self._from_journal.add(job.channel)
            self._recalibration = None
        return runs if kept is None else kept

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

    def _adopt(self, rework: Replay) -> None:
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

    def _take_over(self, rework: Replay, channel: str) -> None:
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

    def _count_files_as(self, rework: Replay) -> None:
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
