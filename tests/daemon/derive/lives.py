"""A journal in memory, entries that tell a small plot's life, and a sink that merges fields."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from edaphon.clock import DAY_NS
from edaphon.config import Configuration, read_config
from edaphon.derive.decode import Sources, sources_of
from edaphon.derive.deriver import Deriver
from edaphon.derive.pipeline import Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import PipelineState
from edaphon.facts import (
    FactRow,
    Knowledge,
    fact_of,
    from_payload,
    knowledge_conflicts,
    new_rows,
    to_payload,
)
from edaphon.journal import DamagedRow, Entry, Kind
from edaphon.journal.copies import Copies
from edaphon.journal.fact_log import FACT_KINDS
from edaphon.journal.guard import Aside
from edaphon.model import EntryId, Observations
from edaphon.series import Series, cursor_name
from edaphon.sinks.feed import SeriesFeed
from edaphon.toml_input.lines import read_document
from edaphon_drivers.readings import pack_message

__all__ = [
    "CONFIGURATIONS",
    "Life",
    "MemoryJournal",
    "MergingSink",
    "EnteredFacts",
    "folders",
    "rows_of",
    "reported",
    "told_rows",
]

T0 = 1_790_000_000_000_000_000
MINUTE_NS = 60_000_000_000
SINK = "merging"


def _configuration(failure: str, path: str, nodes: Sequence[str]) -> str:
    head = (
        '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "/nowhere"\n'
        '[broker.local]\nhost = "h"\ntopics = ["#"]\nenvelope = "json"\n'
    )
    return head + "".join(
        f'[[source]]\nbroker = "local"\ntopic = "{node}"\n'
        f'time = {{ path = "t", format = "epoch_ms" }}\n[[source.field]]\nname = "x"\n'
        f'path = "{path}"\nquantity = "soil_temperature"\nunit = "degC"\nfailure = [{failure}]\n'
        f'[[source.field]]\nname = "z"\npath = "z"\nquantity = "soil_temperature"\nunit = "degC"\n'
        for node in nodes
    )


CONFIGURATIONS = (
    _configuration("-127", "x", ["a", "b"]),
    _configuration("", "x", ["a", "b"]),
    _configuration("-127", "y", ["a", "b"]),
    _configuration("-127", "x", ["a"]),
)


@cache
def _read(text: str) -> Configuration:
    config, config_errors = read_config(read_document("edaphon.toml", text))
    assert config is not None, config_errors
    return config


class MemoryJournal:
    """The reading side of a journal of which the first `shown` entries are committed."""

    summary = None
    copies = Copies()
    aside: Mapping[int, Aside] = {}

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.shown = 0

    @property
    def last(self) -> EntryId | None:
        return EntryId(1, self.shown) if self.shown else None

    def after(
        self, sequence: EntryId | None, limit: int, largest_bytes: int = 0
    ) -> list[tuple[EntryId, Entry]]:
        start = sequence.n if sequence is not None else 0
        end = min(self.shown, start + limit)
        return [(EntryId(1, n + 1), self.entries[n]) for n in range(start, end)]

    def entry(self, sequence: EntryId) -> Entry:
        if not 0 < sequence.n <= self.shown:
            raise KeyError(sequence)
        return self.entries[sequence.n - 1]

    def place_at(self, time_ns: int) -> EntryId | None:
        known = [n for n, e in enumerate(self.entries, 1) if e.received_ns <= time_ns]
        return EntryId(1, known[-1]) if known else None

    def scan(
        self,
        sources: Collection[str] | None = None,
        kinds: Collection[Kind] | None = None,
        start: EntryId | None = None,
        on_damage: Callable[[DamagedRow], None] | None = None,
    ) -> Iterator[tuple[EntryId, Entry]]:
        for sequence, entry in self.after(start, self.shown):
            if (kinds is None or entry.kind in kinds) and (
                sources is None or entry.source in sources
            ):
                yield sequence, entry


@dataclass
class EnteredFacts:
    """A stream of entries in the making; a fact that contradicts what is known is left out."""

    entries: list[Entry] = field(default_factory=list)
    minute: int = 0
    boot: str = "boot-0"
    wrong_ns: int = 0  # what the wall clock is wrong by
    knowledge: Knowledge = field(default_factory=Knowledge)
    config: Configuration = field(default_factory=lambda: _read(CONFIGURATIONS[0]))

    def add(self, kind: Kind, source: str, payload: bytes) -> None:
        mono = self.minute * MINUTE_NS + len(self.entries)
        wall = T0 + mono + self.wrong_ns
        self.entries.append(Entry(kind, wall, mono, self.boot, source, payload))

    def configure(self, number: int) -> None:
        text = CONFIGURATIONS[number]
        self.config = _read(text)
        table = {"file": "edaphon.toml", "sha256": "", "text": text}
        self.add(Kind.CONFIGURATION, "", orjson.dumps(table))

    def start(self, boot: int, wrong_minutes: int) -> None:
        """A new boot, whose clock is not known yet."""
        self.boot, self.wrong_ns = f"boot-{boot}", wrong_minutes * MINUTE_NS

    def know_clock(self) -> None:
        self.wrong_ns = 0
        self.add(Kind.CLOCK, "", orjson.dumps({"offset_ns": T0, "error_ns": 1, "how": "ntp"}))

    def hear(self, node: str, number: float | None, later: int, own_time: bool) -> None:
        """A message `later` minutes on; `own_time` None lets the time of receipt stand."""
        self.minute += max(later, 0)
        message: dict[str, Any] = {"x": number, "y": 1.5, "z": 12 + self.minute % 7}
        if own_time:
            message["t"] = (T0 + (self.minute + min(later, 0)) * MINUTE_NS) // 10**6
        self.add(Kind.RECORD, "local", pack_message(node, orjson.dumps(message), 1, False, False))

    def learn(self, table: Mapping[str, Any]) -> None:
        fact = fact_of(table)
        row = FactRow(fact, "", "", "facts.toml", 1, {})
        outputs = self.config.outputs()
        if not new_rows([row], self.knowledge) or knowledge_conflicts(
            [row], self.knowledge, outputs
        ):
            return
        kind = {"calibration": Kind.CALIBRATION, "mark": Kind.MARK}.get(fact.table, Kind.FACT)
        self.add(kind, "", to_payload(fact, "", "", "facts.toml", "me"))
        self.knowledge = self.knowledge.learn(EntryId(1, len(self.entries)), fact)


class MergingSink:
    """What an InfluxDB would hold: a point's absent field keeps the number that stood there."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], dict[str, object]] = {}

    def take(self, feed: SeriesFeed, batches: int, limit: int) -> None:
        while batches > 0 and (batch := feed.next_batch(limit)) is not None:
            for channel, times, _ in batch.withdrawals:
                for time_ns in times.tolist():
                    self.points.pop((channel.id, time_ns), None)
            for run in batch.observations:
                self._write(run)
            feed.delivered(batch.upto)
            batches -= 1

    def _write(self, run: Observations) -> None:
        for time_ns, fields in rows_of([run]).items():
            self.points.setdefault((run.channel, time_ns), {}).update(fields)


