"""The table of a file's form in its sheet: columns, words for missing numbers, time, interval.

    [frame]
    form = "table"                  or toa5, li81x, li8200, heard (see heard.py)
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

frame.time may also say (rules: dating.py):

    zone = "Europe/Berlin"          instead of utc_offset: the clock is set to summer time
    year = 2026                     of the first row, where the file says no year
    spread = { rows = 2, within_s = 1 }             rows to a stamp, spread evenly in their order
    elapsed = { column = "Input E", unit = "s", within_s = 60, when = .. }   time since a start,
    start = "2026-04-01T12:00:00Z"                  which is this, or the first stamp of a run

`when = { column = "Probe Type", is = ["08"] }` keeps a column to those rows; the column may also be
a key of the file's header (Port#, table).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from edaphon_drivers.faults import Refused
from edaphon_drivers.files.clock import EPOCHS, Clock, Elapsed, Spread, compile_format, offset_s
from edaphon_drivers.files.clock import Condition as Condition
from edaphon_drivers.rfc3339 import rfc3339_ns
from edaphon_drivers.sheets import Sheet

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
    """Raises Refused for a frame that `sheet_troubles` complains about."""
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
