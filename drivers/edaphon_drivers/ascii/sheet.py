"""The [frame] table of an ASCII sheet, read once: what is sent, and which records come."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from edaphon_drivers.ascii.lines import (
    Elements,
    Fixed,
    Kind,
    LineLayout,
    Nothing,
    OwnTime,
    Pairs,
    Pattern,
    Separated,
    Wanted,
    code_number,
    offset_s,
    order_error,
)
from edaphon_drivers.checksums import CHECKSUMS
from edaphon_drivers.patterns import Expression, compiled
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import (
    ListOf,
    Output,
    Sheet,
    Table,
    Texts,
    frame_reader,
    listed,
    per_sheet,
    refuse,
    takes,
    that,
    written,
)

_LONGEST_LINE = 4096
_LONGEST_MATCHED = 1024  # a pattern may take thousands of steps for each character
_MOST_STEPS = 10_000  # of all patterns; 64 KiB of lines then take seconds
_MOST_RECORDS, _MOST_IDENTITY_PATTERNS = 100, 20
_SEPARATORS = {"blanks": "", "comma": ",", "semicolon": ";", "tab": "\t"}
_LAYOUTS = ("pattern", "separator", "fixed", "xml", "pairs")


def _spelt_out(texts: tuple[str, ...] | str) -> tuple[str, ...] | str:
    """Refuses a control character written as letters, which would be sent as these letters."""
    for text in (texts,) if isinstance(texts, str) else texts:
        if named := re.search(r"<(?:CR|LF|CRLF|CR/LF|CR,LF|ESC|TAB)>", text, re.IGNORECASE):
            raise ValueError(
                f"has {named[0]} as letters; write \\r for CR, \\n for LF, \\t, \\u001b for ESC"
            )
        if re.search(r"\\[rnt]", text):
            raise ValueError(
                "has a backslash as a letter; \\r and \\n need double quotes around the text"
            )
    return texts


def _sendable(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not all(ord(c) < 256 for text in texts for c in text):
        raise ValueError("has a character that no serial line can send")
    wrong = {name for text in texts for name in re.findall(r"\{(\w*)\}", text)} - {"address"}
    if wrong:
        raise ValueError(f"has only the place {{address}}, not {{{wrong.pop()}}}")
    return texts


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    named = [name for name in names if name != "-"]
    if twice := {name for name in named if named.count(name) > 1}:
        raise ValueError(f"has {twice.pop()!r} twice")
    return names


def _at_most(most: int, what: str, value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) > most:
        raise ValueError(f"has {len(value)} {what}, at most {most} can be used")
    return value


def _status(known: tuple[Status, ...], value: Any) -> Status:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"has the status {written(value)}; known are {', '.join(known)}")
    return Status(value)


def _codes(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Words of the whole line, and tables of one output's own."""
    for name, codes in value.items():
        if isinstance(codes, Mapping) and re.fullmatch(r"[+-]?\d+", name):
            shown = written({name: codes})
            raise ValueError(f'has {shown}: a number with a point needs quotes, "-9.999"')
        for status in codes.values() if isinstance(codes, Mapping) else (codes,):
            try:
                _status(_WITHOUT_NUMBER, status)
            except ValueError as wrong:
                raise ValueError(
                    f"of {name} {wrong}" if isinstance(codes, Mapping) else str(wrong)
                ) from None
    return value


def _states(value: Mapping[str, Mapping[str, Status]]) -> Mapping[str, Mapping[str, Status]]:
    for name, table in value.items():
        if Status.OK not in table.values():
            well = f'{name} = {{ OK = "ok" }}'
            raise ValueError(f"of {name} has no word that says that all is well; which one? {well}")
    return value


