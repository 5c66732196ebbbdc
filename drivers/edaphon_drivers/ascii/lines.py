"""A line of text to readings: its kind, how it falls into named texts, its numbers, its own time.

Each layout (pattern, separators, fixed columns, key=value, XML elements) is a frozen table with
`texts(line)`; it raises Garbled for a line of another form.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from edaphon_drivers.checksums import Checksum
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.patterns import Expression
from edaphon_drivers.readings import Reading, Status, reported, without_number
from edaphon_drivers.sheets import Output

_NUMBER = re.compile(r"[+-]? *(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9A-Fa-f]{1,8}")
# What instruments print where a number would stand; anything else is damage.
_NOTHING = re.compile(r"[-*/.?#]*|[+-]?(?:nan|inf|infinity)|n/?a|null|none|err(?:or)?", re.I)
_LONGEST = 40
_BLANKS = " \t\r\n\v\f"  # no others: on a line a byte such as A0 is damage


def read_number(text: str, decimal: str = ".") -> float | None:
    """None for a blank, NaN, dashes and their like; raises Garbled for text that is no number.

    A sign may stand apart (`+  123.45`); `0x40` is hexadecimal.
    """
    text = text.strip(_BLANKS)
    if decimal != "." and "." not in text:
        text = text.replace(decimal, ".")
    if len(text) <= _LONGEST:
        if _NUMBER.fullmatch(text):
            number = float(text.replace(" ", "") if " " in text else text)
            return number if math.isfinite(number) else None
        if _HEXADECIMAL.fullmatch(text):
            return float(int(text, 16))
        if _NOTHING.fullmatch(text):
            return None
    raise Garbled("a number", text)


def code_number(code: str, decimal: str = ".") -> float | None:
    """The number that a sheet's code is, so that `-9.999` is `-9.9990` too; None for a word."""
    try:
        return read_number(code, decimal)
    except Garbled:
        return None


_PIECES = {
    "YYYY": r"(?P<Y>\d{4})",
    "YY": r"(?P<y>\d{2})",
    "MM": r"(?P<M>\d{2})",
    "DD": r"(?P<D>\d{2})",
    "hh": r"(?P<h>\d{2})",
    "mm": r"(?P<m>\d{2})",
    "ss": r"(?P<s>\d{2})(?:\.(?P<f>\d{1,9}))?",
}
_PIECE = re.compile("|".join(_PIECES))
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})", re.ASCII)
_NANOSECONDS = 10**9
_CENTURY_TURNS = 69  # POSIX: 69..99 are of the 20th century


def order_error(order: str) -> str:
    """What is missing in an order such as `DD/MM/YY hh:mm:ss`; "" for a usable one."""
    pieces = _PIECE.findall(order)
    year = {"YYYY", "YY"} & set(pieces)
    if len(pieces) != len(set(pieces)) or len(year) != 1:
        return f"one YYYY or YY and every other piece once, not {order!r}"
    if not {"MM", "DD", "hh", "mm"} <= set(pieces):
        return f"MM, DD, hh and mm (ss if it is sent), not {order!r}"
    return ""


def offset_s(text: str) -> int | None:
    """Seconds east of UTC of `+01:00` or `Z`; None for another spelling."""
    if text == "Z":
        return 0
    found = _OFFSET.fullmatch(text)
    if not found or int(found[2]) > 14 or int(found[3]) > 59:
        return None
    return (int(found[2]) * 3600 + int(found[3]) * 60) * (-1 if found[1] == "-" else 1)


