"""The line after the journal: one function for one live entry and for ten years of them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import NamedTuple

import numpy as np
import orjson

from edaphon.clock import DAY_NS
from edaphon.derive.calibrate import (
    SecondInputValues,
    Segment,
    evaluate,
    filled,
    observations_of,
    within_physics,
)
from edaphon.derive.decode import Decoded, Note, Sources, sources_of
from edaphon.derive.files import FileAccount, FileReader, SourceFiles, whole_refused
from edaphon.derive.plan import Plan
from edaphon.derive.segments import LINE_VERSION
from edaphon.derive.state import PipelineState, Uplink, UplinkConflicts
from edaphon.journal import Entry, Item, JournalReader, Kind, Purpose
from edaphon.journal.guard import Aside
from edaphon.model import ALWAYS, DEMOTED, EntryId, Observations, Readings
from edaphon_calibration.checks import Flag
from edaphon_drivers.faults import Fault
from edaphon_drivers.files.lines import Context, LineCounts, RefusedLine
from edaphon_drivers.readings import UNREADABLE_NS, Piece, Reading, unpack_piece

# time, start [UTC ns], raw number, sequence, source flag, and when it was placed
PlacedRow = tuple[int, int, float, int, int, int]
_Reported = Mapping[str, Sequence[float]]  # numbers of the same rows, by output
# A sender's own time is believed within these bounds of the time of receipt.
OLDEST_NS = 366 * DAY_NS
NEWEST_NS = 300_000_000_000
ALL = 2**63
UPLINKS_REMEMBERED = 64  # by path
_FIRST_BYTES = 16  # of an uplink, to show
TURN_S = 1.0  # for decoding, in steps that are bounded by readings too
# Plain numbers: an enum member costs a look-up for every reading.
_NONE, _SUSPECT, _NAN, _UNSET = int(Flag.NOT_EVALUATED), int(Flag.SUSPECT), float("nan"), -2
# What a later copy of its file lacks is no good value either: a person called it wrong.
_REPLACED = DEMOTED | int(Flag.FAIL)
_RECORD, _ROUTINE = Kind.RECORD, Purpose.ROUTINE


class Group(NamedTuple):
    """Rows that are judged against each other, each the first of its record for its time.

    With `ordinals` they are further readings of records for times of which these gave one before.
    """

    fresh: Readings
    order: tuple[int, ...]
    reported: _Reported
    demoted: bool
    ordinals: tuple[int, ...] = ()


def groups_of(rows: Sequence[PlacedRow], reported: _Reported, demoting: bool) -> list[Group]:
    """`demoting`: some row of the batch is demoted."""
    if len(rows) == 1:
        return [Group(*_fresh(rows), reported, demoting and bool(rows[0][4] & DEMOTED))]
    if not demoting and len({(row[0], row[3]) for row in rows}) == len(rows):
        return [Group(*_fresh(rows), reported, False)]
    before = Counter[tuple[int, int, bool]]()
    parts = defaultdict[tuple[bool, bool], list[tuple[int, int]]](list)  # places and ordinals
    for at, row in enumerate(rows):
        key = row[0], row[3], bool(row[4] & DEMOTED)
        parts[before[key] > 0, key[2]].append((at, before[key]))
        before[key] += 1
    groups = []
    for (is_further, demoted), part in sorted(parts.items()):
        places, ordinals = zip(*part, strict=True)
        numbers = {name: [own[at] for at in places] for name, own in reported.items()}
        fresh = _fresh([rows[at] for at in places])
        groups.append(Group(*fresh, numbers, demoted, ordinals if is_further else ()))
    return groups


def _fresh(rows: Sequence[PlacedRow]) -> tuple[Readings, tuple[int, ...]]:
    """The rows as columns, and when each was placed."""
    time, start, raw, sequence, source_flag, order = zip(*rows, strict=True)
    fresh = Readings(
        np.array(time, np.int64),
        np.array(start, np.int64),
        np.array(raw, np.float64),
        np.array(sequence, np.int64),
        np.array(source_flag, np.int8),
        np.zeros((0, len(rows))),
    )
    return fresh, order


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record whose bytes mean nothing, and why; `path` is its configured source, "" for none."""

    sequence: EntryId
    source: str
    why: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class LostLine:
    """A line of a followed file that is no row, in the record of that place."""

    sequence: EntryId
    source: str
    file: str
    line: RefusedLine


