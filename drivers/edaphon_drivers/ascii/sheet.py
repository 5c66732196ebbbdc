"""The [frame] table of an ASCII sheet: what is wrong in it, and what it means, read once."""

import difflib
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edaphon_drivers.ascii.lines import (
    Elements,
    Fixed,
    Kind,
    Layout,
    Nothing,
    OwnTime,
    Pairs,
    Pattern,
    Separated,
    Wanted,
    code_number,
    offset_s,
    order_trouble,
)
from edaphon_drivers.checksums import CHECKSUMS
from edaphon_drivers.faults import Refused
from edaphon_drivers.patterns import Expression, WrongPattern, compiled
from edaphon_drivers.readings import Status
from edaphon_drivers.sheet_tables import written
from edaphon_drivers.sheets import Output, Sheet

_MOST_RECORDS = 100
_MOST_IDENTITY_PATTERNS = 20
_MOST_STEPS = 10_000  # of all patterns; 64 KiB of lines then take seconds
NAMED_SEPARATORS = {"blanks": "", "comma": ",", "semicolon": ";", "tab": "\t"}

Test = Callable[[Any], str]


def _is(what: str, *kinds: type) -> Test:
    def test(value: Any) -> str:
        right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        return "" if right else f"is {what}, not {written(value)}"

    return test


def _command(value: Any) -> str:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts):
        return f"is what is sent, with its line end, or a list of such texts, not {written(value)}"
    if not all(ord(c) < 256 for text in texts for c in text):
        return "has a character that no serial line can send"
    if trouble := _spelt_out(texts):
        return trouble
    wrong = {name for text in texts for name in re.findall(r"\{(\w*)\}", text)} - {"address"}
    return f"has only the place {{address}}, not {{{wrong.pop()}}}" if wrong else ""


def _spelt_out(texts: list[str]) -> str:
    """A control character written as letters, which would be sent as these letters."""
    for text in texts:
        if named := re.search(r"<(?:CR|LF|CRLF|CR/LF|CR,LF|ESC|TAB)>", text, re.IGNORECASE):
            return f"has {named[0]} as letters; write \\r for CR, \\n for LF, \\t, \\u001b for ESC"
        if re.search(r"\\[rnt]", text):
            return "has a backslash as a letter; \\r and \\n need double quotes around the text"
    return ""


def _end(value: Any) -> str:
    if isinstance(value, str) and (trouble := _spelt_out([value])):
        return trouble
    if isinstance(value, str) and 0 < len(value) <= 4 and value.isascii():
        return ""
    return f'is the end of a line, such as "\\r\\n", not {written(value)}'


def _words(value: Any) -> str:
    texts = [value] if isinstance(value, str) else value
    right = isinstance(texts, list) and texts and all(isinstance(t, str) and t for t in texts)
    return "" if right else f"is a text or a list of texts, not {written(value)}"


def _columns(value: Any) -> str:
    trouble = _words(value)
    if trouble or isinstance(value, str):
        return trouble or "is a list of names"
    named = [name for name in value if name != "-"]
    twice = {name for name in named if named.count(name) > 1}
    return f"has {twice.pop()!r} twice" if twice else ""


def _counts(value: Any) -> str:
    numbers = [value] if isinstance(value, int) else value
    right = isinstance(numbers, list) and numbers
    if right and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in numbers):
        return ""
    return f"is a number from 1 on or a list of such, not {written(value)}"


def _count(value: Any) -> str:
    return (
        f"is a number from 1 on, not {written(value)}"
        if isinstance(value, list)
        else _counts(value)
    )


def _seconds(value: Any) -> str:
    right = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 300
    return "" if right else f"is the seconds to wait for an answer, up to 300, not {written(value)}"


def _one_of(*known: str) -> Test:
    def test(value: Any) -> str:
        return "" if value in known else f"is one of {', '.join(known)}, not {written(value)}"

    return test


