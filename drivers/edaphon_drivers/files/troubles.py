"""What is wrong in the frame of a file's sheet, in words that say what would be right."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edaphon_drivers.files.clock import DATE_ORDERS, EPOCHS, compile_format, offset_s
from edaphon_drivers.files.frame import SEPARATORS
from edaphon_drivers.files.heard import like_trouble
from edaphon_drivers.sheets import Sheet

__all__ = ["FORMS", "frame_troubles"]

FORMS = ("table", "toa5", "li81x", "li8200", "heard")
_KEYS = {
    "form",
    "separator",
    "decimal",
    "missing",
    "comment",
    "order",
    "interval_s",
    "intervals",
    "time",
    "column",
    "footer",
    "only",
    "like",
}
_TIME_KEYS = {"columns", "formats", "utc_offset", "date_order", "year", "epoch"}


def frame_troubles(sheet: Sheet) -> Iterator[str]:
    frame = sheet.frame
    for key in sorted(frame.keys() - _KEYS):
        yield f"frame.{key} is unknown; known are {', '.join(sorted(_KEYS))}"
    if frame.get("form") not in FORMS:
        yield f"frame.form is one of {', '.join(FORMS)}, not {frame.get('form')!r}"
    if frame.get("separator", "tab") not in SEPARATORS:
        yield f"frame.separator is one of {', '.join(SEPARATORS)}, not {frame['separator']!r}"
    if frame.get("decimal", ".") not in {".", ","}:
        yield f'frame.decimal is "." or ",", not {frame["decimal"]!r}'
    if frame.get("decimal") == "," and frame.get("separator") == "comma":
        yield "frame.decimal and frame.separator can't both be a comma"
    yield from _simple_troubles(frame)
    if frame.get("form") == "heard":
        yield from filter(None, [like_trouble(sheet)])
    else:
        yield from _column_troubles(sheet)
    yield from _time_troubles(frame.get("time"), frame)


def _simple_troubles(frame: Mapping[str, Any]) -> Iterator[str]:
    if not _texts(frame.get("order", [])):
        yield "frame.order is a list of column names"
    missing = frame.get("missing", [])
    if not isinstance(missing, list) or not all(isinstance(w, str | int | float) for w in missing):
        yield 'frame.missing is a list of words, such as ["NAN", "-9999"]'
    if not isinstance(frame.get("comment", ""), str):
        yield 'frame.comment is what a comment begins with, such as ";"'
    intervals = frame.get("intervals", {})
    if not isinstance(intervals, Mapping) or not all(map(_seconds, intervals.values())):
        yield "frame.intervals is seconds by table, such as { Hourly = 3600 }"
    if not _seconds(frame.get("interval_s", 1)):
        yield f"frame.interval_s is a number of seconds above 0, not {frame['interval_s']!r}"


def _column_troubles(sheet: Sheet) -> Iterator[str]:
    named: set[object] = set()
    for key in ("column", "footer"):
        rows = sheet.frame.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            yield f"frame.{key} is a list of tables, [[frame.{key}]]"
            continue
        for row in rows:
            named.add(str(row.get("output")))
            yield from _row_troubles(f"frame.{key}", row, sheet.frame)
    if not sheet.frame.get("column"):
        yield "frame.column is missing: [[frame.column]] with name and output"
    for output in sorted(sheet.outputs.keys() - named):
        yield f"output {output} has no [[frame.column]]"
    for output in sorted(map(str, named - sheet.outputs.keys())):
        yield f"[[frame.column]] names output {output}, which the sheet does not have"
    only = sheet.frame.get("only", [])
    for row in only if isinstance(only, list) else [only]:
        yield from _condition_troubles("frame.only", row)


def _row_troubles(where: str, row: Mapping[str, Any], frame: Mapping[str, Any]) -> Iterator[str]:
    name = row.get("name", row.get("number"))
    if ("name" in row) == ("number" in row) or not _place(name):
        yield f"{where} has a name, or a number from 1, not {name!r}"
    elif "number" in row and not isinstance(name, int):
        yield f"{where}.number is a whole number from 1, not {name!r}"
    if not isinstance(row.get("mean", False), bool):
        yield f"{where}.mean is true or false"
    if row.get("mean") is True and "interval_s" not in frame:
        yield f"frame.interval_s is missing: column {name} is a mean over it"
    for key in sorted(row.keys() - {"name", "number", "output", "mean", "when"}):
        yield f"{where}.{key} is unknown"
    if "when" in row:
        yield from _condition_troubles(f"{where}.when", row["when"])


def _condition_troubles(where: str, row: object) -> Iterator[str]:
    sound = (
        isinstance(row, Mapping)
        and row.keys() == {"column", "is"}
        and _place(row["column"])
        and isinstance(row["is"], list)
    )
    if not sound:
        yield f'{where} is a table {{ column = "..", is = [".."] }}, not {row!r}'


def _time_troubles(time: object, frame: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(time, Mapping):
        yield "frame.time is missing: columns, and formats with utc_offset, or epoch"
        return
    for key in sorted(time.keys() - _TIME_KEYS):
        yield f"frame.time.{key} is unknown; known are {', '.join(sorted(_TIME_KEYS))}"
    columns = time.get("columns")
    if not isinstance(columns, list) or not columns or not all(map(_place, columns)):
        yield "frame.time.columns is a list of column names, or numbers from 1"
    if not _year(time.get("year", 2000)):
        yield f"frame.time.year is a year such as 2026, not {time.get('year')!r}"
    order = time.get("date_order", "dmy")
    if order not in DATE_ORDERS:
        yield f"frame.time.date_order is one of {', '.join(DATE_ORDERS)}, not {order!r}"
    elif "epoch" in time:
        if time["epoch"] not in EPOCHS:
            yield f"frame.time.epoch is one of {', '.join(EPOCHS)}, not {time['epoch']!r}"
    else:
        yield from _format_troubles(time, frame)


def _format_troubles(time: Mapping[str, Any], frame: Mapping[str, Any]) -> Iterator[str]:
    formats = time.get("formats")
    if not _texts(formats) or not formats:
        yield 'frame.time.formats is a list such as ["%Y-%m-%d %H:%M:%S"]; or say epoch = "s"'
        return
    yield from _zone_troubles(time, frame)
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


def _zone_troubles(time: Mapping[str, Any], frame: Mapping[str, Any]) -> Iterator[str]:
    if "utc_offset" not in time:
        if frame.get("form") != "li8200" and not all("%z" in text for text in time["formats"]):
            yield 'utc_offset is missing: this file says no zone; such as utc_offset = "+01:00"'
        return
    try:
        offset_s(time["utc_offset"])
    except (TypeError, ValueError):
        yield f'utc_offset is a fixed offset such as "+01:00", not {time["utc_offset"]!r}'


def _texts(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(text, str) for text in value)


def _place(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return bool(value) if isinstance(value, str) else isinstance(value, int) and value >= 1


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e8


def _year(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1970 <= value < 2262