class Pipeline:
    """`step` over a plan; `recall` reads entries again whose clock was unknown when they came."""

    def __init__(
        self,
        state: PipelineState,
        plan: Plan,
        sources: Sources,
        recall: Callable[[Iterable[EntryId]], Iterable[Item]],
        on_dead_letter: Callable[[DeadLetter], None] = lambda _: None,
        latest: Sources | None = None,
        on_lost_line: Callable[[LostLine], None] = lambda _: None,
        on_note: Callable[[Note], None] = lambda _: None,
        journal: JournalReader | None = None,
    ) -> None:
        """`latest` are the sources as last configured, where past entries are derived again.

        Entries that the journal's guard has set aside are passed over.
        """
        self.state, self.plan, self.sources = state, plan, sources
        self._recall, self._latest, self._journal = recall, latest, journal
        self._on_dead_letter, self._on_lost_line = on_dead_letter, on_lost_line
        self._on_note = on_note
        self._aside: Mapping[int, Aside] = {}
        self._left = ALL  # entries that the step may still take
        self._rows: defaultdict[Segment, list[PlacedRow]] = defaultdict(list)
        self._demoting = False  # some row of the batch is demoted
        self._places: list[int] = []  # of the records of a batch, as they are placed
        self._place_now = 0
        self._readings = 0
        self._until_s = inf
        self.taken = 0  # how many entries of the batch the last step took
        # By source in entries, the last record that is held: its boot and monotonic time [ns].
        self.held_last: dict[str, tuple[str, int]] = {}
        # Numbers of the same records that chains take as second inputs, by output.
        self._reported: defaultdict[Segment, dict[str, list[float]]] = defaultdict(dict)

    def step(
        self, batch: Iterable[Item], most: int = ALL, entries: int = ALL
    ) -> list[Observations]:
        """What the entries mean, in runs; the state goes on to behind the last one that is taken.

        No further one is taken once they hold `most` readings, or while `state.due` is not empty;
        with a `most` also after a second: what is slow to decode lets others have their turn.
        At most so many `entries` are taken, those that waited for their clock included.
        """
        self._until_s = monotonic() + TURN_S if most < ALL else inf
        self._left = entries
        self._aside = self._journal.aside if self._journal is not None else {}
        self._places = []
        self._readings = self.taken = 0
        self._take_due(most)
        for sequence, entry in batch:
            if self.state.due or self._left <= 0 or self._enough(most):
                break
            self._left -= 1
            self._place_now = sequence.number
            self._take(sequence, entry)
            self._take_due(most)
            self.taken += 1
        found: list[Observations] = []
        values = SecondInputValues(self.state.latest, self._places)
        for segment, rows in sorted(self._rows.items(), key=lambda item: item[0].level):
            found.extend(self._observed(segment, rows, values))
            derived = self.state.derived
            derived[segment.channel] = derived.get(segment.channel, 0) + len(rows)
        values.finish()
        self._rows.clear()
        self._reported.clear()
        self._demoting = False
        return found

    def _enough(self, most: int) -> bool:
        return self._readings >= most or monotonic() >= self._until_s

    def _observed(
        self, segment: Segment, rows: list[PlacedRow], values: SecondInputValues
    ) -> list[Observations]:
        found: list[Observations] = []
        memories = self.state.memory
        for group in groups_of(rows, self._reported.get(segment, {}), self._demoting):
            fresh, order, reported, demoted, ordinals = group
            if ordinals:
                nothing, own = np.full(len(fresh), np.nan), np.array(ordinals, np.int64)
                numbers = nothing, nothing, nothing
                run = observations_of(segment, fresh, numbers, fresh.source_flag, demoted, own)
                found.append(run)
                continue
            fresh = filled(segment, fresh, order, values, reported)
            key = segment.demoted_key if demoted else segment.key
            runs, memories[key], taken = evaluate(segment, memories.get(key), fresh)
            if not demoted:
                values.note(segment, fresh, order, taken)
            found.extend(runs)
        return found

    def _pass_over(self, sequence: EntryId, entry: Entry) -> None:
        """An entry that is set aside: its bytes are kept, and what they mean is not known."""
        self.state.aside.append(sequence.number)
        self._refuse(sequence, entry, f"set aside: {self._aside[sequence.number].why}")

    def _take(self, sequence: EntryId, entry: Entry) -> None:
        if sequence.number in self._aside:
            if entry.kind == _RECORD:
                self.state.counts.records += 1
                self._pass_over(sequence, entry)
        elif entry.kind == _RECORD:
            self.state.counts.records += 1
            if entry.boot not in self.state.boots:
                self.state.held.setdefault(entry.boot, []).append(sequence.number)
                self.state.counts.held += 1
                self.held_last[entry.source] = (entry.boot, entry.mono_ns)
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

    def _clock(self, sequence: EntryId, entry: Entry) -> None:
        offset = int(orjson.loads(entry.payload)["offset_ns"])
        self.state.boots[entry.boot] = (offset, sequence.number)
        held = self.state.held.pop(entry.boot, [])
        self.state.due = held
        if held:
            self.state.waited.append((held[0], held[-1], sequence.number))
        if held and held[0] < self.state.placed:  # records of a later boot were known before
            self.state.displaced.append((held[0], held[-1]))

    def _take_due(self, most: int) -> None:
        """Records that waited for their clock, as if they had come with its entry."""
        due, taken = self.state.due, 0
        while taken < len(due) and self._left > 0 and not self._enough(most):
            self._left -= 1
            for sequence, record in self._recall([EntryId.of(due[taken])]):
                if sequence.number in self._aside:
                    self._pass_over(sequence, record)
                    continue
                self._place_now = self.state.boots[record.boot][1]
                self._record(sequence, record)
            taken += 1
        del due[:taken]
        self.state.counts.held -= taken

    def _gap(self, entry: Entry) -> None:
        gap = orjson.loads(entry.payload)
        sign = {"closed": 1, "withdrawn": -1}.get(gap["state"], 0)
        if sign:
            before = self.state.gaps.get(gap["cause"], 0)
            self.state.gaps[gap["cause"]] = before + sign * gap["n"]

    def _identity(self, entry: Entry) -> None:
        identity = self.sources.identity(entry)
        if identity is not None and identity.serial:
            self.state.serials[entry.source] = identity.serial
            self.state.told_ns.pop(entry.source, None)
            if entry.boot in self.state.boots:
                self.state.told_ns[entry.source] = entry.received_ns

    def _record(self, sequence: EntryId, entry: Entry) -> None:
        if entry.purpose != _ROUTINE and entry.source not in self.sources.decoders:
            self.state.counts.decoded += 1  # typed at the bench: kept, and of no source
            return
        if (read := self.sources.files.get(entry.source)) is not None:
            self._piece(sequence, entry, read)
            return
        try:
            decoded = self.sources.decode(entry)
        except Fault as fault:
            self._refuse(sequence, entry, str(fault), self.sources.owner(entry.source, fault))
            return
        if self._is_repeated(sequence, entry, decoded):
            return
        for note in decoded.notes:
            self.state.note(*note)
            self._on_note(note)
        self.state.counts.decoded += 1
        self._readings += len(decoded.readings)
        if entry.purpose == _ROUTINE:
            self._place(sequence.number, entry, decoded)

    def _refuse(self, sequence: EntryId, entry: Entry, why: str, path: str | None = None) -> None:
        """`path`: whose record it is, where the entry names a broker."""
        self.state.counts.dead += 1
        own = entry.source if path is None else path
        self._on_dead_letter(DeadLetter(sequence, entry.source, why, own))

    def _piece(self, sequence: EntryId, entry: Entry, read: FileReader) -> None:
        """A piece of a file, slice by slice; one without any row is a dead letter."""
        try:
            piece = unpack_piece(entry.payload)
        except Fault as fault:
            self._refuse(sequence, entry, str(fault))
            return
        account, first = self._files(entry.source).begin(piece)
        rows, refused = 0, None
        for counts, lines in self._slices(sequence, entry, read, piece, account, first):
            account.take(counts, lines, self._received(sequence.number, entry))
            rows += counts.rows
            refused = refused or next(iter(lines), None)
            for line in lines:
                self._on_lost_line(LostLine(sequence, entry.source, piece.name, line))
        if refused and not rows:
            why = f"{piece.name}, line {refused.line}: {refused.reason}; no line here is a row"
            self._refuse(sequence, entry, why)
        else:
            self.state.counts.decoded += 1

    def _slices(
        self,
        sequence: EntryId,
        entry: Entry,
        read: FileReader,
        piece: Piece,
        account: FileAccount,
        first: Context,
    ) -> Iterator[tuple[LineCounts, tuple[RefusedLine, ...]]]:
        """The account of each slice, whose readings are placed."""
        replaced = piece.copy < self.plan.replaced.get((entry.source, piece.name), 0)
        done = 0
        try:
            for one, unended in account.read(piece, read, first):
                self._readings += len(one.readings)
                if entry.purpose == _ROUTINE:
                    decoded = Decoded(entry.source, one.readings, dated=True)
                    mark = _REPLACED if replaced else DEMOTED if unended else 0
                    self._place(sequence.number, entry, decoded, mark)
                done += one.counts.lines
                yield one.counts, one.refused
        except Fault as fault:
            counts, line = whole_refused(piece, done, str(fault))
            yield counts, (line,)

    def _files(self, path: str) -> SourceFiles:
        known = self.state.files.get(path)
        if known is None:
            known = self.state.files[path] = SourceFiles(files_meaning(self.sources, path))
        return known

    def _is_repeated(self, sequence: EntryId, entry: Entry, decoded: Decoded) -> bool:
        """Whether an uplink came before; a hole in the frame counter is counted."""
        if (frame := decoded.uplink) is None:
            return False
        digest = hashlib.sha256(frame.data).hexdigest()[:16]
        uplink = Uplink(frame.session, frame.f_cnt, frame.f_port or 0, digest)
        state, path = self.state, decoded.path
        known = state.uplinks.setdefault(path, [])
        before = next((u for u in known if u[:3] == uplink[:3]), None)
        if before is None:
            self._count_missed(path, uplink, known)
            known.append(uplink)
            del known[:-UPLINKS_REMEMBERED]
            return False
        if before.digest in {"", digest}:
            state.counts.duplicates += 1
            return True
        state.counts.conflicts += 1
        n = state.uplink_conflicts.get(path, UplinkConflicts()).n + 1
        both = before.digest, digest
        times = self._received(sequence.number, entry), uplink.f_cnt
        begins = frame.data[:_FIRST_BYTES].hex()
        state.uplink_conflicts[path] = UplinkConflicts(n, *times, *both, begins)
        return True

    def _count_missed(self, path: str, uplink: Uplink, known: list[Uplink]) -> None:
        last = max((u.f_cnt for u in known if u.session == uplink.session), default=uplink.f_cnt)
        missed = self.state.uplinks_missed
        if uplink.f_cnt > last + 1:
            missed[path] = missed.get(path, 0) + uplink.f_cnt - last - 1
        elif uplink.f_cnt < last:  # late: it was counted as missed
            missed[path] = max(0, missed.get(path, 0) - 1)

    def _place(self, sequence: int, entry: Entry, decoded: Decoded, mark: int = 0) -> None:
        """`mark`: 0, DEMOTED, or _REPLACED for rows that a person has called wrong."""
        received = self._received(sequence, entry)
        correction = received - entry.received_ns
        default = received if entry.slot_ns is None else entry.slot_ns + correction
        outputs = self.plan.routes.get(decoded.path)
        if outputs is None:  # no deployment yet, but it was received
            if decoded.path:
                self.state.seen[decoded.path] = default
            return
        serial = self.state.serials.get(decoded.path)
        told_ns = self.state.told_ns.get(decoded.path, ALWAYS[1])
        rows, uplink_ns = self._rows, decoded.time_ns
        readings = within_physics(decoded.readings)
        self.state.placed = max(self.state.placed, sequence)
        known: int | None = _UNSET
        time, source_flag, order, placed = default, _NONE, 0, None
        self._demoting |= bool(mark)
        second: dict[str, _ByTime] = {}
        for reading in readings:
            output, _, number, _, _, _, sent, start, after = reading
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
                time, source_flag = _measured(sent, default + after, oldest, received + NEWEST_NS)
            if time != placed:  # what is measured at once is placed at once: a row of a file
                order, placed = len(self._places), time
                self._places.append(self._place_now)
            for segment in segments:
                if segment.start_ns <= time < segment.end_ns:
                    wrong = serial and segment.contradicted_by(serial, told_ns)
                    rows[segment].append(
                        (
                            time,
                            time if start is None else start,
                            _NAN if number is None else number,
                            sequence,
                            _marked(_SUSPECT if wrong else source_flag, mark),
                            order,
                        )
                    )
                    if segment.chain.sides:
                        self._note_reported(segment, reading, readings, second)
        self.state.seen[decoded.path] = time

    def _note_reported(
        self,
        segment: Segment,
        reading: Reading,
        readings: tuple[Reading, ...],
        second: dict[str, "_ByTime"],
    ) -> None:
        """Of the outputs that its chain takes from the record, the number of the same time."""
        for side in segment.chain.sides:
            if side.output:
                if side.output not in second:
                    second[side.output] = _ByTime.of(readings, side.output)
                number = second[side.output].number(reading)
                own = self._reported[segment].setdefault(side.output, [])
                own.append(_NAN if number is None else number)

    def _received(self, sequence: int, entry: Entry) -> int:
        """When it came [UTC ns]; by the boot's clock entry where the record is older than that."""
        offset, known_since = self.state.boots[entry.boot]
        return entry.received_ns if sequence > known_since else entry.mono_ns + offset