def _record_tables(value: Any) -> str:
    if not isinstance(value, list):
        return f"is a list of tables [[frame.record]], not {written(value)}"
    if len(value) > _MOST_RECORDS:
        return f"has {len(value)} tables, at most {_MOST_RECORDS} can be used; write a second sheet"
    return ""


def _identity_patterns(value: Any) -> str:
    if (trouble := _words(value)) or len(_texts(value)) <= _MOST_IDENTITY_PATTERNS:
        return trouble
    return (
        f"has {len(value)} patterns, at most {_MOST_IDENTITY_PATTERNS} can be used; join some by |"
    )


def _expression(**how: bool) -> Test:
    def test(value: Any) -> str:
        if not isinstance(value, str):
            return f"is a pattern, not {written(value)}"
        try:
            compiled(value, **how)
        except WrongPattern as wrong:
            return str(wrong)
        return ""

    return test


def _separator(value: Any) -> str:
    if isinstance(value, str) and (value in NAMED_SEPARATORS or 0 < len(value) <= 3):
        return ""
    return f"is {', '.join(NAMED_SEPARATORS)} or the characters themselves, not {written(value)}"


def _places(value: Any) -> str:
    def right(place: Any) -> bool:
        whole = isinstance(place, list) and len(place) == 2
        return whole and all(isinstance(n, int) and not isinstance(n, bool) and n for n in place)

    if isinstance(value, dict) and value and all(map(right, value.values())):
        return ""
    return (
        f"names the first and last character of each text, {{co2 = [16, 20]}}, not {written(value)}"
    )


def _table_of(what: str, *kinds: type) -> Test:
    def test(value: Any) -> str:
        if isinstance(value, dict) and all(isinstance(v, kinds) for v in value.values()):
            return ""
        return f"is a table {what}, not {written(value)}"

    return test


def _factors(value: Any) -> str:
    if isinstance(value, dict) and all(_is_number(v) and v for v in value.values()):
        return ""
    return f"is a table {{output = number}} without 0, not {written(value)}"


def _statuses(value: Any) -> str:
    """Of texts without a number, of which none can be ok."""
    return _said(value, tuple(status for status in Status if status is not Status.OK))


def _said(value: Any, known: tuple[Status, ...]) -> str:
    if not isinstance(value, Mapping):
        return f'is a table, such as {{ "OVER" = "over range" }}, not {written(value)}'
    wrong = [v for v in value.values() if v not in known]
    return f"has the status {written(wrong[0])}; known are {', '.join(known)}" if wrong else ""


def _codes(value: Any) -> str:
    """Words of the whole line, and tables of one output's own."""
    right = '{ "OVER" = "over range" } or { vwc = { "-9.999" = "not connected" } }'
    if not isinstance(value, Mapping):
        return f"is a table, {right}, not {written(value)}"
    own = {name: codes for name, codes in value.items() if isinstance(codes, Mapping)}
    for name, codes in own.items():
        if re.fullmatch(r"[+-]?\d+", name):
            return f'has {written({name: codes})}: a number with a point needs quotes, "-9.999"'
        if trouble := _statuses(codes):
            return f"of {name} {trouble}"
    return _statuses({text: said for text, said in value.items() if text not in own})


def _states(value: Any) -> str:
    tables = value.values() if isinstance(value, Mapping) else [None]
    if not all(isinstance(table, Mapping) for table in tables):
        return f'is a table, such as {{ state = {{ OK = "ok" }} }}, not {written(value)}'
    for name, table in value.items():
        if trouble := _said(table, tuple(Status)):
            return f"of {name} {trouble}"
        if Status.OK not in table.values():
            well = f'{name} = {{ OK = "ok" }}'
            return f"of {name} has no word that says that all is well; which one? {well}"
    return ""


def _nested_tables(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()):
        return ""
    return f"is a table for each output, not {written(value)}"


def _nested_numbers(value: Any) -> str:
    trouble = _nested_tables(value)
    if trouble:
        return trouble
    wrong = [n for table in value.values() for n in table.values() if not _is_number(n)]
    return f"gives each text a number, not {written(wrong[0])}" if wrong else ""


