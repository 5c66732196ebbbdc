"""Builds the explanation of one observation: record, reading, deployment, checks, reasons."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import islice
from typing import NamedTuple

import numpy as np
import orjson

from edaphon.acquire.gaps import FLOOD, WITHDRAWN, Gap
from edaphon.clock import DAY_NS, FAR_NS, instant_text
from edaphon.derive.calibrate import why_impossible, within_physics
from edaphon.explain import explanation as shown
from edaphon.explain.steps import entered_by, field_checks_of, span_of, steps_of, why_no_chain
from edaphon.explain.trace import Again, Case, FoundRow, History, Row, derived_again, number, row_at
from edaphon.facts import Deployment
from edaphon.journal import DamagedRow, Entry, JournalReader, Kind, Purpose
from edaphon.model import DEMOTED_RANKS, EntryId
from edaphon.series import Series
from edaphon.toml_input.values import about_text
from edaphon_calibration.checks import Flag
from edaphon_drivers.faults import Fault, Garbled
from edaphon_drivers.readings import Reading, Status, unpack_exchange, unpack_message, unpack_piece

_COMPARED = ("value", "u_random", "u_systematic", "raw", "flag", "derivation", "start_ns")
_SUSPECT, _FAIL, _MISSING = int(Flag.SUSPECT), int(Flag.FAIL), int(Flag.MISSING)
_LONGEST_BYTES = 400
_MOST_TURNS = 24
_ESCAPED = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}


def explanation_of(
    journal: JournalReader, series: Series, history: History, found: FoundRow
) -> shown.Explanation:
    """Raises DamagedRow or KeyError where the record can't be read any more."""
    row, place = found.row, EntryId.of(found.row.sequence)
    again = derived_again(journal, history, found.channel, row)
    case = Case(journal, series, history, found, place, journal.entry(place), again)
    kind = history.sources.kinds.get(case.path, "").partition(" ")[0]
    steps = tuple(steps_of(case))
    agrees, differs = _agreement(case)
    return shown.Explanation(
        channel=found.channel,
        asked=instant_text(found.time_ns),
        time=instant_text(row.time_ns),
        nearest=row.time_ns != found.time_ns,
        usual_interval=about_text(found.usual_ns) if found.usual_ns else None,
        support_s=(row.time_ns - row.start_ns) / 1e9,
        record=record_of(place, case.entry, kind),
        reading=_reading(case),
        deployment=_deployment(case),
        raw=number(row.raw),
        raw_unit=case.reading.unit if case.reading else "",
        steps=steps,
        conversion=_conversion(case, steps),
        no_chain=why_no_chain(case),
        accuracy=_figures(again),
        field_checks=tuple(field_checks_of(case)),
        checks=tuple(_checks_of(again)) if again else (),
        flag=row.flag,
        flag_name=flag_name(row.flag),
        reasons=tuple(_reasons_of(case, steps)),
        stored=_stored(case),
        agrees=agrees,
        again=differs,
    )


def _stored(case: Case) -> shown.StoredValue:
    row = case.found.row
    return shown.StoredValue(
        number(row.value),
        case.history.plan.channels[case.found.channel].unit,
        number(row.u_random),
        number(row.u_systematic),
        row.rank,
        row.derivation,
        orjson.loads(case.series.derivation_text(row.derivation) or "{}"),
        version("edaphon"),
    )


def _conversion(case: Case, steps: tuple[shown.ShownStep, ...]) -> shown.ToUnit | None:
    """From the last step to the channel's unit; None where no chain leads there."""
    if case.again is None or not case.again.segment.chain.known:
        return None
    line = case.again.segment.chain.final
    begin = steps[-1].own.unit_out if steps else case.reading.unit if case.reading else ""
    unit = case.history.plan.channels[case.found.channel].unit
    return shown.ToUnit(begin, unit, line.scale, line.offset)


def _figures(again: Again | None) -> Mapping[str, float]:
    if again is None:
        return {}
    chain = again.segment.chain
    return {
        "accuracy": chain.accuracy,
        "repeatability": chain.repeatability,
        "resolution": chain.resolution,
    }


