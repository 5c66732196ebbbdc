"""Builds the explanation of one observation: record, reading, deployment, checks, reasons."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version

import numpy as np
import orjson

from edaphon.clock import instant_text
from edaphon.config import why_impossible, within_physics
from edaphon.explain.explanation import (
    CheckResult,
    Explanation,
    Reason,
    ShownDeployment,
    ShownReading,
    ShownRecord,
    ShownStep,
    StoredValue,
    ToUnit,
)
from edaphon.explain.steps import entered_by, field_checks_of, span_of, steps_of, why_no_chain
from edaphon.explain.trace import Again, Case, FoundRow, History, Row, derived_again, number
from edaphon.journal import Entry, JournalReader, Kind, Purpose
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
) -> Explanation:
    """Raises DamagedRow or KeyError where the record can't be read any more."""
    row, place = found.row, EntryId.of(found.row.sequence)
    again = derived_again(journal, history, found.channel, row)
    case = Case(journal, series, history, found, place, journal.entry(place), again)
    kind = history.sources.kinds.get(case.path, "").partition(" ")[0]
    steps = tuple(steps_of(case))
    agrees, differs = _agreement(case)
    return Explanation(
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


def _stored(case: Case) -> StoredValue:
    row = case.found.row
    return StoredValue(
        number(row.value),
        case.history.plan.channels[case.found.channel].unit,
        number(row.u_random),
        number(row.u_systematic),
        row.rank,
        row.derivation,
        orjson.loads(case.series.derivation_text(row.derivation) or "{}"),
        version("edaphon"),
    )


def _conversion(case: Case, steps: tuple[ShownStep, ...]) -> ToUnit | None:
    """From the last step to the channel's unit; None where no chain leads there."""
    if case.again is None or not case.again.segment.chain.known:
        return None
    line = case.again.segment.chain.final
    begin = steps[-1].own.unit_out if steps else case.reading.unit if case.reading else ""
    unit = case.history.plan.channels[case.found.channel].unit
    return ToUnit(begin, unit, line.scale, line.offset)


def _figures(again: Again | None) -> Mapping[str, float]:
    if again is None:
        return {}
    chain = again.segment.chain
    return {
        "accuracy": chain.accuracy,
        "repeatability": chain.repeatability,
        "resolution": chain.resolution,
    }


def _reading(case: Case) -> ShownReading | None:
    if case.reading is None:
        return None
    (reading,) = within_physics((case.reading,))
    return ShownReading(
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


def _deployment(case: Case) -> ShownDeployment | None:
    d = case.deployment
    if d is None:
        return None
    entered = entered_by(case.history, d)
    return ShownDeployment(
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


def _checks_of(again: Again) -> Iterator[CheckResult]:
    """Each level of each check with its limits; they see the neighbours as the line did."""
    seen = again.seen
    value = again.segment.chain.apply(seen.raw, seen.time_ns, seen.second_input).value
    for check in again.segment.checks:
        results = check.flags_by_level(seen.time_ns, value)
        for (effect, limits), result in zip(check.levels, results, strict=True):
            flag = int(result[seen.at])
            rule = check.rule
            yield CheckResult(
                rule.name, int(effect), dict(limits), flag, _result(flag), rule.reference
            )


def _result(flag: int) -> str:
    words = {int(Flag.PASSED): "passed", int(Flag.NOT_EVALUATED): "not evaluable"}
    return words.get(flag, f"failed: {flag} {flag_name(flag)}")


def _reasons_of(case: Case, steps: Iterable[ShownStep]) -> Iterator[Reason]:
    """All that speaks against the value, whether or not something worse decided."""
    again = case.again
    if again is None:
        return
    if again.row.value != again.row.value:
        yield Reason(_MISSING, _why_no_value(case, again))
    for check in _checks_of(again):
        if check.flag >= _SUSPECT:
            limits = ", ".join(f"{name} = {limit:g}" for name, limit in check.limits.items())
            yield Reason(check.flag, f"check {check.check} failed ({limits})")
    for step in steps:
        yield from (Reason(_SUSPECT, beyond) for beyond in step.beyond)
    expires_ns = again.segment.expires_ns
    if expires_ns is not None and again.row.time_ns >= expires_ns:
        yield Reason(_SUSPECT, f"a calibration expired at {instant_text(expires_ns)}")
    for mark in again.segment.marks:
        if mark.covers(again.row.time_ns):
            yield Reason(mark.flag, f"mark {mark.id} by {mark.who}: {mark.cause}")
    yield from _of_the_record(case, again)


def _of_the_record(case: Case, again: Again) -> Iterator[Reason]:
    stated, stated_ns = case.history.serial_at(case.place, case.path)
    deployed = again.segment.sensor
    if stated and again.segment.contradicted_by(stated, stated_ns):
        yield Reason(_SUSPECT, f"the instrument reports serial {stated}, deployed is {deployed}")
    if file := _replaced_file(case):
        yield Reason(_FAIL, f"a later copy of {file} replaces the one that has it, and lacks it")
    reading, row = case.reading, again.row
    if reading is not None and reading.time_ns not in {None, row.time_ns}:
        own = instant_text(reading.time_ns or 0)
        yield Reason(
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


def record_of(place: EntryId, entry: Entry, kind: str) -> ShownRecord:
    """`kind` is the name of the source's kind, which says what its payload is."""
    return ShownRecord(
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