def _is_number(value: Any) -> bool:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return right and abs(value) <= sys.float_info.max


def _units(value: Any) -> str:
    trouble = _nested_tables(value)
    if trouble:
        return trouble
    for name, table in value.items():
        factors = [v for k, v in table.items() if k != "from"]
        if not isinstance(table.get("from"), str) or not factors:
            return f'of {name} is a table {{from = "unit", g = 1, kg = 1000}}, not {written(table)}'
        if not all(_is_number(v) and v for v in factors):
            return f"of {name} has a factor that is no number or 0: {written(table)}"
    return ""


def _time(value: Any) -> str:
    if not isinstance(value, dict):
        return f"is a table, not {written(value)}"
    wrong = value.keys() - {"epoch", "nanoseconds", "fields", "order", "utc_offset"}
    if wrong:
        return f"does not know {sorted(wrong)[0]!r}"
    if "epoch" in value:
        right = all(isinstance(value.get(k, ""), str) for k in ("epoch", "nanoseconds"))
        return "" if right else f"has the names of the fields, not {written(value)}"
    if _words(value.get("fields")) or not isinstance(value.get("order"), str):
        return 'needs epoch = "FIELD", or fields = [...] and order = "YYYY-MM-DD hh:mm:ss"'
    trouble = order_trouble(value["order"])
    if trouble:
        return f"has an order of {trouble}"
    if "utc_offset" in value and offset_s(str(value["utc_offset"])) is None:
        return f'has a utc_offset like "+01:00", not {written(value["utc_offset"])}'
    return ""


def _angles(value: Any) -> str:
    right = isinstance(value, dict) and all(
        isinstance(v, list) and len(v) == 2 and not _words(v) for v in value.values()
    )
    return "" if right else f'is a table {{latitude = ["lat", "ns"]}}, not {written(value)}'


LAYOUT_KEYS: dict[str, Test] = {
    "pattern": _expression(whole=True),
    "separator": _separator,
    "fixed": _places,
    "xml": _is("the name of the root element", str),
    "pairs": _separator,
}
KIND_KEYS: dict[str, Test] = {
    **LAYOUT_KEYS,
    "begins": _words,
    "match": _expression(ignore_case=True),
    "columns": _columns,
    "count": _counts,
    "length": _counts,
    "suffix": _table_of("{key = letter}", str),
    "fields": _table_of("{output = name or number}", str, int),
    "states": _states,
    "status": _statuses,
    "fault": _is("what is wrong then, in words", str),
    "busy": _is("what keeps it busy, in words", str),
    "ignore": _is("true or false", bool),
    "time": _time,
    "angles": _angles,
    "words": _nested_numbers,
    "units": _units,
    "codes": _codes,
    "multiply": _factors,
    "divide": _factors,
    "decimal": _one_of(".", ","),
    "checksum": _one_of(*CHECKSUMS),
}
_FRAME_KEYS: dict[str, Test] = {
    **KIND_KEYS,
    "ask": _command,
    "heard": _is("true or false", bool),
    "start": _command,
    "end": _end,
    "wait_s": _seconds,
    "lines": _count,
    "others": _one_of("ignore", "refuse"),
    "header": _is("what the line with the names of the columns begins with", str),
    "record": _record_tables,
    "identity": _is("a table [frame.identity]", dict),
}
_IDENTITY_KEYS: dict[str, Test] = {
    "ask": _command,
    "patterns": _identity_patterns,
    "vendor": _is("a text", str),
    "model": _is("a text", str),
    "wait_s": _seconds,
}


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """Nothing for a sheet that can be used."""
    frame = sheet.frame
    if not sheet.outputs:
        yield "a sheet needs at least one [[output]] with name, quantity and unit"
    found = [*_keys("frame", frame, _FRAME_KEYS)]
    for n, row in enumerate(_records(frame), 1):
        found += _keys(f"frame.record {n}", row, KIND_KEYS)
    found += _identity(frame)
    yield from found
    if not found:
        yield from _whole(frame)
        yield from _reached(sheet)
        yield from _coded(sheet)
        yield from _costly(frame)