def _reading(case: Case) -> shown.ShownReading | None:
    if case.reading is None:
        return None
    (reading,) = within_physics((case.reading,))
    return shown.ShownReading(
        reading.output,
        reading.quantity,
        reading.number,
        reading.unit,
        str(reading.status),
        why_impossible(case.reading),
        str(reading.origin),
        None if reading.time_ns is None else instant_text(reading.time_ns),
        _time_from(case, reading),
    )


def _time_from(case: Case, reading: Reading) -> str:
    time_ns, entry = case.found.row.time_ns, case.entry
    if reading.time_ns == time_ns:
        return "the instrument's or sender's own time"
    if entry.slot_ns is not None:
        exact = time_ns == entry.slot_ns
        return "the slot" if exact else "the slot, corrected by what the clock was wrong"
    near = time_ns == entry.received_ns + reading.after_ns
    return "when it came" if near else "the server's time, or when it came by a corrected clock"


def _deployment(case: Case) -> shown.ShownDeployment | None:
    d = case.deployment
    if d is None:
        return None
    entered = entered_by(case.history, d)
    return shown.ShownDeployment(
        d.id, d.source, d.output, d.sensor, d.factory, d.primary, span_of(d), entered
    )


def _agreement(case: Case) -> tuple[bool, str]:
    stored, again = case.found.row, case.again
    if again is None:
        return False, "the series has it, deriving again gives no observation"
    if again.row.same(stored):
        return True, ""
    return False, "; ".join(_differences(stored, again.row)) + _pending(case)


def _differences(stored: Row, again: Row) -> Iterator[str]:
    before, now = stored._asdict(), again._asdict()
    for name in _COMPARED:
        had, gives = before[name], now[name]
        if had != gives and (had == had or gives == gives):
            yield f"{name}: the series says {had!r}, deriving again gives {gives!r}"


def _pending(case: Case) -> str:
    checkpoint = orjson.loads(case.series.checkpoint("deriver") or "{}")
    if case.found.channel in checkpoint.get("pending", {}):
        return "; the channel is being derived again: ask once more later"
    return "; `edaphon rebuild` puts the series right"


def flag_name(flag: int) -> str:
    return Flag(flag).name.lower().replace("_", " ")


def _checks_of(again: Again) -> Iterator[shown.CheckResult]:
    """Each level of each check with its limits; they see the neighbours as the line did."""
    seen = again.seen
    value = again.segment.chain.apply(seen.raw, seen.time_ns, seen.second_input).value
    for check in again.segment.checks:
        results = check.flags_by_level(seen.time_ns, value)
        for (effect, limits), result in zip(check.levels, results, strict=True):
            flag = int(result[seen.at])
            rule = check.rule
            yield shown.CheckResult(
                rule.name, int(effect), dict(limits), flag, _result(flag), rule.reference
            )


def _result(flag: int) -> str:
    words = {int(Flag.PASSED): "passed", int(Flag.NOT_EVALUATED): "not evaluable"}
    return words.get(flag, f"failed: {flag} {flag_name(flag)}")


def _reasons_of(case: Case, steps: Iterable[shown.ShownStep]) -> Iterator[shown.Reason]:
    """All that speaks against the value, whether or not something worse decided."""
    again = case.again
    if again is None:
        return
    if again.row.value != again.row.value:
        yield shown.Reason(_MISSING, _why_no_value(case, again))
    for check in _checks_of(again):
        if check.flag >= _SUSPECT:
            limits = ", ".join(f"{name} = {limit:g}" for name, limit in check.limits.items())
            yield shown.Reason(check.flag, f"check {check.check} failed ({limits})")
    for step in steps:
        yield from (shown.Reason(_SUSPECT, beyond) for beyond in step.beyond)
    expires_ns = again.segment.expires_ns
    if expires_ns is not None and again.row.time_ns >= expires_ns:
        yield shown.Reason(_SUSPECT, f"a calibration expired at {instant_text(expires_ns)}")
    for mark in again.segment.marks:
        if mark.covers(again.row.time_ns):
            yield shown.Reason(mark.flag, f"mark {mark.id} by {mark.who}: {mark.cause}")
    yield from _of_the_record(case, again)


