"""What is wrong in the frame of a file's sheet, in words that say what would be right."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edaphon_drivers.files.frame import SEPARATORS
from edaphon_drivers.files.heard import like_trouble
from edaphon_drivers.files.time_errors import TIME_KEYS as TIME_KEYS
from edaphon_drivers.files.time_errors import is_condition, is_place, time_errors
from edaphon_drivers.sheets import Sheet

_MOST_CELLS = 100_000
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
    "refuse",
    "width",
    "like",
}


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
    yield from time_errors(frame.get("time"), frame)


def _simple_troubles(frame: Mapping[str, Any]) -> Iterator[str]:
    order = frame.get("order", [])
    if not isinstance(order, list) or not _texts(order):
        yield f'frame.order is a list of column names, such as ["DATE", "CO2"], not {order!r}'
    missing = frame.get("missing", [])
    if not isinstance(missing, list) or not all(isinstance(w, str | int | float) for w in missing):
        yield 'frame.missing is a list of words, such as ["NAN", "-9999"]'
    comment = frame.get("comment", "")
    if not isinstance(comment, str) and not (isinstance(comment, list) and _texts(comment)):
        yield 'frame.comment is what a comment begins with, such as ";", or a list of such'
    width = frame.get("width", 1)
    if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= _MOST_CELLS:
        yield f"frame.width is how many cells a row has, from 1, not {width!r}"
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
    for key in ("only", "refuse"):
        rows = sheet.frame.get(key, [])
        for row in rows if isinstance(rows, list) else [rows]:
            yield from _condition_troubles(f"frame.{key}", row)


def _row_troubles(where: str, row: Mapping[str, Any], frame: Mapping[str, Any]) -> Iterator[str]:
    name = row.get("name", row.get("number"))
    if ("name" in row) == ("number" in row) or not is_place(name):
        yield f"{where} has a name, or a number from 1, not {name!r}"
    elif "number" in row and not (isinstance(name, int) and name <= _MOST_CELLS):
        yield f"{where}.number is a whole number from 1, not {name!r}"
    elif "name" in row and not isinstance(name, str):
        yield f"{where}.name is a text; a column without a name has a number: number = {name}"
    if not isinstance(row.get("mean", False), bool):
        yield f"{where}.mean is true or false"
    if row.get("mean") is True and "interval_s" not in frame:
        yield f"frame.interval_s is missing: column {name} is a mean over it"
    for key in sorted(row.keys() - {"name", "number", "output", "mean", "when"}):
        yield f"{where}.{key} is unknown"
    if "when" in row:
        yield from _condition_troubles(f"{where}.when", row["when"])


def _condition_troubles(where: str, row: object) -> Iterator[str]:
    if not is_condition(row):
        yield f'{where} is a table {{ column = "..", is = [".."] }}, not {row!r}'


def _texts(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(text, str) for text in value)


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e8
