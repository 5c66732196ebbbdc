"""The line after the journal: one function for one live entry and for ten years of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import orjson

from edaphon.config import read_config
from edaphon.derive.evaluate import evaluate
from edaphon.derive.plan import Plan, Segment
from edaphon.derive.sources import Decoded, Sources
from edaphon.derive.state import Fresh, State
from edaphon.journal import Entry, Kind, Purpose
from edaphon.nouns import Observations, Sequence
from edaphon.written import read_document
from edaphon_calibration.flags import Flag
from edaphon_drivers import sdi12
from edaphon_drivers.faults import Fault
from edaphon_drivers.payloads import unpack_exchange
from edaphon_drivers.readings import Reading

__all__ = ["DeadLetter", "Line", "sources_of"]

# A sender's own time is believed within these bounds of the time of receipt.
OLDEST_NS = 366 * 86_400_000_000_000
NEWEST_NS = 300_000_000_000
UPLINKS_REMEMBERED = 64

Item = tuple[Sequence, Entry]
_Row = tuple[int, int, float, int, int]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record whose bytes mean nothing, and why."""

    sequence: Sequence
    source: str
    why: str


class Line:
    """`step` over a plan; `recall` reads entries again whose clock was unknown when they came."""

    def __init__(
        self,
        state: State,
        plan: Plan,
        sources: Sources,
        recall: Callable[[Iterable[Sequence]], Iterable[Item]],
        on_dead_letter: Callable[[DeadLetter], None] = lambda _: None,
    ) -> None:
        self.state = state
        self.plan = plan
        self.sources = sources
        self._recall = recall
        self._on_dead_letter = on_dead_letter
        self._rows: dict[Segment, list[_Row]] = {}

    def step(self, batch: Iterable[Item]) -> list[Observations]:
        """What the entries mean, in runs; the state goes on to behind the last entry."""
        for sequence, entry in batch:
            self._take(sequence, entry)
        found: list[Observations] = []
        for segment, rows in self._rows.items():
            runs, memory = evaluate(segment, self.state.memory.get(segment.key), _fresh(rows))
            self.state.memory[segment.key] = memory
            derived = self.state.derived
            derived[segment.channel] = derived.get(segment.channel, 0) + len(rows)
            found.extend(runs)
        self._rows = {}
        return found

    def _take(self, sequence: Sequence, entry: Entry) -> None:
        if entry.kind == Kind.RECORD:
            self.state.counts.records += 1
            if entry.boot not in self.state.boots:
                self.state.held.setdefault(entry.boot, []).append(sequence.number)
                self.state.counts.held += 1
            else:
                self._record(sequence, entry)
        elif entry.kind == Kind.CLOCK:
            self._clock(sequence, entry)
        elif entry.kind == Kind.IDENTITY:
            self._identity(entry)
        elif entry.kind == Kind.CONFIGURATION:
            self.state.configuration = sequence.number
            self.sources = sources_of(entry)

    def _clock(self, sequence: Sequence, entry: Entry) -> None:
        offset = int(orjson.loads(entry.payload)["offset_ns"])
        self.state.boots[entry.boot] = (offset, sequence.number)
        held = self.state.held.pop(entry.boot, [])
        self.state.counts.held -= len(held)
        for number, record in self._recall(map(Sequence.of, held)):
            self._record(number, record)

    def _identity(self, entry: Entry) -> None:
        identity = sdi12.decode_identity(unpack_exchange(entry.payload))
        if identity is not None and identity.extra:
            self.state.serials[entry.source] = identity.extra

    def _record(self, sequence: Sequence, entry: Entry) -> None:
        try:
            decoded = self.sources.decode(entry)
        except Fault as fault:
            self.state.counts.dead += 1
            self._on_dead_letter(DeadLetter(sequence, entry.source, str(fault)))
            return
        if decoded.uplink is not None and self._repeated(decoded):
            self.state.counts.duplicates += 1
            return
        self.state.counts.decoded += 1
        if entry.purpose == Purpose.ROUTINE:
            self._place(sequence.number, entry, decoded)

    def _repeated(self, decoded: Decoded) -> bool:
        """Whether this uplink came before; a hole in the frame counter is counted."""
        uplink = decoded.uplink
        assert uplink is not None  # noqa: S101  the caller asked
        key = (uplink.session, uplink.f_cnt, uplink.f_port or 0)
        known = self.state.uplinks.setdefault(decoded.path, [])
        if key in known:
            return True
        counters = [f_cnt for session, f_cnt, _ in known if session == uplink.session]
        if counters and uplink.f_cnt > max(counters) + 1:
            missed = uplink.f_cnt - max(counters) - 1
            before = self.state.uplinks_missed.get(decoded.path, 0)
            self.state.uplinks_missed[decoded.path] = before + missed
        elif counters and uplink.f_cnt < max(counters):  # late: it was counted as missed
            before = self.state.uplinks_missed.get(decoded.path, 0)
            self.state.uplinks_missed[decoded.path] = max(0, before - 1)
        known.append(key)
        del known[:-UPLINKS_REMEMBERED]
        return False

    def _place(self, sequence: int, entry: Entry, decoded: Decoded) -> None:
        correction = self._correction(sequence, entry)
        default = (entry.slot_ns if entry.slot_ns is not None else entry.received_ns) + correction
        serial = self.state.serials.get(decoded.path)
        routes = self.plan.routes
        for reading in decoded.readings:
            segments = routes.get((decoded.path, reading.output))
            if segments is None:
                continue
            time, doubt = _measured(reading, decoded, default, entry.received_ns + correction)
            self.state.seen[decoded.path] = time
            for segment in segments:
                if segment.start_ns <= time < segment.end_ns:
                    row = _row(reading, time, sequence, doubt or _contradicts(segment, serial))
                    self._rows.setdefault(segment, []).append(row)

    def _correction(self, sequence: int, entry: Entry) -> int:
        """What the logger's clock was wrong by, for records older than their boot's clock entry."""
        offset, known_since = self.state.boots[entry.boot]
        if sequence > known_since:
            return 0
        return offset - (entry.received_ns - entry.mono_ns)


def sources_of(entry: Entry) -> Sources:
    """The decoders of a configuration entry."""
    table = orjson.loads(entry.payload)
    config, _ = read_config(read_document(table["file"], table["text"]))
    return Sources.of(config) if config is not None else Sources()


def _measured(reading: Reading, decoded: Decoded, default: int, received: int) -> tuple[int, int]:
    """(measured time, doubt): the sender's own time where plausible."""
    sent = reading.time_ns if reading.time_ns is not None else decoded.time_ns
    if sent is None:
        return default, 0
    if received - OLDEST_NS <= sent <= received + NEWEST_NS:
        return sent, 0
    return default, Flag.SUSPECT


def _contradicts(segment: Segment, serial: str | None) -> int:
    """Suspect when the probe that answers is not the one that is deployed."""
    known = segment.sensor and serial
    return Flag.SUSPECT if known and segment.sensor != serial else 0


def _row(reading: Reading, time: int, sequence: int, doubt: int) -> _Row:
    number = reading.number if reading.number is not None else float("nan")
    start = reading.start_ns if reading.start_ns is not None else time
    return time, start, number, sequence, doubt or Flag.NOT_EVALUATED


def _fresh(rows: list[_Row]) -> Fresh:
    time, start, raw, sequence, doubt = zip(*rows, strict=True)
    return Fresh(
        np.array(time, np.int64),
        np.array(start, np.int64),
        np.array(raw, np.float64),
        np.array(sequence, np.int64),
        np.array(doubt, np.int8),
    )
