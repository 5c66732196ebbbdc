"""One observation derived again from the journal, with all that was seen on the way.

The line itself does it, over a stretch of the journal before and after the record; a chain that
remembers what goes through it replaces the channel's own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import orjson

from edaphon.config import ScheduledSource
from edaphon.config.reading import accepted_config
from edaphon.derive.calibrate import Chain, Segment, why_impossible
from edaphon.derive.decode import Decoded, Sources, last_sources, sources_of
from edaphon.derive.deriver import BATCH
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import Pipeline, counted_files
from edaphon.derive.plan import Plan, knowledge_of, plan_of
from edaphon.derive.state import PipelineState
from edaphon.facts import Deployment, Knowledge
from edaphon.journal import DamagedRow, Entry, JournalReader, Kind
from edaphon.journal.fact_log import FACT_LOG_KINDS, Item, recalled
from edaphon.journal.guard import Aside
from edaphon.model import ALWAYS, EntryId, Float, Int, Observations, demoted_rank
from edaphon.series import Series
from edaphon.toml_input.lines import read_document
from edaphon_calibration.chain import SAME, Calibrated
from edaphon_drivers.faults import Fault, Refused
from edaphon_drivers.readings import Reading, unpack_piece

# A second input or a row that makes another one late may be from further back.
LOOKS_BACK = (400, 8000, 200_000, None)
_LOOKS_FORWARD = 20_000


class Row(NamedTuple):
    """One observation; `sequence` is the number of its record's place."""

    time_ns: int
    start_ns: int
    raw: float
    value: float
    u_random: float
    u_systematic: float
    flag: int
    derivation: str
    sequence: int
    rank: int

    def same(self, other: "Row") -> bool:
        """Equal bit for bit, where a missing number equals a missing number."""
        return all(a == b or (a != a and b != b) for a, b in zip(self, other, strict=True))


class ChainInput(NamedTuple):
    """What went through the chain at once; the observation is the row `at`."""

    raw: Float
    time_ns: Int
    second_input: Float
    at: int


class Again(NamedTuple):
    """What the line makes of the record now; `seen` is what its chain was handed."""

    row: Row
    segment: Segment
    seen: ChainInput


@dataclass(frozen=True, eq=False)
class History:
    """What the journal says of how to read it, and its gaps, each in order."""

    meanings: tuple[Item, ...]
    clocks: tuple[Item, ...]
    identities: tuple[Item, ...]
    gaps: tuple[Item, ...]
    knowledge: Knowledge
    sources: Sources
    plan: Plan
    aside: Mapping[int, Aside] = field(default_factory=dict)  # by number, never decoded

    def decode(self, place: EntryId, entry: Entry, sources: Sources | None = None) -> Decoded:
        """By the configuration in force there, or other `sources`. Raises Fault."""
        if (aside := self.aside.get(place.number)) is not None:
            raise Refused("an entry that is not set aside", aside.why, str(place))
        return (sources or self.sources_at(place)).decode(entry)

    def sources_at(self, place: EntryId) -> Sources:
        """The configuration in force there, with what later ones say of the same sources."""
        before = [e for s, e in self._configurations() if s < place]
        return sources_of(before[-1], self.sources) if before else Sources()

    def known_from(self, record: EntryId, entry: Entry) -> EntryId | None:
        """Where the clock of the record's boot became known; None: it never did."""
        own = self._boots.get(entry.boot, [])
        before = [place for place in own if place < record]
        return before[-1] if before else next(iter(own), None)

    def serial_at(self, place: EntryId, path: str) -> tuple[str, int]:
        """The serial number that an instrument there last gave before, "" if none, and when."""
        own = [(s, e) for s, e in self.identities if s < place and e.source == path]
        for reported, entry in reversed(own):
            identity = self.sources.identity(entry)
            if identity and identity.serial:
                known = any(clock < reported for clock in self._boots.get(entry.boot, ()))
                return identity.serial, entry.received_ns if known else ALWAYS[1]
        return "", ALWAYS[1]

    @cached_property
    def intervals(self) -> Mapping[str, int]:
        """How often each source is asked, by the last configuration in the journal [ns]."""
        last = [entry for _, entry in self._configurations()][-1:]
        return _configured_intervals(last[0]) if last else {}

    @cached_property
    def _boots(self) -> Mapping[str, list[EntryId]]:
        found: dict[str, list[EntryId]] = {}
        for place, clock in self.clocks:
            found.setdefault(clock.boot, []).append(place)
        return found

    def _configurations(self) -> Iterator[Item]:
        return (item for item in self.meanings if item[1].kind == Kind.CONFIGURATION)

    def before(self, place: EntryId) -> list[Item]:
        """What a pipeline must know to begin there: configuration, clocks, identities."""
        configuration = [item for item in self._configurations() if item[0] <= place][-1:]
        identities = {e.source: (s, e) for s, e in self.identities if s <= place}
        clocks = [item for item in self.clocks if item[0] <= place]
        # in their order: the time of an identity counts only by a clock that was known then
        return [*configuration, *sorted([*clocks, *identities.values()], key=lambda item: item[0])]