def _of_the_record(case: Case, again: Again) -> Iterator[shown.Reason]:
    stated, stated_ns = case.history.serial_at(case.place, case.path)
    deployed = again.segment.sensor
    if stated and again.segment.contradicted_by(stated, stated_ns):
        yield shown.Reason(
            _SUSPECT, f"the instrument reports serial {stated}, deployed is {deployed}"
        )
    if file := _replaced_file(case):
        yield shown.Reason(
            _FAIL, f"a later copy of {file} replaces the one that has it, and lacks it"
        )
    reading, row = case.reading, again.row
    if reading is not None and reading.time_ns not in {None, row.time_ns}:
        own = instant_text(reading.time_ns or 0)
        yield shown.Reason(
            _SUSPECT, f"the sender's own time {own} is not plausible: the time of receipt is used"
        )


def _replaced_file(case: Case) -> str:
    """The file of whose replaced copy the row is, "" for any other."""
    known = case.history.plan.replaced
    if not known or case.again is None or case.again.row.rank < DEMOTED_RANKS:
        return ""
    try:
        piece = unpack_piece(case.entry.payload)
    except Garbled:
        return ""
    return piece.name if piece.copy < known.get((case.path, piece.name), 0) else ""


def _why_no_value(case: Case, again: Again) -> str:
    if again.row.raw != again.row.raw:
        if case.reading and (why := why_impossible(case.reading)):
            return f"the number as received is impossible: {why}"
        status = case.reading.status if case.reading else Status.INVALID
        return f"the instrument reported no number: {status}"
    if not again.segment.chain.known:
        return why_no_chain(case)
    if np.isnan(again.seen.second_input[:, again.seen.at]).any():
        return "a second input is not there, or too old"
    return "a curve has no value there"


def record_of(place: EntryId, entry: Entry, kind: str) -> shown.ShownRecord:
    """`kind` is the name of the source's kind, which says what its payload is."""
    return shown.ShownRecord(
        str(place),
        instant_text(entry.received_ns),
        None if entry.slot_ns is None else instant_text(entry.slot_ns),
        entry.source,
        Purpose(entry.purpose).name.lower(),
        Kind(entry.kind).name.lower(),
        len(entry.payload),
        tuple(_payload(entry.payload, kind)),
    )


def shown_bytes(data: bytes) -> str:
    """Text with escapes where most of it can be read, else hexadecimal."""
    part = data[:_LONGEST_BYTES]
    readable = sum(0x20 <= byte < 0x7F or byte in {0x0D, 0x0A, 0x09} for byte in part)
    text = _escaped(part) if readable * 10 >= len(part) * 8 else part.hex(" ").upper()
    return text if len(part) == len(data) else f"{text} ... ({len(data)} bytes in all)"


def _escaped(data: bytes) -> str:
    return "".join(
        _ESCAPED.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02X}")
        for byte in data
    )


def _payload(payload: bytes, kind: str) -> Iterator[str]:
    try:
        if kind in {"LorawanSource", "JsonSource"}:
            yield from _message(payload)
        elif kind == "FileSource":
            yield from _piece(payload)
        else:
            yield from _exchange(payload)
    except Fault:
        yield shown_bytes(payload)


def _exchange(payload: bytes) -> Iterator[str]:
    turns = unpack_exchange(payload)
    for turn in turns[:_MOST_TURNS]:
        yield f"{turn.ms:6d} ms {'>' if turn.sent else '<'} {shown_bytes(turn.data)}"
    if len(turns) > _MOST_TURNS:
        yield f"... ({len(turns)} turns in all)"


def _message(payload: bytes) -> Iterator[str]:
    message = unpack_message(payload)
    marks = f"QoS {message.qos}{', retained' if message.retain else ''}"
    yield f"topic {message.topic} ({marks})"
    yield shown_bytes(message.data)


