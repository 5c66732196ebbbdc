"""The typed [frame] of a file's sheet: columns, words for missing numbers, time, interval.

What each key is for: docs/adding.md, "A logger's file"; the rules of times: clock.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edaphon_drivers.faults import Refused
from edaphon_drivers.files.clock import (
    CONDITION,
    DATE_ORDERS,
    EPOCHS,
    Clock,
    ColumnPlace,
    Condition,
    Elapsed,
    Spread,
    compile_format,
    offset_s,
)
from edaphon_drivers.message_values import rfc3339_ns
from edaphon_drivers.sheets import (
    ListOf,
    Positive,
    Sheet,
    Table,
    UnknownModel,
    frame_reader,
    listed,
    load_sheet,
    one_of,
    per_sheet,
    takes,
    that,
    written,
)

SEPARATORS: dict[str, str | None] = {"tab": "\t", "comma": ",", "semicolon": ";", "blanks": None}
_FORMS = ("table", "toa5", "li81x", "li8200", "heard")
_MOST_CELLS = 100_000
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


def _is_offset(text: str) -> bool:
    try:
        offset_s(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        rfc3339_ns(text)
    except ValueError:
        return False
    return True


def _zone(name: str) -> str:
    try:
        if ZoneInfo(name).key:
            return name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    hint = f'; a fixed offset is utc_offset = "{name}"' if _is_offset(name) else ""
    raise ValueError(f'is the name of a zone such as "Europe/Berlin", not {written(name)}{hint}')


_TIME = "a table with columns, and formats with utc_offset, or epoch"


class Column(Table):
    """[[frame.column]] and [[frame.footer]]: a column and the output that it is."""

    named: Annotated[str, Field(min_length=1)] | None = takes(
        "a text; a column without a name has a number", None, alias="name"
    )
    number: int | None = takes("a whole number from 1: number = 2", None, ge=1, le=_MOST_CELLS)
    output: str = takes("the name of an [[output]]")
    mean: bool = takes("true or false", False)
    when: Condition | None = takes(CONDITION, None)

    @model_validator(mode="after")
    def _one_place(self) -> "Column":
        if (self.named is None) == (self.number is None):
            raise ValueError("has a name, or a number from 1")
        return self

    @property
    def name(self) -> str | int:
        return self.named or self.number or 0


class FileTime(Table):
    """[frame.time] of a file's sheet."""

    columns: Annotated[ListOf[ColumnPlace], that(bool)] | None = takes(
        "a list of column names, or numbers from 1", None
    )
    formats: Annotated[ListOf[str], that(bool)] | None = takes(
        'a list such as ["%Y-%m-%d %H:%M:%S"]', None
    )
    date_order: Literal["ymd", "dmy", "mdy"] | None = takes(one_of(DATE_ORDERS), None)
    epoch: Literal["s", "ms", "us", "ns"] | None = takes(one_of(EPOCHS), None)
    utc_offset: Annotated[str, that(_is_offset)] | None = takes(
        'a fixed offset such as "+01:00"', None
    )
    zone: Annotated[str, AfterValidator(_zone)] | None = takes(
        'the name of a zone such as "Europe/Berlin"', None
    )
    year: int | None = takes("a year such as 2026", None, ge=1970, lt=2262)
    spread: Spread | None = takes("a table such as { rows = 2, within_s = 1 }", None)
    elapsed: Elapsed | None = takes('a table such as { column = "Etime" }', None)
    start: Annotated[str, that(_is_time)] | None = takes(
        'a time such as "2026-04-01T12:00:00Z"', None
    )

    def clock(self) -> Clock:
        formats = (compile_format(text, self.date_order or "") for text in self.formats or ())
        return Clock(
            columns=self.columns or (),
            formats=tuple(formats),
            offset_s=offset_s(self.utc_offset) if self.utc_offset else 0,
            epoch=EPOCHS[self.epoch] if self.epoch else None,
            year=self.year,
            zone=ZoneInfo(self.zone) if self.zone else None,
            spread=self.spread,
            elapsed=self.elapsed,
            start_ns=rfc3339_ns(self.start) if self.start is not None else None,
        )