def _configured_intervals(entry: Entry) -> Mapping[str, int]:
    table = orjson.loads(entry.payload)
    config = accepted_config(read_document(table["file"], table["text"]))
    sources = config.sources if config is not None else ()
    return {s.path: s.interval_ns for s in sources if isinstance(s, ScheduledSource)}


def history_of(journal: JournalReader) -> History:
    """Reads the whole journal once, in bounded memory; damaged rows are passed over."""
    kinds = FACT_LOG_KINDS | {Kind.CLOCK, Kind.IDENTITY, Kind.GAP}
    scanned = journal.scan(kinds=kinds, on_damage=lambda _: None)
    reported = [item for item in scanned if item[0].number not in journal.aside]

    def only(*wanted: Kind) -> tuple[Item, ...]:
        return tuple(item for item in reported if item[1].kind in wanted)

    knowledge, sources = knowledge_of(reported), last_sources(reported)
    return History(
        only(*FACT_LOG_KINDS),
        only(Kind.CLOCK),
        only(Kind.IDENTITY),
        only(Kind.GAP),
        knowledge,
        sources,
        plan_of(knowledge, sources),
        journal.aside,
    )


def readings_of(
    journal: JournalReader, history: History, place: EntryId, time_ns: int
) -> tuple[Reading, ...]:
    """The readings of a record, those of a file as its earlier lines date them; raises Fault."""
    entry = journal.entry(place)
    sources = history.sources_at(place)
    readings = history.decode(place, entry, sources).readings
    reader = sources.files.get(entry.source)
    if reader is None or any(r.time_ns == time_ns for r in readings):
        return readings
    kinds = {Kind.RECORD, Kind.CLOCK, Kind.CONFIGURATION}
    names = {"", entry.source}
    items = journal.scan(sources=names, kinds=kinds, on_damage=lambda _: None)
    before = takewhile(lambda item: item[0] < place, items)
    known = counted_files(before, history.sources, partial(recalled, journal), journal)
    piece = unpack_piece(entry.payload)
    account = known.get(entry.source, SourceFiles()).file(piece.name)
    return tuple(r for one, _ in account.read(piece, reader) for r in one.readings)


def row_at(run: Observations, index: int) -> Row:
    columns = (run.time_ns, run.start_ns, run.raw, run.value, run.u_random, run.u_systematic)
    time, start, raw, value, random, systematic = (column[index].item() for column in columns)
    flag, place = int(run.flag[index]), int(run.sequence[index])
    numbers = raw, value, random, systematic
    return Row(time, start, *numbers, flag, run.derivation, place, run.rank)


def derived_again(
    journal: JournalReader,
    history: History,
    channel: str,
    stored: Row,
    looks_back: Iterable[int | None] = LOOKS_BACK,
) -> Again | None:
    """The observation as the line makes it now; None where it makes none of that record.

    So many entries before the record are read, all of them for None, and more only where the result
    is not the stored one: so one that differs does after the whole journal before it was read.
    """
    again: Again | None = None
    for tries, back in enumerate(looks_back):
        start = _start(EntryId.of(stored.sequence), back)
        again = _Derivation(journal, history, channel, stored).run(start, 2 + 50 * tries)
        if (again is not None and again.row.same(stored)) or start == EntryId(0, 0):
            break
    return again


def after_step(chain: Chain, seen: ChainInput, n: int) -> Calibrated:
    """The observation behind the first n steps, in the unit of the last of them."""
    second_input = chain.second_input[:n]
    part = replace(
        chain,
        steps=chain.steps[:n],
        since_ns=chain.since_ns[:n],
        second_input=second_input,
        calendar=chain.calendar[:n],
        deviations=(),
        final=SAME,
    )
    rows = 3 * sum(side is not None for side in second_input)
    own = slice(seen.at, seen.at + 1)
    return part.apply(seen.raw[own], seen.time_ns[own], seen.second_input[:rows, own])


def _start(record: EntryId, back: int | None) -> EntryId:
    """Behind which entry to begin reading."""
    if back is None or record.file <= 1 and record.n <= back:
        return EntryId(0, 0)
    if record.n > back:
        return EntryId(record.file, record.n - back - 1)
    return EntryId(record.file - 1, 0)


_Call = tuple[Float, Int, Float]


@dataclass(frozen=True, slots=True, eq=False)
class _Watched(Chain):
    """A chain that keeps what it is handed."""

    calls: list[_Call] = field(default_factory=list)

    def apply(self, raw: Float, time_ns: Int, second_input: Float) -> Calibrated:
        self.calls.append((raw, time_ns, second_input))
        return Chain.apply(self, raw, time_ns, second_input)