def _units(value: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    for name, table in value.items():
        if len(table) < 2 or not isinstance(table.get("from"), str):
            raise ValueError(
                f'of {name} is a table {{from = "unit", g = 1, kg = 1000}}, not {written(table)}'
            )
        if not all(key == "from" or (isinstance(v, int | float) and v) for key, v in table.items()):
            raise ValueError(f"of {name} has a factor that is no number or 0: {written(table)}")
    return value


def _pattern(**how: bool) -> AfterValidator:
    def check(text: str) -> str:
        compiled(text, **how)
        return text

    return AfterValidator(check)


_WITHOUT_NUMBER = tuple(status for status in Status if status is not Status.OK)
_NoNumber = Annotated[Status, BeforeValidator(partial(_status, _WITHOUT_NUMBER))]
_AnyStatus = Annotated[Status, BeforeValidator(partial(_status, tuple(Status)))]
_Command = Annotated[Texts, AfterValidator(_spelt_out), AfterValidator(_sendable)]
_Separator = Annotated[str, that(lambda text: text in _SEPARATORS or 0 < len(text) <= 3)]
_Counts = Annotated[ListOf[Annotated[int, Field(gt=0)]], that(bool), BeforeValidator(listed)]
_Factor = Annotated[float, that(bool)]
_Place = Annotated[tuple[int, int], Strict(False), that(all)]
_Pair = Annotated[tuple[str, str], Strict(False), that(all)]
_WholePattern = Annotated[str, _pattern(whole=True)]

_SENT = "what is sent, with its line end, or a list of such texts"
_WORDS = "a text or a list of texts"
_NUMBERS = "a number from 1 on or a list of such"
_SEPARATOR = f"{', '.join(_SEPARATORS)} or the characters themselves"
_WAIT = "the seconds to wait for an answer, up to 300"
_FACTORS = "a table {output = number} without 0"
_CODES = 'a table, { "OVER" = "over range" } or { vwc = { "-9.999" = "not connected" } }'


class TimeTable(Table):
    """`time` of a record: the instrument's own clock."""

    epoch: str = takes("the name of a field", "")
    nanoseconds: str = takes("the name of a field", "")
    fields: Texts = takes(_WORDS, ())
    order: str = takes('an order such as "YYYY-MM-DD hh:mm:ss"', "")
    utc_offset: Annotated[str, that(lambda text: offset_s(text) is not None)] | None = takes(
        'an offset like "+01:00"', None
    )

    @model_validator(mode="after")
    def _whole(self) -> "TimeTable":
        if "epoch" in self.model_fields_set:
            return self
        if not self.fields or not self.order:
            raise ValueError(
                'needs epoch = "FIELD", or fields = [...] and order = "YYYY-MM-DD hh:mm:ss"'
            )
        if wrong := order_error(self.order):
            raise ValueError(f"has an order of {wrong}")
        return self

    def own_time(self) -> OwnTime | None:
        """None without a zone as well: such a time is nobody's."""
        if "epoch" in self.model_fields_set:
            return OwnTime(epoch=self.epoch, nanoseconds=self.nanoseconds)
        if self.utc_offset is None:
            return None
        return OwnTime.written(self.fields, self.order, self.utc_offset)


class KindTable(Table):
    """A record that an instrument sends; the frame itself where it sends but one kind."""

    pattern: _WholePattern | None = takes("a pattern", None)
    separator: _Separator | None = takes(_SEPARATOR, None)
    fixed: Annotated[dict[str, _Place], that(bool)] | None = takes(
        "the first and last character of each text, {co2 = [16, 20]}", None
    )
    xml: str | None = takes("the name of the root element", None)
    pairs: _Separator | None = takes(_SEPARATOR, None)
    begins: Annotated[Texts, that(bool)] = takes(_WORDS, ())
    match: Annotated[str, _pattern(ignore_case=True)] | None = takes("a pattern", None)
    columns: Annotated[
        ListOf[Annotated[str, Field(min_length=1)]], that(bool), AfterValidator(_once)
    ] = takes("a list of names", ())
    count: _Counts = takes(_NUMBERS, ())
    length: _Counts = takes(_NUMBERS, ())
    suffix: dict[str, str] = takes("a table {key = letter}", {})
    fields: dict[str, str | int] = takes("a table {output = name or number}", {})
    states: Annotated[dict[str, dict[str, _AnyStatus]], AfterValidator(_states)] = takes(
        'a table, such as { state = { OK = "ok" } }', {}
    )
    status: dict[str, _NoNumber] = takes('a table, such as { "OVER" = "over range" }', {})
    fault: str = takes("what is wrong then, in words", "")
    busy: str = takes("what keeps it busy, in words", "")
    ignore: bool = takes("true or false", False)
    time: TimeTable | None = takes("a table", None)
    angles: dict[str, _Pair] = takes('a table {latitude = ["lat", "ns"]}', {})
    words: dict[str, dict[str, float]] = takes(
        "a table for each output, which gives each text a number", {}
    )
    units: Annotated[dict[str, dict[str, Any]], AfterValidator(_units)] = takes(
        "a table for each output", {}
    )
    codes: Annotated[dict[str, Any], AfterValidator(_codes)] = takes(_CODES, {})
    multiply: dict[str, _Factor] = takes(_FACTORS, {})
    divide: dict[str, _Factor] = takes(_FACTORS, {})
    decimal: Literal[".", ","] = takes('"." or ","', ".")
    checksum: Annotated[str, that(CHECKSUMS.__contains__)] | None = takes(
        f"one of {', '.join(CHECKSUMS)}", None
    )

    @property
    def layouts(self) -> list[str]:
        return [key for key in _LAYOUTS if key in self.model_fields_set]

    @property
    def steps(self) -> int:
        """What its patterns take for each character of a line."""
        steps = compiled(self.match, ignore_case=True).steps if self.match else 0
        return steps + (compiled(self.pattern, whole=True).steps if self.pattern else 0)

    def gives(self, name: str, headed: bool) -> bool:
        """Whether such a record has the output of that name."""
        key = self.fields.get(name, name)
        if name in self.angles or name in self.status:
            return True
        if isinstance(key, int):
            return self.separator is not None and key != 0
        if self.pattern is not None:
            return key in compiled(self.pattern, whole=True).names
        if self.fixed is not None:
            return key in self.fixed
        if self.columns:
            return key in self.columns
        return self.xml is not None or self.pairs is not None or headed


class IdentityTable(Table):
    """[frame.identity]: commands that make an instrument say who it is, and what is found there."""

    ask: _Command = takes(_SENT)
    patterns: Annotated[
        ListOf[Annotated[str, Field(min_length=1), _pattern(lines=True)]],
        that(bool),
        BeforeValidator(listed),
        BeforeValidator(partial(_at_most, _MOST_IDENTITY_PATTERNS, "patterns")),
    ] = takes(_WORDS)
    vendor: str = takes("a text", "")
    model: str = takes("a text", "")
    wait_s: float = takes(_WAIT, 0.0, gt=0, le=300)

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(compiled(pattern, lines=True) for pattern in self.patterns)


class AsciiTable(KindTable):
    """[frame] of an ASCII sheet."""

    ask: _Command = takes(_SENT, ())
    sends_by_itself: bool = takes("true or false", False, alias="heard")
    start: _Command = takes(_SENT, ())
    end: Annotated[
        str, AfterValidator(_spelt_out), that(lambda text: 0 < len(text) <= 4 and text.isascii())
    ] = takes('the end of a line, such as "\\r\\n"', "\n")
    wait_s: float = takes(_WAIT, 0.0, gt=0, le=300)
    lines: int = takes("a number from 1 on", 1, ge=1)
    others: Literal["ignore", "refuse"] = takes("one of ignore, refuse", "refuse")
    header: str = takes("what the line with the names of the columns begins with", "")
    record: Annotated[
        ListOf[KindTable], BeforeValidator(partial(_at_most, _MOST_RECORDS, "tables"))
    ] = takes("a list of tables [[frame.record]]", ())
    identity: IdentityTable | None = takes("a table [frame.identity]", None)

    def kinds(self) -> tuple[KindTable, ...]:
        """The records, each with what the frame says for all of them.

        A record with a layout of its own has that alone.
        """
        shared, kinds = _given(self), []
        for row in self.record or (KindTable.model_construct(),):
            kept = {k: v for k, v in shared.items() if not (row.layouts and k in _LAYOUTS)}
            kinds.append(KindTable.model_construct(**{**kept, **_given(row)}))
        return tuple(kinds)


def _given(table: KindTable) -> dict[str, Any]:
    own = table.model_fields_set & KindTable.model_fields.keys()
    return {key: value for key, value in table if key in own}


@dataclass(frozen=True, slots=True)
class AsciiFrame:
    """What an instrument is sent and how its lines are read; `longest` is in bytes."""

    table: AsciiTable
    kinds: tuple[Kind, ...]
    start: tuple[bytes, ...]
    end: bytes
    root: str
    header_separator: str
    longest: int

    @property
    def looked_for(self) -> str:
        """What a line must have, for a person; some kinds only where there are many."""
        kinds = [kind.looked_for for kind in self.kinds]
        more = ", ..." if len(kinds) > _MOST_SHOWN else ""
        return f"one that {', or '.join(kinds[:_MOST_SHOWN])}{more}"

    def are_columns(self, names: Collection[str]) -> bool:
        """False for a damaged header, which no checksum shows: one of its time's columns is not
        there, and another is unknown or there twice."""
        needed = {name for kind in self.kinds if kind.time for name in kind.time.names}
        known = {name for kind in self.kinds for name in kind.columns}
        is_known = known >= set(names) and len(set(names)) == len(names)
        return needed <= set(names) or is_known


_MOST_SHOWN = 3


def _further_errors(frame: AsciiTable, sheet: Sheet) -> Iterator[str]:
    """What single keys can't show."""
    if not sheet.outputs:
        yield "a sheet needs at least one [[output]] with name, quantity and unit"
    if not frame.ask and not frame.sends_by_itself:
        yield 'frame needs ask = "..." for an instrument that is asked, or heard = true'
    rows: tuple[KindTable, ...] = frame.record or (frame,)
    kinds = frame.kinds()
    for n, (row, kind) in enumerate(zip(rows, kinds, strict=True), 1):
        yield from _layout_errors(f"frame.record {n}" if frame.record else "frame", row, kind)
    if not all(row.begins or row.match for row in rows[:-1]):
        yield "frame.record: all but the last need begins or match to be known from each other"
    yield from _output_errors(sheet, kinds, bool(frame.header))
    yield from sorted({error for kind in (frame, *kinds) for error in _code_errors(kind, sheet)})
    steps = sum(row.steps for row in (frame, *frame.record))
    if frame.identity:
        steps += sum(expression.steps for expression in frame.identity.expressions)
    if steps > _MOST_STEPS:
        yield (
            f"frame: its patterns together take {steps} steps for each character of a line, at most"
            f" {_MOST_STEPS} can be used; write smaller numbers in {{}}, or a second sheet"
        )


def _layout_errors(where: str, row: KindTable, kind: KindTable) -> Iterator[str]:
    layouts = kind.layouts
    if len(layouts) > 1:
        yield f"{where} has one of {' and '.join(layouts)}, not both"
    if not layouts and not row.model_fields_set & {"ignore", "fault", "busy", "status"}:
        yield f"{where} needs one of {', '.join(_LAYOUTS)} to find the values with"
    for key, layout in (("columns", "separator"), ("suffix", "pairs"), ("length", "fixed")):
        if key in row.model_fields_set and layout not in layouts:
            yield f"{where}.{key} goes with {layout}"


def _output_errors(sheet: Sheet, kinds: tuple[KindTable, ...], headed: bool) -> Iterator[str]:
    """Outputs that no record can give, and names that are no output."""
    for name in sheet.outputs:
        if not any(kind.gives(name, headed) for kind in kinds):
            yield (
                f"output {name}: no column, group or element has that name; name it so or say"
                f" frame.fields = {{{name} = ...}}"
            )
    for kind in kinds:
        for key in ("fields", "multiply", "divide", "units", "words", "status"):
            for name in dict(kind).get(key, {}).keys() - sheet.outputs.keys():
                yield f"frame.{key}: {name!r} is no [[output]] of this sheet"
                return


def _code_errors(kind: KindTable, sheet: Sheet) -> Iterator[str]:
    """Codes of no output, and numbers for the whole line that another column may well send."""
    for code, status in kind.codes.items():
        if isinstance(status, Mapping):
            if code not in sheet.outputs:
                yield f"frame.codes: {code!r} is no [[output]] of this sheet"
        elif len(sheet.outputs) > 1 and code_number(code, kind.decimal) is not None:
            name = next(iter(sheet.outputs))
            yield (
                f'frame.codes: "{code}" is a number, which another output may well report; say of'
                f' which output, {name} = {{ "{code}" = "{status}" }}'
            )


_table_of, sheet_errors = frame_reader(AsciiTable, _further_errors)


@per_sheet
def frame_of(sheet: Sheet) -> AsciiFrame:
    """Raises Refused, with the first error in words, for a sheet that can't be used."""
    refuse(sheet_errors(sheet), sheet)
    table = _table_of(sheet)
    kinds = tuple(_kind(kind, sheet) for kind in table.kinds())
    matched = any(kind.match or isinstance(kind.layout, Pattern) for kind in kinds)
    xml = table.xml or next((row.xml for row in table.record if row.xml), "")
    return AsciiFrame(
        table,
        kinds,
        start=tuple(text.encode("latin-1") for text in table.start),
        end=table.end.encode("latin-1"),
        root=xml.lower(),
        header_separator=_separator(table),
        longest=_LONGEST_MATCHED if matched and not xml else _LONGEST_LINE,
    )


def _separator(table: KindTable) -> str:
    text = table.separator if table.separator is not None else table.pairs or ""
    return _SEPARATORS.get(text, text)


def _kind(table: KindTable, sheet: Sheet) -> Kind:
    outputs = sheet.outputs
    wanted = tuple(_wanted(output, table) for output in outputs.values())
    layout = _layout(table, tuple(w.key for w in wanted))
    return Kind(
        begins=table.begins,
        match=compiled(table.match, ignore_case=True) if table.match else None,
        word=not isinstance(layout, Fixed | Pattern),
        layout=Nothing() if table.fault or table.busy else layout,
        checksum=CHECKSUMS[table.checksum] if table.checksum else None,
        wanted=wanted,
        states=table.states,
        status=tuple((outputs[name], status) for name, status in table.status.items()),
        fault=table.fault,
        busy=table.busy,
        ignore=table.ignore,
        time=table.time.own_time() if table.time else None,
        angles=table.angles,
        decimal=table.decimal,
    )


def _codes_for(table: KindTable, output: str) -> dict[str, Status]:
    """Those of the whole line, and over them those of one output."""
    of_line = {text: status for text, status in table.codes.items() if isinstance(status, str)}
    own = table.codes.get(output)
    both = {**of_line, **(own if isinstance(own, Mapping) else {})}
    return {text: Status(status) for text, status in both.items()}


def _wanted(output: Output, table: KindTable) -> Wanted:
    name = output.name
    codes = _codes_for(table, name)
    numbers = {code_number(text, table.decimal): status for text, status in codes.items()}
    units = dict(table.units.get(name, {}))
    return Wanted(
        output=output,
        key=str(table.fields.get(name, name)),
        words=table.words.get(name, {}),
        codes=codes,
        coded={number: status for number, status in numbers.items() if number is not None},
        multiply=table.multiply.get(name, 1.0),
        divide=table.divide.get(name, 1.0),
        unit_from=units.pop("from", ""),
        units={text: _exact(float(factor)) for text, factor in units.items()},
    )


def _exact(factor: float) -> tuple[float, float]:
    """(multiply, divide): a number / 1000 is rounded once, a number * 0.001 twice."""
    inverse = round(1 / factor) if abs(factor) < 1 else 0
    return (1.0, float(inverse)) if inverse and 1 / inverse == factor else (factor, 1.0)


def _layout(table: KindTable, keys: tuple[str, ...]) -> LineLayout:
    if table.pattern is not None:
        return Pattern(compiled(table.pattern, whole=True))
    if table.fixed is not None:
        return Fixed(table.fixed, table.length)
    if table.xml is not None:
        return Elements(table.xml.lower())
    if table.pairs is not None:
        return Pairs(_SEPARATORS.get(table.pairs, table.pairs), table.suffix)
    if table.separator is not None:
        numbers = tuple({int(key) for key in keys if re.fullmatch("-?[0-9]{1,9}", key)})
        return Separated(_separator(table), table.columns, table.count, numbers)
    return Nothing()
