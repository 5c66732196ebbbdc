"""LI-COR LI-8200-01S files: one JSON object with datasets, their repetitions, rows and fluxes.

A repetition's header says when it began in local time, the zone by name, and the time by GPS.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.lines import (
    SLICE_READINGS,
    Account,
    Context,
    Lines,
    RefusedLine,
    Slice,
    split_piece,
)
from edaphon_drivers.files.rows import reading_of
from edaphon_drivers.files.sheet import Column, FileFrame
from edaphon_drivers.message_values import bare_json, number_of_text
from edaphon_drivers.readings import Piece, Reading, Status, without_number
from edaphon_drivers.sheets import Sheet

_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_json(data: bytes) -> Any:
    """Raises Garbled for anything but JSON; NaN and Infinity come as text."""
    try:
        return json.loads(bare_json(data).decode(), parse_constant=str, parse_int=float)
    except (ValueError, RecursionError):
        raise Garbled("a whole JSON file", data) from None


def read_li8200(piece: Piece, layout: FileFrame, sheet: Sheet, context: Context) -> Iterator[Slice]:
    """The repetitions of a whole file in slices: its lines are rows where one has a date.

    A line is refused for each repetition without a date, as far as the file has more lines than
    these; all are refused where no repetition has one.
    """
    lines = split_piece(piece).own
    readings: list[Reading] = []
    undated: list[str] = []
    dated = 0
    try:
        for label, name, repetition in _repetitions(parse_json(joined(piece))):
            keys = {"dataset": label, "repetition": name, **_texts(repetition.get("header"))}
            began_ns = _began_ns(keys, layout)
            if began_ns is None:
                undated.append(name)
            else:
                dated += 1
                readings += _rows(repetition, keys, began_ns, layout, sheet)
        reason = f"expected a date and a zone that exist in the header of {' '.join(undated[:3])}"
    except Garbled as fault:
        reason = f"expected {fault.expected}"
    if not dated and not undated:
        reason = f"expected a file of {sheet.title}"
    account = Account(context)
    _count(account, lines, undated if dated else None, reason, piece.line or 1)
    for start in range(0, max(len(readings), 1), SLICE_READINGS):
        account.readings = readings[start : start + SLICE_READINGS]
        yield account.cut()


def _count(
    account: Account, lines: Lines, undated: Sequence[str] | None, reason: str, first: int
) -> None:
    """Enters the lines of a file; `undated` None: all are refused."""
    written = [at for at, text in enumerate(lines.texts) if text and not text.isspace()]
    account.blank = len(lines.texts) - len(written)
    bad = written if undated is None else _lines_named(lines.texts, written, undated)
    account.refused = [RefusedLine(first + at, reason, lines.start_of(at)) for at in bad]
    account.rows = len(written) - len(bad)


def _lines_named(texts: Sequence[str], written: Sequence[int], names: Sequence[str]) -> list[int]:
    """A line for each name, the one that holds it where there is one; one line is left."""
    found: list[int] = []
    for name in names[: len(written) - 1]:
        holding = (at for at in written if f'"{name}"' in texts[at] and at not in found)
        rest = (at for at in written if at not in found)
        found.append(next(holding, None) or next(rest))
    return sorted(found)


def joined(piece: Piece) -> bytes:
    """Header and data as they stood in the file, whether or not the data begin with the header."""
    return piece.data if piece.data.startswith(piece.header) else piece.header + piece.data


def _repetitions(whole: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for dataset in _list(_table(whole).get("datasets")):
        for label, table in _table(dataset).items():
            for name, repetition in _table(_table(table).get("reps")).items():
                if isinstance(repetition, dict):
                    yield label, name, repetition


def _rows(
    repetition: Mapping[str, Any],
    keys: Mapping[str, str],
    began_ns: int,
    layout: FileFrame,
    sheet: Sheet,
) -> Iterator[Reading]:
    data = _table(repetition.get("data"))
    seconds = [_text(second) for second in _list(data.get("timestamp"))]
    times = [_after(began_ns, second) for second in seconds]
    errors = [_text(error) for error in _list(data.get("err"))]
    for column in layout.column:
        numbers = _list(data.get(str(column.name))) if _counts(column, keys) else []
        for n, (number, time_ns) in enumerate(zip(numbers, times, strict=False)):
            if time_ns is None:
                continue
            output = sheet.outputs[column.output]
            if n < len(errors) and errors[n] != "0.0":
                yield without_number(output, Status.FAILURE, time_ns)
            else:
                yield reading_of(output, _text(number), layout, time_ns, None)
    last_ns = max((time for time in times if time is not None), default=None)
    if last_ns is not None:
        yield from _fluxes(repetition, keys, (began_ns, last_ns), layout, sheet)


def _fluxes(
    repetition: Mapping[str, Any],
    keys: Mapping[str, str],
    span_ns: tuple[int, int],
    layout: FileFrame,
    sheet: Sheet,
) -> Iterator[Reading]:
    """F_o of each gas; a fit that failed has no points and zeros everywhere."""
    fluxes = _list(_table(repetition.get("footer")).get("fluxes"))
    for flux in map(_table, fluxes):
        for column in layout.footer:
            if flux.get("name") != column.name or not _counts(column, keys):
                continue
            output = sheet.outputs[column.output]
            if flux.get("n") == 0:
                failed = without_number(output, Status.FAILURE, span_ns[1])
                yield failed._replace(start_ns=span_ns[0])
            else:
                yield reading_of(output, _text(flux.get("F_o")), layout, span_ns[1], span_ns[0])


def _counts(column: Column, keys: Mapping[str, str]) -> bool:
    return column.when is None or keys.get(str(column.when.column)) in column.when.allowed


def _began_ns(keys: Mapping[str, str], layout: FileFrame) -> int | None:
    """By the owner's offset, else by the file's zone; in the doubled hour of autumn by GPS."""
    local_ns = layout.clock.read([keys.get("Date", "")])
    zone = layout.clock.zone.key if layout.clock.zone else keys.get("TimeZone")
    if local_ns is None or (layout.time.utc_offset is not None and layout.clock.zone is None):
        return local_ns
    return None if zone is None else _in_zone(local_ns, zone, keys.get("gps_time", ""))


def _in_zone(local_ns: int, zone: str, gps: str) -> int | None:
    local = datetime.fromtimestamp(local_ns // _SECOND_NS, UTC).replace(tzinfo=None)
    try:
        aware = local.replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    choices = {round((aware.replace(fold=n) - _EPOCH).total_seconds()) for n in (0, 1)}
    gps_s = float(number_of_text(gps) or 0)
    if len(choices) > 1 and not gps_s:
        return None
    return min(choices, key=lambda s: abs(s - gps_s)) * _SECOND_NS + local_ns % _SECOND_NS


def _after(began_ns: int, seconds: str) -> int | None:
    plain = seconds.replace(".", "", 1)
    if not plain.isdecimal() or not plain.isascii() or len(seconds) > 12:
        return None
    return began_ns + round(float(seconds) * _SECOND_NS)


def _texts(header: Any) -> dict[str, str]:
    return {key: _text(value) for key, value in _table(header).items()}


def _text(value: Any) -> str:
    """Numbers as they would stand in a table; anything else but text stands for nothing."""
    if isinstance(value, float):
        return repr(value)
    return value if isinstance(value, str) else ""


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