@dataclass(frozen=True, slots=True)
class OwnTime:
    """Either epoch seconds with nanoseconds next to them, or date and time in a stated order."""

    epoch: str = ""
    nanoseconds: str = ""
    fields: tuple[str, ...] = ()
    order: re.Pattern[str] | None = None
    offset_s: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The texts of a line that it is made of."""
        return tuple(filter(None, (self.epoch, self.nanoseconds, *self.fields)))

    @classmethod
    def written(cls, fields: tuple[str, ...], order: str, utc_offset: str) -> "OwnTime":
        plain = re.split(f"({_PIECE.pattern})", order)
        pattern = "".join(_PIECES.get(part, re.escape(part)) for part in plain)
        return cls(
            fields=fields, order=re.compile(pattern, re.ASCII), offset_s=offset_s(utc_offset) or 0
        )

    def ns(self, texts: Mapping[str, str]) -> int | None:
        """UTC [ns]; None where the fields are blank or not sent; Garbled for another form."""
        if self.epoch:
            return self._counted(texts)
        parts = [texts.get(name, "") for name in self.fields]
        if self.order is None or not all(parts):
            return None
        text = " ".join(parts)
        found = self.order.fullmatch(text)
        if found is None:
            raise Garbled("a date and time in the sheet's order", text)
        return _instant(found.groupdict(), text) - self.offset_s * _NANOSECONDS

    def _counted(self, texts: Mapping[str, str]) -> int | None:
        seconds, rest = texts.get(self.epoch, ""), texts.get(self.nanoseconds, "0")
        if not seconds:
            return None
        if not (_digits(seconds, 11) and _digits(rest, 9)):
            raise Garbled("seconds since 1970 and nanoseconds", f"{seconds} {rest}")
        return int(seconds) * _NANOSECONDS + int(rest)


def _digits(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most


def _instant(pieces: Mapping[str, str | None], text: str) -> int:
    known = {name: piece for name, piece in pieces.items() if piece is not None}
    year = int(known["Y"]) if "Y" in known else _century(int(known["y"]))
    month, day, hour, minute = (int(known[name]) for name in "MDhm")
    try:
        moment = datetime(year, month, day, hour, minute, int(known.get("s", "0")), tzinfo=UTC)
    except ValueError:
        raise Garbled("a date of the calendar", text) from None
    fraction = int(known.get("f", "0").ljust(9, "0"))
    return int(moment.timestamp()) * _NANOSECONDS + fraction


def _century(year: int) -> int:
    return year + (1900 if year >= _CENTURY_TURNS else 2000)


_MARK = re.compile(r"<(/?)([A-Za-z][\w. -]{0,40})(/?)>", re.ASCII)


class LineLayout(Protocol):
    """`columns` are the names that a header line gave, () before any came."""

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """A line of which nothing is wanted."""

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class Pattern:
    """The named groups of a pattern that fits the whole line."""

    pattern: Expression

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        found = self.pattern.in_whole(line)
        if found is None:
            raise Garbled("a line of the sheet's pattern", line)
        return {name: text.strip() for name, text in found.items()}


@dataclass(frozen=True, slots=True)
class Separated:
    """Values with something between them; "" separates at blanks, however many.

    `numbers` are the values that are wanted by their place: 1 the first, -1 the last.
    """

    separator: str
    columns: tuple[str, ...] = ()
    count: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        names = columns or self.columns
        values = line.split(self.separator) if self.separator else line.split()
        allowed = (len(names),) if names else self.count
        if allowed and len(values) not in allowed:
            wanted = " or ".join(map(str, allowed))
            raise Garbled(f"{wanted} values, not {len(values)}", line)
        texts = {n: v.strip(' "') for n, v in zip(names, values, strict=True)} if names else {}
        for number in self.numbers:
            if not 0 < abs(number) <= len(values):
                raise Garbled(f"a value number {number}", line)
            texts[str(number)] = values[number - (number > 0)].strip(' "')
        return texts


@dataclass(frozen=True, slots=True)
class Fixed:
    """Texts from one character to another, counted from 1, negative from the end."""

    places: Mapping[str, tuple[int, int]]
    length: tuple[int, ...] = ()

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        if self.length and len(line) not in self.length:
            wanted = " or ".join(map(str, self.length))
            raise Garbled(f"{wanted} characters, not {len(line)}", line)
        return {name: _cut(line, *place) for name, place in self.places.items()}


def _cut(line: str, first: int, last: int) -> str:
    start = first - 1 if first > 0 else len(line) + first
    end = last if last > 0 else len(line) + last + 1
    if not 0 <= start < end <= len(line):
        raise Garbled(f"characters {first} to {last}", line)
    return line[start:end].strip()


@dataclass(frozen=True, slots=True)
class Pairs:
    """key=value pairs; a value of `suffix` must end with that letter, which says its unit."""

    separator: str
    suffix: Mapping[str, str] = field(default_factory=dict)

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        texts = {}
        for part in line.split(self.separator) if self.separator else line.split():
            key, equals, value = part.partition("=")
            key = key.strip()
            if equals and key in texts:
                raise Garbled(f"{key} once", line)
            if equals:
                texts[key] = self._value(key, value.strip())
        return texts

    def _value(self, key: str, value: str) -> str:
        letter = self.suffix.get(key, "")
        if value.endswith("#"):  # Vaisala: there is no valid value
            return "#"
        if not value.endswith(letter):
            raise Garbled(f"{key} in the unit {letter}", value)
        return value[: len(value) - len(letter)]


@dataclass(frozen=True, slots=True)
class Elements:
    """XML elements by path below the root, in small letters: `data/celltemp`.

    No XML parser: instruments send no declaration, sometimes other bytes between the records,
    and nothing from a line may be expanded. What stands before the last opening root is dropped.
    """

    root: str

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        small = line.lower()
        start = small.rfind(f"<{self.root}>")
        end = small.find(f"</{self.root}>", start)
        if start < 0 or end < 0:
            raise Garbled(f"a whole <{self.root}>", line)
        return _leaves(line[start + len(self.root) + 2 : end])


def _leaves(body: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    path: list[str] = []
    after = 0
    opened = False
    for mark in _MARK.finditer(body):
        closing, name, alone = mark[1], mark[2].lower(), mark[3]
        if alone:
            opened = False
        elif not closing:
            path.append(name)
            opened = True
        else:
            if not path or path[-1] != name:
                raise Garbled(f"</{path[-1] if path else ''}>", mark[0])
            if opened and "/".join(path) in texts:
                raise Garbled(f"<{name}> once", body)
            if opened:
                texts["/".join(path)] = body[after : mark.start()].strip()
            path.pop()
            opened = False
        after = mark.end()
    if path:
        raise Garbled(f"</{path[-1]}>", body)
    return texts


_SAME = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output in a record: the text it is made of and what is done to the number.

    `codes` are texts that stand for a status, `coded` those that are numbers, as the line says it.
    `units` are (multiply, divide) to the output's unit by what stands in the text `unit_from`.
    """

    output: Output
    key: str
    words: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, Status] = field(default_factory=dict)
    coded: Mapping[float, Status] = field(default_factory=dict)
    multiply: float = 1.0
    divide: float = 1.0
    unit_from: str = ""
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def reading(
        self, texts: Mapping[str, str], time_ns: int | None, decimal: str, sure: bool
    ) -> Reading | None:
        """None when the record does not have the field; `sure` when a checksum vouches for it."""
        text = texts.get(self.key)
        if text is None:
            return None
        if text in self.codes:
            return without_number(self.output, self.codes[text], time_ns)
        number = self.words[text] if text in self.words else _number(text, decimal, sure)
        if number is not None and number in self.coded and text not in self.words:
            return without_number(self.output, self.coded[number], time_ns)
        factor = self.units.get(texts.get(self.unit_from, "")) if self.units else _SAME
        if number is None or factor is None:
            return without_number(self.output, Status.INVALID, time_ns)
        number = number * self.multiply / self.divide * factor[0] / factor[1]
        if not math.isfinite(number):
            return without_number(self.output, Status.INVALID, time_ns)
        return reported(self.output, number, time_ns)