def _piece(payload: bytes) -> Iterator[str]:
    piece = unpack_piece(payload)
    yield f"file {piece.name} from byte {piece.offset} on"
    if piece.header:
        yield f"header {shown_bytes(piece.header)}"
    yield shown_bytes(piece.data)


_UNKNOWN_NS = 600_000_000_000  # how near a record lies where the interval is not known
_MOST = 5


class Absent(NamedTuple):
    """A channel without an observation at a time; its usual interval [ns], 0 unknown."""

    channel: str
    time_ns: int
    usual_ns: int

    @property
    def reach_ns(self) -> int:
        """How far away in time something is still of that time."""
        return self.usual_ns // 2 or _UNKNOWN_NS


def find_observation(
    series: Series, history: History, channel: str, time_ns: int
) -> FoundRow | Absent:
    """The observation of that time, else the nearest less than an interval away in its slot."""
    runs = series.read(channel, time_ns - DAY_NS, time_ns + DAY_NS + 1)
    rows = [row_at(run, index) for run in runs for index in range(len(run))]
    usual = _usual_ns(history, channel, time_ns, rows)
    absent = Absent(channel, time_ns, usual)
    row = min(rows, key=lambda row: abs(row.time_ns - time_ns), default=None)
    if row is None:
        return absent
    away = abs(row.time_ns - time_ns)
    own_slot = 2 * away <= usual or (away < usual and not gap_at(history, absent))
    return FoundRow(channel, time_ns, row, usual) if not away or own_slot else absent


def _usual_ns(history: History, channel: str, time_ns: int, rows: list[Row]) -> int:
    """That of the channel's statistic, of its source, or of its times about then; 0: unknown."""
    own = history.knowledge.channels[channel].interval_ns
    if own:
        return own
    paths = {d.source for d in history.knowledge.deployments_at(channel, time_ns)}
    for path, interval_ns in history.intervals.items():
        if path in paths:
            return interval_ns
    times = np.unique([row.time_ns for row in rows])  # several runs may hold one time
    return int(np.median(np.diff(times))) if len(times) > 1 else 0


def why_none(journal: JournalReader, series: Series, history: History, absent: Absent) -> list[str]:
    """The reasons that the journal knows, then what there is nearest."""
    deployed = history.knowledge.deployments_at(absent.channel, absent.time_ns)
    found = [f"{absent.channel} has no observation at {instant_text(absent.time_ns)}"]
    if not deployed:
        found += list(_elsewhere(history, absent))
    elif gap := gap_at(history, absent):
        found.append(gap)
    else:
        became = list(islice(_records(journal, history, absent, deployed), _MOST))
        found += became or list(_silence(journal, absent, deployed))
    return [*found, *_neighbours(series, absent)]


def gap_at(history: History, absent: Absent) -> str:
    """The gap of the channel's source that lies over the time, in words; "" if none does."""
    deployed = history.knowledge.deployments_at(absent.channel, absent.time_ns)
    own, paths = _names(deployed), {d.source for d in deployed}
    known: dict[tuple[str, int, str], tuple[EntryId, Gap]] = {}
    for place, entry in history.gaps:
        if entry.source not in own:
            continue
        gap = Gap.of_payload(entry.payload)
        if gap.cause == FLOOD and entry.source not in paths:
            continue  # of strangers at its broker, who cost a source nothing
        if gap.state == WITHDRAWN:
            known = {
                key: own
                for key, own in known.items()
                if key[0] != entry.source or key[1] < gap.first_ns
            }
        else:
            known[entry.source, gap.first_ns, gap.cause] = (place, gap)
    for (source, _, _), (place, gap) in known.items():
        end = gap.last_ns + absent.reach_ns if gap.state != "open" else FAR_NS
        if gap.first_ns - absent.reach_ns < absent.time_ns <= end:
            return _gap_words(source, place, gap)
    return ""