class FileFrame(Table):
    """[frame] of a file's sheet."""

    form: Literal["table", "toa5", "li81x", "li8200", "heard"] = takes(one_of(_FORMS))
    separator_name: Annotated[str, that(SEPARATORS.__contains__)] | None = takes(
        one_of(SEPARATORS), None, alias="separator"
    )
    decimal: Literal[".", ","] = takes('"." or ","', ".")
    missing_words: ListOf[str | int | float] = takes(
        'a list of words, such as ["NAN", "-9999"]', (), alias="missing"
    )
    comments: Annotated[ListOf[str], BeforeValidator(listed)] = takes(
        'what a comment begins with, such as ";", or a list of such', (), alias="comment"
    )
    order: ListOf[str] = takes('a list of column names, such as ["DATE", "CO2"]', ())
    width: int = takes("how many cells a row has, from 1", 0, ge=1, le=_MOST_CELLS)
    interval_s: Positive = takes("a number of seconds above 0", 0.0)
    intervals: dict[str, Positive] = takes("seconds by table, such as { Hourly = 3600 }", {})
    time: FileTime = takes(_TIME)
    column: ListOf[Column] = takes("a list of tables, [[frame.column]]", ())
    footer: ListOf[Column] = takes("a list of tables, [[frame.footer]]", ())
    only: ListOf[Condition] = takes(CONDITION, ())
    refuse: ListOf[Condition] = takes(CONDITION, ())
    like: Any = takes("the name of an ASCII sheet", None)

    @cached_property
    def clock(self) -> Clock:
        """Raises ValueError for a wrong format."""
        return self.time.clock()

    @cached_property
    def separator(self) -> str | None:
        """None stands for blanks."""
        return SEPARATORS[self.separator_name or ("comma" if self.form == "toa5" else "tab")]

    @cached_property
    def missing(self) -> frozenset[str]:
        return frozenset(str(word).strip().lower() for word in self.missing_words)

    @cached_property
    def missing_numbers(self) -> frozenset[float]:
        """-999,9 in a file of decimal commas; there -999.9 stands for the same number."""
        comma = self.decimal == ","
        words = (word.replace(",", ".") if comma else word for word in self.missing)
        return frozenset(number for word in words if (number := _number(word)) is not None)

    @cached_property
    def comment(self) -> tuple[str, ...]:
        return tuple(filter(None, self.comments))

    @property
    def zone_known(self) -> bool:
        """Whether a time of this file is a time: an LI-8200 names its zone itself."""
        time = self.time
        in_text = time.formats is not None and all("%z" in text for text in time.formats)
        stated = time.utc_offset or time.zone or time.epoch
        return bool(stated) or self.form == "li8200" or in_text or not time.columns

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
    stated = frame.get("time", {})
    if time and isinstance(stated, Mapping):  # else `sheet_errors` says what it is
        frame["time"] = {**stated, **time}
    return replace(sheet, frame=frame)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _further_errors(frame: FileFrame, sheet: Sheet) -> Iterator[str]:
    """What single keys can't show, or the owner has not yet stated (see `completed`)."""
    if frame.decimal == "," and frame.separator_name == "comma":
        yield "frame.decimal and frame.separator can't both be a comma"
    if frame.form == "heard":
        yield from filter(None, [like_error(sheet)])
    else:
        yield from _column_errors(frame, sheet)
    yield from _time_errors(frame.time, frame.form)


_frame_of, sheet_errors = frame_reader(FileFrame, _further_errors)


@per_sheet
def read_layout(sheet: Sheet) -> FileFrame:
    """Raises Refused for a frame in which `sheet_errors` finds a wrong key or format."""
    frame = _frame_of(sheet)
    try:
        frame.clock  # noqa: B018 - made here once
    except ValueError as wrong:
        raise Refused("a sheet without errors", str(wrong), sheet.model) from None
    return frame


def _column_errors(frame: FileFrame, sheet: Sheet) -> Iterator[str]:
    rows = (*frame.column, *frame.footer)
    for row in rows:
        if row.mean and "interval_s" not in frame.model_fields_set:
            yield f"frame.interval_s is missing: column {row.name} is a mean over it"
    if not frame.column:
        yield "frame.column is missing: [[frame.column]] with name and output"
    named = {row.output for row in rows}
    for output in sorted(sheet.outputs.keys() - named):
        yield f"output {output} has no [[frame.column]]"
    for output in sorted(named - sheet.outputs.keys()):
        yield f"[[frame.column]] names output {output}, which the sheet does not have"


def _time_errors(time: FileTime, form: str) -> Iterator[str]:
    if time.elapsed is None and time.start is not None:
        yield "frame.time.start is the start of frame.time.elapsed, which is missing"
    if time.elapsed is not None and time.start is None and time.columns is None:
        yield (
            "frame.time.start is missing: elapsed time needs one, such as"
            ' start = "2026-04-01T12:00:00Z", or columns with the time of the row'
        )
    if time.columns is None:
        if time.elapsed is None:
            yield "frame.time.columns is missing: a list of column names, or numbers from 1"
    elif time.epoch is None:
        yield from _format_errors(time, form)
    elif time.zone is not None:
        yield "frame.time.zone is for formats: a count since 1970 has no zone"


def _format_errors(time: FileTime, form: str) -> Iterator[str]:
    formats = time.formats or ()
    if time.utc_offset is not None and time.zone is not None:
        yield "frame.time has utc_offset and zone: state one of them, the one the clock is set by"
    if not (time.utc_offset or time.zone or form == "li8200" or all("%z" in f for f in formats)):
        yield (
            'utc_offset is missing: this file says no zone; such as utc_offset = "+01:00",'
            ' or zone = "Europe/Berlin"'
        )
    if not formats:
        yield 'frame.time.formats is a list such as ["%Y-%m-%d %H:%M:%S"]; or say epoch = "s"'
    shapes: dict[str, tuple[str, ...]] = {}
    for text in formats:
        try:
            one = compile_format(text, time.date_order or "")
        except ValueError as wrong:
            yield f"frame.time: {wrong}"
            continue
        fields = set(one.fields)
        if shapes.setdefault(one.shape, one.fields) != one.fields:
            yield f"frame.time.formats are ambiguous: {text!r} looks like another; state one order"
        if not {"Y", "y"} & fields and time.year is None:
            yield "frame.time.year is missing: this file says none"
        if not ("j" in fields or ("d" in fields and {"m", "b"} & fields)):
            yield f"frame.time.formats: {text!r} says no day"


def like_error(sheet: Sheet) -> str:
    """What is wrong with frame.like; "" for a pushed ASCII sheet with its own times."""
    like = sheet.frame.get("like")
    try:
        source = load_sheet(like) if isinstance(like, str) else None
    except UnknownModel:
        source = None
    if source is None or source.engine != "ascii" or "time" not in source.frame:
        return f"frame.like names an ASCII sheet whose lines say their time, not {like!r}"
    return ""
