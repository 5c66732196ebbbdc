"""The [frame] table of a sheet, read once: what is asked or heard, and which records come."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from edaphon_drivers.ascii.checksums import CHECKSUMS
from edaphon_drivers.ascii.kinds import Kind, Wanted
from edaphon_drivers.ascii.layouts import (
    Elements,
    Fixed,
    Layout,
    Nothing,
    Pairs,
    Pattern,
    Separated,
)
from edaphon_drivers.ascii.numbers import code_number
from edaphon_drivers.ascii.times import OwnTime
from edaphon_drivers.ascii.troubles import KIND_KEYS, LAYOUT_KEYS, NAMED_SEPARATORS, sheet_troubles
from edaphon_drivers.faults import Refused
from edaphon_drivers.patterns import Expression, compiled
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import Output, Sheet

_LONGEST_LINE = 4096
_LONGEST_MATCHED = 1024  # a pattern may take thousands of steps for each character


@dataclass(frozen=True, slots=True)
class Identification:
    """Commands that make an instrument tell who it is, and the patterns of what it tells."""

    asks: tuple[str, ...]
    patterns: tuple[Expression, ...]
    vendor: str
    model: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What an instrument is sent and how its lines are read; `longest` is in bytes."""

    asks: tuple[str, ...]
    start: tuple[bytes, ...]
    end: bytes
    wait_s: float
    lines: int
    root: str
    header: str
    header_separator: str
    kinds: tuple[Kind, ...]
    ignores_others: bool
    longest: int
    identity: Identification | None

    @property
    def looked_for(self) -> str:
        """What a line must have, for a person; some kinds only where there are many."""
        kinds = [kind.looked_for for kind in self.kinds]
        more = ", ..." if len(kinds) > _MOST_TOLD else ""
        return f"one that {', or '.join(kinds[:_MOST_TOLD])}{more}"

    def are_columns(self, names: Collection[str]) -> bool:
        """False for a damaged header, which no checksum shows: one of its time's columns is not
        there, and another is unknown or there twice."""
        needed = {name for kind in self.kinds if kind.time for name in kind.time.names}
        known = {name for kind in self.kinds for name in kind.columns}
        is_known = known >= set(names) and len(set(names)) == len(names)
        return needed <= set(names) or is_known


_MOST_TOLD = 3

# Sheets hold dicts, so they can't be keys; holding the sheet keeps its id from being used again.
_known: dict[int, tuple[Sheet, Frame]] = {}
_MOST_KNOWN = 256


def frame_of(sheet: Sheet) -> Frame:
    """Raises Refused, with the first trouble in words, for a sheet that can't be used."""
    known = _known.get(id(sheet))
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[id(sheet)] = sheet, _read(sheet)
    return known[1]


def _read(sheet: Sheet) -> Frame:
    trouble = next(iter(sheet_troubles(sheet)), "")
    if trouble:
        raise Refused("a sheet without mistakes", trouble, sheet.model)
    table = sheet.frame
    shared = {key: table[key] for key in KIND_KEYS if key in table}
    rows = table.get("record") or [{}]
    kinds = tuple(_kind(_inherited(shared, row), sheet) for row in rows)
    matched = any(k.match or isinstance(k.layout, Pattern) for k in kinds)
    xml = table.get("xml") or next((row["xml"] for row in rows if "xml" in row), "")
    return Frame(
        asks=_strings(table.get("ask", ())),
        start=tuple(text.encode("latin-1") for text in _strings(table.get("start", ()))),
        end=str(table.get("end", "\n")).encode("latin-1"),
        wait_s=float(table.get("wait_s", 0)),
        lines=int(table.get("lines", 1)),
        root=xml.lower(),
        header=table.get("header", ""),
        header_separator=_separator(shared),
        kinds=kinds,
        ignores_others=table.get("others") == "ignore",
        longest=_LONGEST_MATCHED if matched and not xml else _LONGEST_LINE,
        identity=_identification(table.get("identity")),
    )


