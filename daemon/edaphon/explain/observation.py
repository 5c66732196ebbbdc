"""One observation with all that explains it: its record, its readings, its deployment."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from edaphon.config import why_impossible
from edaphon.explain.trace import Again, History, Row, readings_of
from edaphon.facts import Deployment
from edaphon.journal import Entry, JournalReader
from edaphon.model import EntryId, demoted_rank
from edaphon.series import Series
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Reading


def number(x: float) -> float | None:
    """None for NaN, which JSON has not."""
    return x if x == x else None


class FoundRow(NamedTuple):
    """The observation shown for the time that was asked; the channel's usual interval [ns]."""

    channel: str
    time_ns: int
    row: Row
    usual_ns: int


@dataclass(frozen=True)
class Case:
    """What is at hand for one observation."""

    journal: JournalReader
    series: Series
    history: History
    found: FoundRow
    place: EntryId
    entry: Entry
    again: Again | None

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        try:
            return readings_of(self.journal, self.history, self.place, self.found.row.time_ns)
        except Fault:
            return ()

    @cached_property
    def path(self) -> str:
        interval = self._extent()
        return interval[0] if interval else self.entry.source

    @cached_property
    def deployment(self) -> Deployment | None:
        time_ns, channel, own = self.found.row.time_ns, self.found.channel, self._extent()
        deployments = self.history.knowledge.deployments
        fed = (d for d in deployments if d.channel == channel and d.covers(time_ns))
        return next((d for d in fed if (d.source, d.output) == own), None)

    @cached_property
    def reading(self) -> Reading | None:
        """That of the deployment's output as received; a file or stream may hold several of it."""
        output, row = self._extent()[1:], self.found.row
        own = [r for r in self.readings if r.output in output]
        timed = [r for r in own if r.time_ns == row.time_ns]
        numbers = [(r, r.number if not why_impossible(r) else None) for r in own]
        equal = [r for r, n in numbers if n == row.raw or (n is None and row.raw != row.raw)]
        return next(iter([*[r for r in timed if r in equal], *timed, *equal, *own]), None)

    def second_reading(self, output: str) -> Reading | None:
        """That of another output for the same time; where the record has none, its first."""
        own = [r for r in self.readings if r.output == output]
        mine = self.reading
        same = [r for r in own if mine and (r.time_ns, r.after_ns) == (mine.time_ns, mine.after_ns)]
        return next(iter([*same, *own]), None)

    def _extent(self) -> tuple[str, ...]:
        """(source, output) that fed the channel; nothing where none does any more."""
        row = self.found.row
        intervals = self.history.plan.intervals.get(self.found.channel, ())
        own = [
            e
            for e in intervals
            if e.start_ns <= row.time_ns < e.end_ns and row.rank in {e.rank, demoted_rank(e.rank)}
        ]
        best = [*(e for e in own if e.derivation == row.derivation), *own]
        return (best[0].source, best[0].output) if best else ()