def rows_of(runs: Sequence[Observations]) -> dict[int, dict[str, object]]:
    """Fields by time, absent numbers left out."""
    found: dict[int, dict[str, object]] = {}
    for run in runs:
        for i, time_ns in enumerate(run.time_ns.tolist()):
            numbers = {
                name: float(getattr(run, name)[i])
                for name in ("raw", "value", "u_random", "u_systematic")
            }
            kept = {name: x for name, x in numbers.items() if x == x}
            found[time_ns] = {**kept, "flag": int(run.flag[i]), "derivation": run.derivation}
    return found


class Life:
    """A deriver on its series in a folder, with a sink; it may be stopped or killed and go on."""

    def __init__(self, folder: Path, journal: MemoryJournal) -> None:
        self._folder = folder
        self._journal = journal
        self.sink = MergingSink()
        self._begin()

    def _begin(self) -> None:
        self.series = Series(self._folder / "series.sqlite")
        journal: Any = self._journal
        self.deriver = Deriver(journal, self.series, self._folder / "again.sqlite")
        self.feed = SeriesFeed(SINK, self.series, self.deriver.channels)

    def turn(self, limit: int) -> bool:
        """Half as many readings as entries, so that either bound may end it."""
        return self.deriver.turn(limit, (limit + 1) // 2)

    def settle(self, limit: int = 4000) -> None:
        while self.deriver.turn(limit):
            pass

    def deliver(self, batches: int = 10**6, limit: int = 5000) -> None:
        self.sink.take(self.feed, batches, limit)

    def flush(self) -> None:
        self.deriver.flush({cursor_name(SINK): str(self.feed.cursor)})
        self.series.forget_withdrawn(self.feed.cursor)

    def restart(self, flushed: bool) -> None:
        """End, in order or by a kill, and begin again from what was written."""
        if flushed:
            self.flush()
        self.series.close()
        self._begin()

    def close(self) -> None:
        self.series.close()

    def reported(self) -> dict[str, Any]:
        return _identity_stated(self.series, self.deriver.state)

    def rows(self) -> dict[tuple[str, int], dict[str, object]]:
        return _rows(self.series)


@contextmanager
def folders() -> Iterator[Path]:
    """A folder for one example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def reported(folder: Path, entries: Sequence[Entry]) -> dict[str, Any]:
    """What the line makes of the whole journal in one step, all facts known from the start."""
    series, state = _at_once(folder, entries)
    found = _identity_stated(series, state)
    series.close()
    return found


def told_rows(folder: Path, entries: Sequence[Entry]) -> dict[tuple[str, int], dict[str, object]]:
    """The rows of all that."""
    series, _ = _at_once(folder, entries)
    found = _rows(series)
    series.close()
    return found


def _rows(series: Series) -> dict[tuple[str, int], dict[str, object]]:
    channels = {head.channel for head in series.heads()}
    return {
        (channel, time_ns): fields
        for channel in channels
        for time_ns, fields in rows_of(
            series.read(channel, T0 - 400 * DAY_NS, T0 + 400 * DAY_NS)
        ).items()
    }


def _at_once(folder: Path, entries: Sequence[Entry]) -> tuple[Series, PipelineState]:
    journal = MemoryJournal(entries)
    journal.shown = len(entries)
    items = journal.after(None, len(entries))
    knowledge, sources = Knowledge(), Sources()
    for sequence, entry in items:
        if entry.kind == Kind.CONFIGURATION:
            sources = sources_of(entry)
        elif entry.kind in FACT_KINDS:
            knowledge = knowledge.learn(sequence, from_payload(entry.payload).fact)
    plan = Plan.of(knowledge, sources.outputs, sources.site)
    line = Pipeline(
        PipelineState(),
        plan,
        Sources(),
        lambda held: ((s, journal.entry(s)) for s in held),
        latest=sources,
    )
    folder.mkdir(exist_ok=True)
    series = Series(folder / "whole.sqlite")
    series.merge(line.step(items), plan.texts)
    return series, line.state


def _identity_stated(series: Series, state: PipelineState) -> dict[str, Any]:
    """Everything that must be the same however it came about."""
    return {
        "heads": [(h.channel, h.day, h.n, h.digest) for h in series.heads()],
        "conflicts": sorted(series.conflicts(), key=lambda c: c.key),
        "counts": {name: getattr(state.counts, name) for name in type(state.counts).__slots__},
        "derived": {channel: n for channel, n in state.derived.items() if n},
    }
