"""The line after the journal: one function for one live entry and for ten years of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import orjson

from edaphon.config import read_config, within_physics
from edaphon.derive.beside import Values, filled
from edaphon.derive.chains import ALWAYS
from edaphon.derive.evaluate import evaluate
from edaphon.derive.plan import Plan
from edaphon.derive.segments import Segment
from edaphon.derive.sources import Decoded, Sources
from edaphon.derive.state import Fresh, State
from edaphon.journal import Entry, Kind, Purpose
from edaphon.nouns import Observations, Sequence
from edaphon.written import read_document
from edaphon_calibration.flags import Flag
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import UNREADABLE_NS, Reading

__all__ = ["DeadLetter", "Line", "sources_of"]

# A sender's own time is believed within these bounds of the time of receipt.
OLDEST_NS = 366 * 86_400_000_000_000
NEWEST_NS = 300_000_000_000
UPLINKS_REMEMBERED = 64

Item = tuple[Sequence, Entry]
_Row = tuple[int, int, float, int, int, int]
# Plain numbers: an enum member costs a look-up for every reading.
_NONE, _SUSPECT, _NAN, _UNSET = int(Flag.NOT_EVALUATED), int(Flag.SUSPECT), float("nan"), -2
_RECORD, _ROUTINE = Kind.RECORD, Purpose.ROUTINE


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
        latest: Sources | None = None,
    ) -> None:
        """`latest` are the sources as said last, where entries of the past are derived again."""
        self.state = state
        self.plan = plan
        self.sources = sources
        self._latest = latest
        self._recall = recall
        self._on_dead_letter = on_dead_letter
        self._rows: defaultdict[Segment, list[_Row]] = defaultdict(list)
        self._places: list[int] = []  # of the records of a batch, as they are placed
        self._place_now = 0
        # Numbers of the same records that chains take beside their own, by output.
        self._reported: defaultdict[Segment, dict[str, list[float]]] = defaultdict(dict)

    def step(self, batch: Iterable[Item]) -> list[Observations]:
        """What the entries mean, in runs; the state goes on to behind the last entry."""
        self._places = []
        for sequence, entry in batch:
            self._place_now = sequence.number
            self._take(sequence, entry)
        found: list[Observations] = []
        values = Values(self.state.latest, self._places)
        for segment, rows in sorted(self._rows.items(), key=lambda item: item[0].level):
            fresh, order = _fresh(rows)
            fresh = filled(segment, fresh, order, values, self._reported.get(segment, {}))
            runs, memory, taken = evaluate(segment, self.state.memory.get(segment.key), fresh)
            values.note(segment, fresh, order, taken)
            self.state.memory[segment.key] = memory
            derived = self.state.derived
            derived[segment.channel] = derived.get(segment.channel, 0) + _observed(rows)
            found.extend(runs)
        values.finish()
        self._rows.clear()
        self._reported.clear()
        return found

    def _take(self, sequence: Sequence, entry: Entry) -> None:
        if entry.kind == _RECORD:
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
        elif entry.kind == Kind.GAP:
            self._gap(entry)
        elif entry.kind == Kind.CONFIGURATION:
            self.state.configuration = sequence.number
            self.sources = sources_of(entry, self._latest)

    def _clock(self, sequence: Sequence, entry: Entry) -> None:
        offset = int(orjson.loads(entry.payload)["offset_ns"])
        self.state.boots[entry.boot] = (offset, sequence.number)
        held = self.state.held.pop(entry.boot, [])
        self.state.counts.held -= len(held)
        if held:
            self.state.waited.append((held[0], held[-1], sequence.number))
        if held and held[0] < self.state.placed:  # records of a later boot were known before
            self.state.displaced.append((held[0], held[-1]))
        for number, record in self._recall(map(Sequence.of, held)):
            self._record(number, record)

    def _gap(self, entry: Entry) -> None:
        gap = orjson.loads(entry.payload)
        if gap["state"] == "closed":
            self.state.gaps[gap["cause"]] = self.state.gaps.get(gap["cause"], 0) + gap["n"]

    def _identity(self, entry: Entry) -> None:
        identity = self.sources.identity(entry)
        if identity is not None and identity.serial:
            self.state.serials[entry.source] = identity.serial
            self.state.told_ns.pop(entry.source, None)
            if entry.boot in self.state.boots:
                self.state.told_ns[entry.source] = entry.received_ns

    def _record(self, sequence: Sequence, entry: Entry) -> None:
        if entry.purpose != _ROUTINE and entry.source not in self.sources.decoders:
            self.state.counts.decoded += 1  # said at the bench: kept, and of no source
            return
        try:
            decoded = self.sources.decode(entry)
        except Fault as fault:
            self.state.counts.dead += 1
            self._on_dead_letter(DeadLetter(sequence, entry.source, str(fault)))
            return
        if decoded.uplink is not None and self._repeated(decoded):
            self.state.counts.duplicates += 1
            return
        for note in decoded.notes:
            self.state.note(*note)
        self.state.counts.decoded += 1
        if entry.purpose == _ROUTINE:
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
        received = entry.received_ns + correction
        default = received if entry.slot_ns is None else entry.slot_ns + correction
        outputs = self.plan.routes.get(decoded.path)
        if outputs is None:  # nobody has said yet what it is for; it was heard all the same
            if decoded.path:
                self.state.seen[decoded.path] = default
            return
        serial = self.state.serials.get(decoded.path)
        told_ns = self.state.told_ns.get(decoded.path, ALWAYS[1])
        rows, uplink_ns = self._rows, decoded.time_ns
        readings = within_physics(decoded.readings)
        self.state.placed = max(self.state.placed, sequence)
        order = len(self._places)
        self._places.append(self._place_now)
        known: int | None = _UNSET
        time, doubt = default, _NONE
        for output, _, number, _, _, _, sent, start, after in readings:
            segments = outputs.get(output)
            if segments is None:
                continue
            if sent is None:
                sent = uplink_ns
            if decoded.retained and (sent is None or sent == UNREADABLE_NS):
                continue
            if sent != known or after:  # the readings of a record mostly share one time
                known = sent
                oldest = received - OLDEST_NS if not decoded.dated else -(2**63)
                time, doubt = _measured(sent, default + after, oldest, received + NEWEST_NS)
            for segment in segments:
                if segment.start_ns <= time < segment.end_ns:
                    wrong = serial and segment.contradicted_by(serial, told_ns)
                    rows[segment].append(
                        (
                            time,
                            time if start is None else start,
                            _NAN if number is None else number,
                            sequence,
                            _SUSPECT if wrong else doubt,
                            order,
                        )
                    )
                    if segment.chain.sides:
                        self._note_reported(segment, readings)
        self.state.seen[decoded.path] = time

    def _note_reported(self, segment: Segment, readings: Iterable[Reading]) -> None:
        for side in segment.chain.sides:
            if side.output:
                said = (r.number for r in readings if r.output == side.output)
                number = next(said, None)
                own = self._reported[segment].setdefault(side.output, [])
                own.append(_NAN if number is None else number)

    def _correction(self, sequence: int, entry: Entry) -> int:
        """What the logger's clock was wrong by, for records older than their boot's clock entry."""
        offset, known_since = self.state.boots[entry.boot]
        if sequence > known_since:
            return 0
        return offset - (entry.received_ns - entry.mono_ns)


def sources_of(entry: Entry, latest: Sources | None = None) -> Sources:
    """The decoders of a configuration entry, in the light of what was said since."""
    table = orjson.loads(entry.payload)
    config, _ = read_config(read_document(table["file"], table["text"]))
    return Sources.of(config, table.get("files"), latest) if config is not None else Sources()


def _measured(sent: int | None, default: int, oldest: int, newest: int) -> tuple[int, int]:
    """(measured time, doubt): the sender's own time where plausible."""
    if sent is None:
        return default, _NONE
    if oldest <= sent <= newest:
        return sent, _NONE
    return default, _SUSPECT


def _observed(rows: list[_Row]) -> int:
    """How many observations the rows are: a record may say one output twice for one time."""
    return len(rows) if len(rows) == 1 else len({(row[0], row[3]) for row in rows})


def _fresh(rows: list[_Row]) -> tuple[Fresh, tuple[int, ...]]:
    """The rows as columns, and when each was placed."""
    time, start, raw, sequence, doubt, order = zip(*rows, strict=True)
    fresh = Fresh(
        np.array(time, np.int64),
        np.array(start, np.int64),
        np.array(raw, np.float64),
        np.array(sequence, np.int64),
        np.array(doubt, np.int8),
        np.zeros((0, len(rows))),
    )
    return fresh, order
