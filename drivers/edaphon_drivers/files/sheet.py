"""The table of a file's form in its sheet: columns, words for missing numbers, time, interval.

    [frame]
    form = "table"                  or toa5, li81x, li8200, heard (see engine.py)
    separator = "comma"             or tab, semicolon, blanks
    decimal = "."                   or ","
    missing = ["NAN", "-9999"]      words, or numbers, that stand for a failure
    comment = ";"                   lines that begin so are no records; names may stand behind it;
                                    or a list: ["Zero", "Start"]
    order = ["DATE", "CO2"]         names of the columns where a file has no line of names, or
                                    where its rows are longer than that line
    width = 11                      cells of a row, where columns have numbers or rows are shorter
                                    than their line of names
    interval_s = 1800               what a mean is over [s]; `intervals` says it by TOA5 table
    [frame.time]                    columns (names or numbers), formats, utc_offset | epoch
    [[frame.column]]                name (or number, from 1), output, `mean = true`, `when`
    [[frame.footer]]                name, output: what stands once below the rows (li81x, li8200)
    [[frame.only]]                  column, is = [..]: other rows are no records
    [[frame.refuse]]                column, is = [..]: such rows are refused

frame.time may also say (rules: clock.py):

    zone = "Europe/Berlin"          instead of utc_offset: the clock is set to summer time
    year = 2026                     of the first row, where the file says no year
    spread = { rows = 2, within_s = 1 }             rows to a stamp, spread evenly in their order
    elapsed = { column = "Input E", unit = "s", within_s = 60, when = .. }   time since a start,
    start = "2026-04-01T12:00:00Z"                  which is this, or the first stamp of a run

`when = { column = "Probe Type", is = ["08"] }` keeps a column to those rows; the column may also be
a key of the file's header (Port#, table).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edaphon_drivers.faults import Refused
from edaphon_drivers.files.clock import (
    DATE_ORDERS,
    EPOCHS,
    Clock,
    Elapsed,
    Spread,
    compile_format,
    offset_s,
)
from edaphon_drivers.files.clock import Condition as Condition
from edaphon_drivers.sheets import Sheet, UnknownModel, load_sheet
from edaphon_drivers.text_values import rfc3339_ns

SEPARATORS: dict[str, str | None] = {"tab": "\t", "comma": ",", "semicolon": ";", "blanks": None}
ELAPSED_UNITS = {"d": 86400 * 10**9, "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6}
_OF_TIME = (
    "utc_offset",
    "zone",
    "date_order",
    "year",
    "formats",
    "epoch",
    "spread",
    "elapsed",
    "start",
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column, by name or by number from 1, and the output that it is."""

    name: str | int
    output: str
    mean: bool = False
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """A sheet's frame, read; `separator` None stands for blanks."""

    form: str
    clock: Clock
    columns: tuple[Column, ...]
    footer: tuple[Column, ...] = ()
    only: tuple[Condition, ...] = ()
    refuse: tuple[Condition, ...] = ()
    separator: str | None = ","
    decimal: str = "."
    missing: frozenset[str] = frozenset()
    missing_numbers: frozenset[float] = frozenset()
    comment: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    width: int = 0
    interval_s: float = 0.0
    intervals: Mapping[str, float] | None = None
    zone_known: bool = True
    zone_stated: bool = False

    @property
    def reads_without_names(self) -> bool:
        """Whether the sheet says by itself where the columns are."""
        return bool(self.order) or not self.clock.names


def completed(sheet: Sheet, settings: Mapping[str, Any]) -> Sheet:
    """The sheet with what its owner knows of this instrument: utc_offset, date_order, year, ...

    Settings of the time go into frame.time, all others into the frame; what is there is replaced.
    """
    time = {key: settings[key] for key in _OF_TIME if key in settings}
    others = {key: value for key, value in settings.items() if key not in _OF_TIME}
    frame = {**sheet.frame, **others}
    written = frame.get("time", {})
    if time and isinstance(written, Mapping):  # else `frame_troubles` tells what it is
        frame["time"] = {**written, **time}
    return replace(sheet, frame=frame)


# Sheets hold dicts, so they can't be keys; holding the sheet keeps its id from being used again.
_known: dict[int, tuple[Sheet, Layout]] = {}
_MOST_KNOWN = 256