def _watched(segment: Segment, calls: list[_Call]) -> Segment:
    chain = segment.chain
    own = {f.name: getattr(chain, f.name) for f in fields(Chain)}
    return replace(segment, chain=_Watched(**own, calls=calls))


class _Derivation:
    """One run of the line over a stretch of the journal."""

    def __init__(self, journal: JournalReader, history: History, channel: str, stored: Row) -> None:
        self._journal, self._history = journal, history
        self._channel, self._stored = channel, stored
        self._record = EntryId.of(stored.sequence)
        self._calls: dict[Segment, list[_Call]] = {}
        self._plan = self._watching()
        paths = set(self._plan.routes)
        self._names = paths | {path.partition("/")[0] for path in paths}

    def run(self, start: EntryId, further: int) -> Again | None:
        entry = self._journal.entry(self._record)
        known = self._history.known_from(self._record, entry)
        if known is None:
            return None
        begin, recall = PipelineState(), partial(recalled, self._journal)
        latest = self._history.sources
        line = Pipeline(begin, self._plan, Sources(), recall, latest=latest, journal=self._journal)
        line.step(self._history.before(start))
        for batch in self._batches(start, self._record):
            line.step(batch)
        for calls in self._calls.values():
            calls.clear()
        end = max(known, self._record)
        behind = self._ahead(end, further, entry.source)
        return self._found(line.step([*self._between(self._record, end), *behind]))

    def _watching(self) -> Plan:
        """The segments of the channel, and of those whose values it takes."""
        plan = self._history.plan.only({self._channel: [ALWAYS]})
        routes = {
            path: {
                name: tuple(self._watch(segment) for segment in own)
                for name, own in outputs.items()
            }
            for path, outputs in plan.routes.items()
        }
        return replace(plan, routes=routes)

    def _watch(self, segment: Segment) -> Segment:
        covers = segment.start_ns <= self._stored.time_ns < segment.end_ns
        ranks = (segment.rank, demoted_rank(segment.rank))
        if segment.channel != self._channel or not covers or self._stored.rank not in ranks:
            return segment
        calls: list[_Call] = []
        watched = _watched(segment, calls)
        self._calls[watched] = calls
        return watched

    def _batches(self, start: EntryId, end: EntryId) -> Iterator[list[Item]]:
        """What concerns the channel behind `start` and before `end`."""
        while start < end:
            try:
                items = self._journal.after(start, BATCH)
            except DamagedRow as damage:
                start = damage.last
                continue
            if not items:
                return
            start = items[-1][0]
            yield [item for item in items if item[0] < end and self._concerns(item)]

    def _between(self, record: EntryId, end: EntryId) -> list[Item]:
        """The record and what came up to `end`, which is where it was placed."""
        behind = EntryId(end.file, end.n + 1)
        batches = self._batches(EntryId(record.file, record.n - 1), behind)
        return [item for batch in batches for item in batch]

    def _ahead(self, end: EntryId, further: int, source: str) -> list[Item]:
        """As much as checks look ahead: so many records of the channel's own source."""
        wanted = further + max((s.looks_ahead for s in self._calls), default=0)
        paths = {
            p
            for p, o in self._plan.routes.items()
            for own in o.values()
            if any(s in self._calls for s in own)
        }
        found: list[Item] = []
        limit = EntryId(end.file + 1, _LOOKS_FORWARD)
        for batch in self._batches(end, limit):
            for item in batch:
                found.append(item)
                wanted -= item[1].kind == Kind.RECORD and self._is_of(item, source, paths)
                if wanted <= 0 or len(found) >= _LOOKS_FORWARD:
                    return found
        return found

    def _is_of(self, item: Item, source: str, paths: set[str]) -> bool:
        place, entry = item
        if entry.source != source:
            return False
        try:
            return self._history.decode(place, entry, self._history.sources).path in paths
        except Fault:
            return False

    def _concerns(self, item: Item) -> bool:
        return item[1].kind != Kind.RECORD or item[1].source in self._names

    def _found(self, runs: list[Observations]) -> Again | None:
        stored = self._stored
        for run in reversed(runs):
            if run.channel != self._channel or run.rank != stored.rank or run.ordinal is not None:
                continue
            own = (run.time_ns == stored.time_ns) & (run.sequence == stored.sequence)
            for index in np.flatnonzero(own)[::-1]:
                return self._seen(row_at(run, int(index)))
        return None

    def _seen(self, row: Row) -> Again | None:
        for segment, calls in self._calls.items():
            for raw, time_ns, second_input in reversed(calls):
                same = (raw == row.raw) | (np.isnan(raw) & (row.raw != row.raw))
                at = np.flatnonzero(same & (time_ns == row.time_ns))
                if len(at) and segment.derivation_at(row.time_ns) == row.derivation:
                    return Again(row, segment, ChainInput(raw, time_ns, second_input, int(at[-1])))
        return None


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
