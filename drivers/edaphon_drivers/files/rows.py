"""Lines of a table to readings: a header makes a plan once, then each row is read by it."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

from edaphon_drivers.faults import Refused
from edaphon_drivers.files.clock import Condition
from edaphon_drivers.files.sheet import Column, FileFrame
from edaphon_drivers.readings import Reading, Status, reported, without_number
from edaphon_drivers.sheets import Output, Sheet, data_of

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_INSTANTS = {"", "smp"}
_SECOND_NS = 1_000_000_000
_OK, _new = Status.OK, tuple.__new__


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above rows: names; in a TOA5 also units, processing; keys and their values."""

    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    processing: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)


class NoRow(Exception):
    """A line is no row; the text says what was expected and what came."""


class _Cell(NamedTuple):
    """A planned cell: where it stands, what it is, over how long, and in which rows."""

    at: int
    output: Output
    support_ns: int
    tests: tuple[tuple[int, frozenset[str]], ...]
    valid: bool


class RowPlan(NamedTuple):
    """How the rows under one header are read.

    A row has `least` to `most` cells; both are 0 where only the rows themselves can say it: the
    columns have numbers. `used` is how many cells the columns need. There are no `cells` where the
    header says that no column counts.
    """

    time: tuple[int, ...]
    cells: tuple[_Cell, ...]
    only: tuple[tuple[int, frozenset[str]], ...]
    refuse: tuple[tuple[int, frozenset[str]], ...]
    elapsed: int | None
    elapsed_tests: tuple[tuple[int, frozenset[str]], ...]
    least: int
    most: int
    used: int


def cells_of(line: str, layout: FileFrame) -> list[str]:
    """The cells of a line without their quotes and blanks; none for a line that can't be parted."""
    if layout.separator is None:
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(layout.separator)]
    try:
        row = next(csv.reader((line,), delimiter=layout.separator, skipinitialspace=True), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in row]


def make_plan(header: Header, layout: FileFrame, sheet: Sheet) -> RowPlan | None:
    """None where the header has no time, or none of the sheet's columns.

    Raises Refused for a mean of unknown interval: without it the mean would pass for an instant.
    """
    names = header.names or layout.order
    places = {name: at for at, name in reversed(list(enumerate(names)))}
    time = [_place(column, places) for column in layout.clock.columns]
    known = {key: value for key, value in header.keys.items() if key not in places}
    if None in time or all(_place(column.name, places) is None for column in layout.column):
        return None
    cells = [
        cell for c in layout.column if (cell := _cell(c, places, known, header, layout, sheet))
    ]
    only, refuse = _tests(layout.only, places, known), _tests(layout.refuse, places, known)
    if only is None:  # the header says already that its rows are no records
        only, cells = (), []
    elapsed, elapsed_tests = _elapsed(layout, places, known)
    tested = [only, refuse or (), elapsed_tests, *(cell.tests for cell in cells)]
    used = [at for at in time if at is not None] + [cell.at for cell in cells]
    used += [at for tests in tested for at, _ in tests] + [elapsed or 0]
    return RowPlan(
        tuple(at for at in time if at is not None),
        tuple(cells),
        only,
        refuse or (),
        elapsed,
        elapsed_tests,
        *_widths(names, layout, max(used) + 1),
        max(used) + 1,
    )


def _widths(names: Sequence[str], layout: FileFrame, used: int) -> tuple[int, int]:
    """(fewest, most) cells of a row; 0 where neither names nor sheet say it.

    An .81x leaves empty cells at the end of its rows away.
    """
    covered = layout.order[: len(names)] == names
    most = max(layout.width, len(layout.order) if covered else len(names))
    least = used if layout.form == "li81x" else layout.width or len(names)
    return (max(least, used), max(most, used)) if most else (0, 0)


def fitted(cells: list[str], least: int, most: int) -> list[str]:
    """The cells of a row without empty ones beyond its width; raises NoRow for another width."""
    full = len(cells)
    while len(cells) > most and not cells[-1]:
        cells.pop()
    if len(cells) > most:
        hint = "a decimal comma, or the sheet needs width or order"
        raise NoRow(f"expected {_span(least, most)} cells, got {full}: {hint}")
    if len(cells) < least:
        raise NoRow(f"expected {_span(least, most)} cells, got {full}: the row is cut off")
    return cells


def _span(least: int, most: int) -> str:
    return f"{most}" if least >= most else f"{least} to {most}"


def readings_of(
    cells: Sequence[str], plan: RowPlan, layout: FileFrame, time_ns: int
) -> list[Reading]:
    readings = []
    for at, output, support_ns, tests, valid in plan.cells:
        if tests and any(cells[n] not in allowed for n, allowed in tests):
            continue
        text = cells[at] if valid else ""
        start_ns = time_ns - support_ns if support_ns else None
        readings.append(reading_of(output, text, layout, time_ns, start_ns))
    return readings


