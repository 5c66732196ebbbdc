"""What is wrong in frame.time of a file's sheet, in words that say what would be right."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edaphon_drivers.files.clock import DATE_ORDERS, EPOCHS, compile_format, offset_s
from edaphon_drivers.files.frame import ELAPSED_UNITS
from edaphon_drivers.rfc3339 import rfc3339_ns

TIME_KEYS = {
    "columns",
    "date_order",
    "elapsed",
    "epoch",
    "formats",
    "spread",
    "start",
    "utc_offset",
    "year",
    "zone",
}


def time_errors(time: object, frame: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(time, Mapping):
        yield "frame.time is missing: columns, and formats with utc_offset, or epoch"
        return
    for key in sorted(time.keys() - TIME_KEYS):
        yield f"frame.time.{key} is unknown; known are {', '.join(sorted(TIME_KEYS))}"
    yield from _elapsed_errors(time)
    columns = time.get("columns")
    if columns is None and "elapsed" in time:
        return  # every row says its time since the start
    if not isinstance(columns, list) or not columns or not all(map(is_place, columns)):
        yield "frame.time.columns is a list of column names, or numbers from 1"
    if not _is_year(time.get("year", 2000)):
        yield f"frame.time.year is a year such as 2026, not {time.get('year')!r}"
    if "spread" in time and not _is_spread(time["spread"]):
        yield (
            "frame.time.spread is a table such as { rows = 2, within_s = 1 }: 2 rows or more,"
            f" seconds above 0, not {time['spread']!r}"
        )
    order = time.get("date_order", "dmy")
    if order not in DATE_ORDERS:
        yield f"frame.time.date_order is one of {', '.join(DATE_ORDERS)}, not {order!r}"
    elif "epoch" in time:
        if time["epoch"] not in EPOCHS:
            yield f"frame.time.epoch is one of {', '.join(EPOCHS)}, not {time['epoch']!r}"
        if "zone" in time:
            yield "frame.time.zone is for formats: a count since 1970 has no zone"
    else:
        yield from _format_errors(time, frame)


def _format_errors(time: Mapping[str, Any], frame: Mapping[str, Any]) -> Iterator[str]:
    formats: Any = time.get("formats")
    listed = _is_list_of_texts(formats)
    yield from _zone_errors(time, frame, formats if listed else ())
    if not listed:
        yield 'frame.time.formats is a list such as ["%Y-%m-%d %H:%M:%S"]; or say epoch = "s"'
        return
    shapes: dict[str, tuple[str, ...]] = {}
    for text in formats:
        try:
            form = compile_format(text, time.get("date_order", ""))
        except ValueError as wrong:
            yield f"frame.time: {wrong}"
            continue
        if shapes.setdefault(form.shape, form.fields) != form.fields:
            yield f"frame.time.formats are ambiguous: {text!r} looks like another; state one order"
        if not {"Y", "y"} & set(form.fields) and "year" not in time:
            yield "frame.time.year is missing: this file says none"
        if not ({"d"} <= set(form.fields) and {"m", "b"} & set(form.fields) or "j" in form.fields):
            yield f"frame.time.formats: {text!r} says no day"


def _zone_errors(
    time: Mapping[str, Any], frame: Mapping[str, Any], formats: Sequence[str]
) -> Iterator[str]:
    if "utc_offset" in time and "zone" in time:
        yield "frame.time has utc_offset and zone: state one of them, the one the clock is set by"
    if "zone" in time and not _is_zone(time["zone"]):
        yield (
            'frame.time.zone is the name of a zone such as "Europe/Berlin",'
            f" not {time['zone']!r}{_offset_meant(time['zone'])}"
        )
    if "utc_offset" not in time:
        own_zone = "zone" in time or frame.get("form") == "li8200"
        if not own_zone and not all("%z" in text for text in formats):
            yield (
                'utc_offset is missing: this file says no zone; such as utc_offset = "+01:00",'
                ' or zone = "Europe/Berlin"'
            )
        return
    try:
        offset_s(time["utc_offset"])
    except (TypeError, ValueError):
        yield f'utc_offset is a fixed offset such as "+01:00", not {time["utc_offset"]!r}'


def _elapsed_errors(time: Mapping[str, Any]) -> Iterator[str]:
    row = time.get("elapsed")
    if row is None:
        if "start" in time:
            yield "frame.time.start is the start of frame.time.elapsed, which is missing"
        return
    if not _is_elapsed(row):
        units = ", ".join(ELAPSED_UNITS)
        yield (
            f'frame.time.elapsed is a table such as {{ column = "Etime" }}, unit one of {units},'
            f" within_s above 0, not {row!r}"
        )
    if "start" not in time:
        if "columns" not in time:
            yield (
                "frame.time.start is missing: elapsed time needs one, such as"
                ' start = "2026-04-01T12:00:00Z", or columns with the time of the row'
            )
        return
    try:
        rfc3339_ns(time["start"])
    except (TypeError, ValueError):
        came = _shown(time["start"])
        yield f'frame.time.start is a time such as "2026-04-01T12:00:00Z", not {came}'


def _offset_meant(zone: object) -> str:
    try:
        offset_s(str(zone))
    except ValueError:
        return ""
    return f'; a fixed offset is utc_offset = "{zone}"'


def _shown(time: object) -> str:
    return time.isoformat() if isinstance(time, date) else repr(time)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _is_elapsed(row: object) -> bool:
    return (
        isinstance(row, Mapping)
        and {"column"} <= row.keys() <= {"column", "unit", "within_s", "when"}
        and is_place(row["column"])
        and row.get("unit", "s") in ELAPSED_UNITS
        and _is_seconds(row.get("within_s", 60))
        and is_condition(row.get("when", {"column": 1, "is": []}))
    )


def _is_spread(row: object) -> bool:
    if not isinstance(row, Mapping) or row.keys() != {"rows", "within_s"}:
        return False
    rows = row["rows"]
    whole = isinstance(rows, int) and not isinstance(rows, bool) and 2 <= rows <= 1_000_000
    return whole and _is_seconds(row["within_s"])


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e8


def _is_zone(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _is_year(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1970 <= value < 2262


def is_condition(row: object) -> bool:
    """Whether a row is { column, is }."""
    return (
        isinstance(row, Mapping)
        and row.keys() == {"column", "is"}
        and is_place(row["column"])
        and isinstance(row["is"], list)
    )


def is_place(value: object) -> bool:
    """Whether a value names a column, or is its number from 1."""
    if isinstance(value, bool):
        return False
    return bool(value) if isinstance(value, str) else isinstance(value, int) and value >= 1