def _records(frame: Mapping[str, Any]) -> list[Any]:
    rows = frame.get("record", [])
    return rows if isinstance(rows, list) else []


def _keys(where: str, table: Any, known: Mapping[str, Test]) -> Iterator[str]:
    if not isinstance(table, Mapping):
        yield f"{where} is a table, not {written(table)}"
        return
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            yield f"{where} does not know {key!r}{hint}"
        elif trouble := known[key](value):
            yield f"{where}.{key} {trouble}"


def _identity(frame: Mapping[str, Any]) -> Iterator[str]:
    table = frame.get("identity")
    if not isinstance(table, dict):
        return
    yield from _keys("frame.identity", table, _IDENTITY_KEYS)
    for key in ("ask", "patterns"):
        if key not in table:
            yield f"frame.identity needs {key}"
    for pattern in _texts(table.get("patterns", [])):
        if trouble := _expression(lines=True)(pattern):
            yield f"frame.identity.patterns {trouble}"


def _whole(frame: Mapping[str, Any]) -> Iterator[str]:
    """What single keys can't show."""
    if "ask" not in frame and not frame.get("heard"):
        yield 'frame needs ask = "..." for an instrument that is asked, or heard = true'
    rows = _records(frame) or [frame]
    for n, row in enumerate(rows, 1):
        where = f"frame.record {n}" if "record" in frame else "frame"
        layouts = [key for key in LAYOUT_KEYS if key in row] or [
            k for k in LAYOUT_KEYS if k in frame
        ]
        quiet = any(key in row for key in ("ignore", "fault", "busy", "status"))
        if len(layouts) > 1:
            yield f"{where} has one of {' and '.join(layouts)}, not both"
        if not layouts and not quiet:
            yield f"{where} needs one of {', '.join(LAYOUT_KEYS)} to find the values with"
        for key, layout in (("columns", "separator"), ("suffix", "pairs"), ("length", "fixed")):
            if key in row and layout not in layouts:
                yield f"{where}.{key} goes with {layout}"
    if len(_records(frame)) > 1 and not all("begins" in r or "match" in r for r in rows[:-1]):
        yield "frame.record: all but the last need begins or match to be told apart"


def _reached(sheet: Sheet) -> Iterator[str]:
    """Outputs that no record can give, and names that are no output."""
    rows = [{**sheet.frame, **row} for row in _records(sheet.frame) or [{}]]
    for name in sheet.outputs:
        if not any(_gives(row, name) for row in rows):
            yield (
                f"output {name}: no column, group or element has that name; name it so or say"
                f" frame.fields = {{{name} = ...}}"
            )
    for key in ("fields", "multiply", "divide", "units", "words", "status"):
        for row in rows:
            for name in row.get(key, {}):
                if name not in sheet.outputs:
                    yield f"frame.{key}: {name!r} is no [[output]] of this sheet"
                    return


def _coded(sheet: Sheet) -> Iterator[str]:
    """Codes of no output, and numbers for the whole line that another column may well say."""
    rows = [sheet.frame, *({**sheet.frame, **row} for row in _records(sheet.frame))]
    told: set[str] = set()
    for row in rows:
        told |= set(_codes_of(row, sheet))
    yield from sorted(told)


def _codes_of(row: Mapping[str, Any], sheet: Sheet) -> Iterator[str]:
    for code, said in row.get("codes", {}).items():
        if isinstance(said, Mapping):
            if code not in sheet.outputs:
                yield f"frame.codes: {code!r} is no [[output]] of this sheet"
        elif len(sheet.outputs) > 1 and code_number(code, row.get("decimal", ".")) is not None:
            name = next(iter(sheet.outputs))
            yield (
                f'frame.codes: "{code}" is a number, which another output may well report; say of'
                f' which output, {name} = {{ "{code}" = "{said}" }}'
            )