def _inherited(shared: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The record's own table over the frame's; a record with a layout of its own has that alone."""
    own_layout = any(key in row for key in LAYOUT_KEYS)
    kept = {k: v for k, v in shared.items() if not (own_layout and k in LAYOUT_KEYS)}
    return {**kept, **row}


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _separator(table: Mapping[str, Any]) -> str:
    said = str(table.get("separator", table.get("pairs", "")))
    return NAMED_SEPARATORS.get(said, said)


def _kind(table: Mapping[str, Any], sheet: Sheet) -> Kind:
    outputs = sheet.outputs
    wanted = tuple(_wanted(output, table) for output in outputs.values())
    layout = _layout(table, tuple(w.key for w in wanted))
    refused = any(table.get(key) for key in ("fault", "busy"))
    match = table.get("match")
    return Kind(
        begins=_strings(table.get("begins", ())),
        match=compiled(match, ignore_case=True) if match else None,
        word=not isinstance(layout, Fixed | Pattern),
        layout=Nothing() if refused else layout,
        checksum=CHECKSUMS[table["checksum"]] if "checksum" in table else None,
        wanted=wanted,
        states={k: _statuses(v) for k, v in table.get("states", {}).items()},
        status=tuple((outputs[k], Status(v)) for k, v in table.get("status", {}).items()),
        fault=table.get("fault", ""),
        busy=table.get("busy", ""),
        ignore=bool(table.get("ignore", False)),
        time=_time(table.get("time")),
        angles={name: (pair[0], pair[1]) for name, pair in table.get("angles", {}).items()},
        decimal=table.get("decimal", "."),
    )


def _statuses(table: Mapping[str, str]) -> dict[str, Status]:
    return {text: Status(said) for text, said in table.items()}


def _codes(table: Mapping[str, Any], output: str) -> dict[str, Status]:
    """Those of the whole line, and over them those of one output."""
    of_line = {text: said for text, said in table.items() if isinstance(said, str)}
    own = table.get(output)
    return _statuses({**of_line, **(own if isinstance(own, Mapping) else {})})


def _coded(codes: Mapping[str, Status], decimal: str) -> dict[float, Status]:
    numbers = {code_number(text, decimal): said for text, said in codes.items()}
    return {number: said for number, said in numbers.items() if number is not None}


def _wanted(output: Output, table: Mapping[str, Any]) -> Wanted:
    name = output.name
    key = str(table.get("fields", {}).get(name, name))
    units = dict(table.get("units", {}).get(name, {}))
    codes = _codes(table.get("codes", {}), name)
    return Wanted(
        output=output,
        key=key,
        words={text: float(v) for text, v in table.get("words", {}).get(name, {}).items()},
        codes=codes,
        coded=_coded(codes, table.get("decimal", ".")),
        multiply=float(table.get("multiply", {}).get(name, 1)),
        divide=float(table.get("divide", {}).get(name, 1)),
        unit_from=units.pop("from", ""),
        units={text: _exact(float(factor)) for text, factor in units.items()},
    )


def _exact(factor: float) -> tuple[float, float]:
    """(multiply, divide): a number / 1000 is rounded once, a number * 0.001 twice."""
    inverse = round(1 / factor) if abs(factor) < 1 else 0
    return (1.0, float(inverse)) if inverse and 1 / inverse == factor else (factor, 1.0)


def _layout(table: Mapping[str, Any], keys: tuple[str, ...]) -> Layout:
    if "pattern" in table:
        return Pattern(compiled(table["pattern"], whole=True))
    if "fixed" in table:
        places = {name: (place[0], place[1]) for name, place in table["fixed"].items()}
        return Fixed(places, _counts(table.get("length", ())))
    if "xml" in table:
        return Elements(table["xml"].lower())
    if "pairs" in table:
        return Pairs(_separator({"pairs": table["pairs"]}), table.get("suffix", {}))
    if "separator" in table:
        numbers = tuple({int(key) for key in keys if re.fullmatch("-?[0-9]{1,9}", key)})
        separator = _separator({"separator": table["separator"]})
        columns = tuple(table.get("columns", ()))
        return Separated(separator, columns, _counts(table.get("count", ())), numbers)
    return Nothing()


def _counts(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _time(table: Mapping[str, Any] | None) -> OwnTime | None:
    """None without a zone as well: such a time is nobody's."""
    if table is None:
        return None
    if "epoch" in table:
        return OwnTime(epoch=table["epoch"], nanoseconds=table.get("nanoseconds", ""))
    if "utc_offset" not in table:
        return None
    return OwnTime.written(tuple(table["fields"]), table["order"], table["utc_offset"])


def _identification(table: Mapping[str, Any] | None) -> Identification | None:
    if table is None:
        return None
    return Identification(
        asks=_strings(table["ask"]),
        patterns=tuple(compiled(p, lines=True) for p in _strings(table["patterns"])),
        vendor=table.get("vendor", ""),
        model=table.get("model", ""),
        wait_s=float(table.get("wait_s", 0)),
    )