def span(
    due: Sequence[int], items: Sequence[Item], position: EntryId, entries: int = ALL
) -> tuple[int, int]:
    """The numbers of the first and last of a step's `entries`; where records waited, up to
    `position`."""
    if due and entries == 1:
        due, position = due[:1], EntryId.of(due[0])
    first = due[0] if due else items[0][0].number
    last = max(due[-1], position.number) if due else 0
    return first, max(last, items[-1][0].number) if items else last


def _marked(source_flag: int, mark: int) -> int:
    return mark if mark == _REPLACED else source_flag | mark


def _measured(sent: int | None, default: int, oldest: int, newest: int) -> tuple[int, int]:
    """(measured time, source flag): the sender's own time where plausible."""
    if sent is None:
        return default, _NONE
    if oldest <= sent <= newest:
        return sent, _NONE
    return default, _SUSPECT


def files_meaning(sources: Sources, path: str) -> str:
    """Names all by which the lines of a source's files are counted."""
    return f"{LINE_VERSION} {sources.meaning(path)}"


def counted_files(
    items: Iterable[Item],
    latest: Sources,
    recall: Callable[[Iterable[EntryId]], Iterable[Item]],
    journal: JournalReader | None = None,
) -> dict[str, SourceFiles]:
    """By path, the account of the lines of all files, from the records themselves."""
    line = Pipeline(PipelineState(), Plan(), Sources(), recall, latest=latest, journal=journal)
    for item in items:
        line.step([item])
    for path, files in line.state.files.items():
        files.meaning = files_meaning(latest, path)
    return line.state.files


class _ByTime(NamedTuple):
    """The numbers of one output of a record by the reading's own time."""

    numbers: Mapping[tuple[int | None, int], float | None]
    first: float | None

    @classmethod
    def of(cls, readings: Iterable[Reading], output: str) -> "_ByTime":
        own = [r for r in readings if r.output == output]
        numbers = {(r.time_ns, r.after_ns): r.number for r in reversed(own)}
        return cls(numbers, own[0].number if own else None)

    def number(self, second_inputs: Reading) -> float | None:
        """That of the same time; where the record has none, its first."""
        return self.numbers.get((second_inputs.time_ns, second_inputs.after_ns), self.first)