def _costly(frame: Mapping[str, Any]) -> Iterator[str]:
    """Patterns that are each allowed and together take too long for a line."""
    rows = [frame, *_records(frame)]
    steps = sum(compiled(row["match"], ignore_case=True).steps for row in rows if "match" in row)
    steps += sum(compiled(row["pattern"], whole=True).steps for row in rows if "pattern" in row)
    identity = _texts(frame.get("identity", {}).get("patterns", []))
    steps += sum(compiled(pattern, lines=True).steps for pattern in identity)
    if steps > _MOST_STEPS:
        yield (
            f"frame: its patterns together take {steps} steps for each character of a line, at most"
            f" {_MOST_STEPS} can be used; write smaller numbers in {{}}, or a second sheet"
        )


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _gives(row: Mapping[str, Any], name: str) -> bool:
    key = row.get("fields", {}).get(name, name)
    if name in row.get("angles", {}) or name in row.get("status", {}):
        return True
    if isinstance(key, int):
        return "separator" in row and key != 0
    if "pattern" in row:
        return key in compiled(row["pattern"], whole=True).names
    if "fixed" in row:
        return key in row["fixed"]
    if "columns" in row:
        return key in row["columns"]
    return "xml" in row or "pairs" in row or "header" in row


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
    trouble = next(iter(sheet_errors(sheet)), "")
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
        header_separator=_separator_of(shared),
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


def _separator_of(table: Mapping[str, Any]) -> str:
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
        states={k: _statuses_of(v) for k, v in table.get("states", {}).items()},
        status=tuple((outputs[k], Status(v)) for k, v in table.get("status", {}).items()),
        fault=table.get("fault", ""),
        busy=table.get("busy", ""),
        ignore=bool(table.get("ignore", False)),
        time=_own_time(table.get("time")),
        angles={name: (pair[0], pair[1]) for name, pair in table.get("angles", {}).items()},
        decimal=table.get("decimal", "."),
    )


def _statuses_of(table: Mapping[str, str]) -> dict[str, Status]:
    return {text: Status(said) for text, said in table.items()}


def _codes_for(table: Mapping[str, Any], output: str) -> dict[str, Status]:
    """Those of the whole line, and over them those of one output."""
    of_line = {text: said for text, said in table.items() if isinstance(said, str)}
    own = table.get(output)
    return _statuses_of({**of_line, **(own if isinstance(own, Mapping) else {})})


def _coded_numbers(codes: Mapping[str, Status], decimal: str) -> dict[float, Status]:
    numbers = {code_number(text, decimal): said for text, said in codes.items()}
    return {number: said for number, said in numbers.items() if number is not None}


def _wanted(output: Output, table: Mapping[str, Any]) -> Wanted:
    name = output.name
    key = str(table.get("fields", {}).get(name, name))
    units = dict(table.get("units", {}).get(name, {}))
    codes = _codes_for(table.get("codes", {}), name)
    return Wanted(
        output=output,
        key=key,
        words={text: float(v) for text, v in table.get("words", {}).get(name, {}).items()},
        codes=codes,
        coded=_coded_numbers(codes, table.get("decimal", ".")),
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
        return Fixed(places, _counts_of(table.get("length", ())))
    if "xml" in table:
        return Elements(table["xml"].lower())
    if "pairs" in table:
        return Pairs(_separator_of({"pairs": table["pairs"]}), table.get("suffix", {}))
    if "separator" in table:
        numbers = tuple({int(key) for key in keys if re.fullmatch("-?[0-9]{1,9}", key)})
        separator = _separator_of({"separator": table["separator"]})
        columns = tuple(table.get("columns", ()))
        return Separated(separator, columns, _counts_of(table.get("count", ())), numbers)
    return Nothing()


def _counts_of(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _own_time(table: Mapping[str, Any] | None) -> OwnTime | None:
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