def is_line_of_names(cells: Sequence[str], plan: RowPlan, layout: FileFrame) -> bool:
    """Whether words stand where a row has its time and its numbers."""
    places = {*plan.time, *(cell.at for cell in plan.cells)}
    if len(cells) < plan.used:
        return False
    texts = [cells[at] for at in places]
    return all(_is_word(text) and text.lower() not in layout.missing for text in texts)


def is_above_rows(cells: Sequence[str], plan: RowPlan) -> bool:
    """Whether a whole line has no digit where a row has its time, and no number at its numbers."""
    if len(cells) < plan.used:
        return False
    times = "".join(cells[at] for at in plan.time)
    numbers = [cells[cell.at] for cell in plan.cells]
    return not any(c.isdigit() for c in times) and not any(map(_NUMBER.match, numbers))


def _is_word(text: str) -> bool:
    return any(c.isalpha() for c in text) and not _NUMBER.match(text)


def reading_of(
    output: Output, text: str, layout: FileFrame, time_ns: int, start_ns: int | None
) -> Reading:
    """A number as it is written, or the reason why there is none."""
    written = text
    if layout.decimal == ",":
        text = text.replace(",", ".") if "." not in text else ""
    if not _NUMBER.fullmatch(text) or not isfinite(number := float(text)):
        status = Status.FAILURE if written.lower() in layout.missing else Status.INVALID
        return without_number(output, status, time_ns)._replace(start_ns=start_ns)
    if number in layout.missing_numbers:
        return without_number(output, Status.FAILURE, time_ns)._replace(start_ns=start_ns)
    if output.failure or output.lowest is not None or output.highest is not None:
        return reported(output, number, time_ns)._replace(start_ns=start_ns)
    name, quantity, unit = output.name, output.quantity, output.unit
    # Each cell of ten years passes here; the named constructor takes twice the time.
    return _new(Reading, (name, quantity, number, unit, _OK, output.origin, time_ns, start_ns, 0))


def _place(column: str | int, places: Mapping[str, int]) -> int | None:
    return column - 1 if isinstance(column, int) else places.get(column)


def _cell(
    column: Column,
    places: Mapping[str, int],
    keys: Mapping[str, str],
    header: Header,
    layout: FileFrame,
    sheet: Sheet,
) -> _Cell | None:
    at = _place(column.name, places)
    tests = _tests((column.when,) if column.when else (), places, keys)
    if at is None or tests is None:
        return None
    output = sheet.outputs[column.output]
    processing = header.processing[at] if at < len(header.processing) else ""
    over = column.mean or processing.lower() not in _INSTANTS
    support_ns = _support_ns(column, header, layout, sheet) if over else 0
    unit = header.units[at] if at < len(header.units) else ""
    return _Cell(at, output, support_ns, tests, _suits(unit, output.unit))


def _elapsed(
    layout: FileFrame, places: Mapping[str, int], keys: Mapping[str, str]
) -> tuple[int | None, tuple[tuple[int, frozenset[str]], ...]]:
    """(where a time since a start stands, in which rows)."""
    column = layout.clock.elapsed
    if column is None:
        return None, ()
    at, tests = (
        _place(column.column, places),
        _tests((column.when,) if column.when else (), places, keys),
    )
    return (None, ()) if at is None or tests is None else (at, tests)


def _support_ns(column: Column, header: Header, layout: FileFrame, sheet: Sheet) -> int:
    table = header.keys.get("table", "")
    interval_s = (layout.intervals or {}).get(table, layout.interval_s)
    if not interval_s:
        where = f"table {table!r}, " if table else ""
        raise Refused(f"interval_s or intervals for {where}column {column.name}", sheet.model)
    return round(interval_s * _SECOND_NS)


def _tests(
    conditions: Sequence[Condition], places: Mapping[str, int], keys: Mapping[str, str]
) -> tuple[tuple[int, frozenset[str]], ...] | None:
    """What is left to ask of each row; None where the header already says no."""
    tests = []
    for condition in conditions:
        at = _place(condition.column, places)
        if at is not None:
            tests.append((at, condition.allowed))
        elif keys.get(str(condition.column)) not in condition.allowed:
            return None
    return tuple(tests)


_UNITS = data_of("files/units")
_CANONICAL = {word: unit for unit, words in _UNITS.items() for word in words}


def _suits(written: str, unit: str) -> bool:
    """False only where the file plainly says another unit than the sheet."""
    found = _CANONICAL.get(written.lower().replace(" ", ""))
    ours = {"mbar": "hPa", "m3/m3": "m**3/m**3"}.get(unit, unit)
    return found is None or ours not in _UNITS or found == ours