def _number(text: str, decimal: str, sure: bool) -> float | None:
    try:
        return read_number(text, decimal)
    except Garbled:
        if sure:
            return None
        raise


@dataclass(frozen=True, slots=True)
class Kind:
    """`fault` refuses, `busy` asks to come again later, `ignore` is a line without readings.

    `states` name the texts that must say "ok", else all outputs of the record have that status;
    `status` are outputs that such a record says to be without a number.
    """

    begins: tuple[str, ...] = ()
    match: Expression | None = None
    word: bool = True
    layout: LineLayout = field(default_factory=Nothing)
    checksum: Checksum | None = None
    wanted: tuple[Wanted, ...] = ()
    states: Mapping[str, Mapping[str, Status]] = field(default_factory=dict)
    status: tuple[tuple[Output, Status], ...] = ()
    fault: str = ""
    busy: str = ""
    ignore: bool = False
    time: OwnTime | None = None
    angles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    decimal: str = "."

    def is_of(self, line: str) -> bool:
        if self.begins and not any(self._begins(line, begin) for begin in self.begins):
            return False
        return self.match is None or self.match.is_in(line)

    def _begins(self, line: str, begin: str) -> bool:
        if not line.startswith(begin):
            return False
        goes_on = begin[-1:].isalnum() and line[len(begin) : len(begin) + 1].isalnum()
        return not (self.word and goes_on)

    @property
    def looked_for(self) -> str:
        """What a line of this kind has, for a person; "" where any line is of it."""
        begins = " or ".join(f'"{begin}"' for begin in self.begins)
        match = f"has {self.match.pattern}" if self.match else ""
        return " and ".join(filter(None, (f"begins {begins}" if begins else "", match)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that the sheet gives to the values of a line, where it does."""
        return self.layout.columns if isinstance(self.layout, Separated) else ()

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        """The named texts of a line of this kind; raises Fault."""
        refusal = self._refusal(line)
        if refusal is not None:
            raise refusal
        texts = self.layout.texts(line, columns)
        for name, (angle, hemisphere) in self.angles.items():
            if angle in texts:
                texts[name] = _degrees(texts[angle], texts.get(hemisphere, ""))
        return texts

    def readings(self, texts: Mapping[str, str], time_ns: int | None) -> tuple[Reading, ...]:
        """Raises Garbled where a text is no number and nothing vouches for the line."""
        if self.states:
            status = self._state(texts)
            if status is not Status.OK:
                sent = (w.output for w in self.wanted if w.key in texts)
                return tuple(without_number(output, status, time_ns) for output in sent)
        sure = self.checksum is not None
        made = [w.reading(texts, time_ns, self.decimal, sure) for w in self.wanted]
        given = [reading for reading in made if reading is not None]
        given += [without_number(output, status, time_ns) for output, status in self.status]
        return tuple(given)

    def _refusal(self, line: str) -> Fault | None:
        if self.fault:
            return Refused(f"a measurement ({self.fault})", line)
        return NoAnswer(f"a measurement ({self.busy})", line) if self.busy else None

    def _state(self, texts: Mapping[str, str]) -> Status:
        states = (
            known.get(texts.get(name, ""), Status.INVALID) for name, known in self.states.items()
        )
        return next((status for status in states if status is not Status.OK), Status.OK)


_MINUTES = re.compile(r"(\d{2,3})(\d{2}(?:\.\d{1,8})?)", re.ASCII)
_SIGN = {"N": 1, "E": 1, "S": -1, "W": -1}


def _degrees(text: str, hemisphere: str) -> str:
    """Degrees of `4807.038` (48 degrees 7.038 minutes) and its hemisphere; "" of "" """
    if not text:
        return ""
    found = _MINUTES.fullmatch(text)
    if found is None or hemisphere not in _SIGN:
        raise Garbled("degrees and minutes with N, S, E or W", f"{text} {hemisphere}")
    return repr(_SIGN[hemisphere] * (int(found[1]) + float(found[2]) / 60))
