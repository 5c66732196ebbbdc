"""What is wrong in a sheet of this engine, in words for the person who wrote it."""

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edaphon_drivers.ascii.checksums import CHECKSUMS
from edaphon_drivers.ascii.numbers import code_number
from edaphon_drivers.ascii.times import offset_s, order_trouble
from edaphon_drivers.patterns import WrongPattern, compiled
from edaphon_drivers.readings import Status
from edaphon_drivers.sheet_tables import written
from edaphon_drivers.sheets import Sheet

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


def sheet_troubles(sheet: Sheet) -> Iterator[str]:
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