def _gap_words(source: str, place: EntryId, gap: Gap) -> str:
    until = f"to {instant_text(gap.last_ns)}" if gap.state != "open" else "and still open"
    words = f"gap of {source}: {gap.cause}, from {instant_text(gap.first_ns)} {until}"
    what = "items" if gap.cause == FLOOD else "slots"
    words += f", {gap.n} {what}" if gap.state != "open" else ""
    words += f" (journal {place})"
    if gap.detail:
        words += f": {gap.detail}"
    return words + (f"; came: {shown_bytes(bytes.fromhex(gap.garbled))}" if gap.garbled else "")


def _names(deployed: Sequence[Deployment]) -> set[str]:
    """The source of entries: the path, or for a broker the first part of it."""
    paths = {d.source for d in deployed}
    return paths | {path.partition("/")[0] for path in paths}


def _elsewhere(history: History, absent: Absent) -> Iterator[str]:
    own = [d for d in history.knowledge.deployments if d.channel == absent.channel]
    yield "no deployment fed the channel then" + ("" if own else ", and none ever did")
    for d in own:
        begin = instant_text(d.from_ns) if d.from_ns is not None else "the beginning"
        end = instant_text(d.to_ns) if d.to_ns is not None else "now"
        yield f"  {d.id}: {d.source} {d.output} from {begin} to {end}"


def _silence(
    journal: JournalReader, absent: Absent, deployed: Sequence[Deployment]
) -> Iterator[str]:
    paths = ", ".join(d.source for d in deployed)
    yield f"no record of {paths} and no gap was journalled then"
    last = journal.last
    with suppress(DamagedRow, KeyError):
        entry = journal.entry(last or EntryId(0, 0))
        if entry.received_ns < absent.time_ns:
            yield f"the journal ends at {last}, {instant_text(entry.received_ns)}"


def _records(
    journal: JournalReader, history: History, absent: Absent, deployed: Sequence[Deployment]
) -> Iterator[str]:
    """What the records that came about then became, if not an observation of the channel."""
    waiting: list[tuple[EntryId, Entry]] = []
    for place, entry in journal.scan(_names(deployed), {Kind.RECORD}, on_damage=lambda _: None):
        if history.known_from(place, entry) is None:
            waiting = waiting or [(place, entry)]
        elif abs((entry.slot_ns or entry.received_ns) - absent.time_ns) <= absent.reach_ns:
            yield from _became(history, place, entry, deployed)
    for place, entry in waiting:
        yield (
            f"record {place} of {entry.source}, and maybe later ones, waits: the clock of its boot"
            f" is not known yet (received {instant_text(entry.received_ns)} by that clock)"
        )


def _became(
    history: History, place: EntryId, entry: Entry, deployed: Sequence[Deployment]
) -> Iterator[str]:
    try:
        decoded = history.decode(place, entry)
    except Fault as fault:
        yield f"record {place} of {entry.source} is a dead letter: {fault}"
        return
    for d in deployed:
        if decoded.path == d.source and not any(r.output == d.output for r in decoded.readings):
            stated = ", ".join(r.output for r in decoded.readings) or "nothing"
            yield f"record {place} of {d.source} holds no {d.output}: it says {stated}"
        elif decoded.path == d.source:
            purpose = Purpose(entry.purpose).name.lower()
            yield (
                f"record {place} of {d.source} (purpose {purpose}) holds {d.output},"
                " of another time or not for the series"
            )


def _neighbours(series: Series, absent: Absent) -> Iterator[str]:
    heads = series.heads(absent.channel)
    day = absent.time_ns // DAY_NS
    before = [h.day for h in heads if h.day <= day][-2:]
    after = [h.day for h in heads if h.day >= day][:2]
    times = [
        int(time)
        for d in sorted({*before, *after})
        for run in series.read(absent.channel, d * DAY_NS, (d + 1) * DAY_NS)
        for time in run.time_ns
    ]
    earlier = [t for t in times if t < absent.time_ns]
    later = [t for t in times if t > absent.time_ns]
    for word, found in (("before", earlier[-1:]), ("after", later[:1])):
        yield from (f"the nearest {word}: {instant_text(time)}" for time in found)