def read_layout(sheet: Sheet) -> Layout:
    """Raises Refused for a frame that `sheet_errors` complains about."""
    known = _known.get(id(sheet))
    if known is None:
        try:
            layout = _layout(sheet.frame)
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as wrong:
            raise Refused(f"a sheet without troubles ({wrong})", sheet.model) from None
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[id(sheet)] = sheet, layout
    return known[1]


def _layout(frame: Mapping[str, Any]) -> Layout:
    words = [str(word).strip().lower() for word in frame.get("missing", ())]
    form, decimal = frame["form"], frame.get("decimal", ".")
    return Layout(
        form=form,
        clock=_clock(frame["time"]),
        columns=tuple(map(_column, frame.get("column", ()))),
        footer=tuple(map(_column, frame.get("footer", ()))),
        only=tuple(map(_condition, frame.get("only", ()))),
        separator=SEPARATORS[frame.get("separator", "comma" if form == "toa5" else "tab")],
        refuse=tuple(map(_condition, frame.get("refuse", ()))),
        decimal=decimal,
        missing=frozenset(words),
        missing_numbers=frozenset(
            number for word in words if (number := _number(word, decimal)) is not None
        ),
        comment=_comments(frame.get("comment", "")),
        order=tuple(map(str, frame.get("order", ()))),
        width=int(frame.get("width", 0)),
        interval_s=float(frame.get("interval_s", 0)),
        intervals=frame.get("intervals", {}),
        zone_known=_zone_known(frame["time"], form),
        zone_stated="utc_offset" in frame["time"] or "zone" in frame["time"],
    )


def _comments(value: str | list[str]) -> tuple[str, ...]:
    marks = [value] if isinstance(value, str) else value
    return tuple(str(mark) for mark in marks if mark)


def _number(word: str, decimal: str) -> float | None:
    """-999,9 in a file of decimal commas; there -999.9 stands for the same number."""
    try:
        return float(word.replace(",", ".") if decimal == "," else word)
    except ValueError:
        return None


def _clock(time: Mapping[str, Any]) -> Clock:
    epoch = time.get("epoch")
    order = time.get("date_order", "")
    return Clock(
        columns=tuple(time.get("columns", ())),
        formats=tuple(compile_format(text, order) for text in time.get("formats", ())),
        offset_s=offset_s(time["utc_offset"]) if "utc_offset" in time else 0,
        epoch=None if epoch is None else EPOCHS[epoch],
        year=time.get("year"),
        zone=ZoneInfo(time["zone"]) if "zone" in time else None,
        spread=_spread(time["spread"]) if "spread" in time else None,
        elapsed=_elapsed(time["elapsed"], time.get("start")) if "elapsed" in time else None,
    )


def _spread(row: Mapping[str, Any]) -> Spread:
    return Spread(int(row["rows"]), round(row["within_s"] * 1e9))


def _elapsed(row: Mapping[str, Any], start: str | None) -> Elapsed:
    when = _condition(row["when"]) if "when" in row else None
    return Elapsed(
        row["column"],
        ELAPSED_UNITS[row.get("unit", "s")],
        rfc3339_ns(start) if start is not None else None,
        round(row.get("within_s", 60) * 1e9),
        when,
    )


def _zone_known(time: Mapping[str, Any], form: str) -> bool:
    """Whether a time of this file is a time: an LI-8200 names its zone itself."""
    in_text = all("%z" in text for text in time.get("formats", ("",)))
    stated = any(key in time for key in ("utc_offset", "zone", "epoch"))
    return stated or form == "li8200" or in_text or not time.get("columns")


def _column(row: Mapping[str, Any]) -> Column:
    when = row.get("when")
    return Column(
        row["name"] if "name" in row else int(row["number"]),
        row["output"],
        bool(row.get("mean", False)),
        _condition(when) if when else None,
    )


def _condition(row: Mapping[str, Any]) -> Condition:
    return Condition(row["column"], frozenset(map(str, row["is"])))


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


def sheet_errors(sheet: Sheet) -> Iterator[str]:
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


def like_trouble(sheet: Sheet) -> str:
    """What is wrong with frame.like; "" for a heard ASCII sheet with its own times."""
    like = sheet.frame.get("like")
    try:
        heard = load_sheet(like) if isinstance(like, str) else None
    except UnknownModel:
        heard = None
    if heard is None or heard.engine != "ascii" or "time" not in heard.frame:
        return f"frame.like names an ASCII sheet whose lines say their time, not {like!r}"
    return ""
