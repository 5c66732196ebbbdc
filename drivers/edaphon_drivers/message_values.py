"""The numbers and times in messages: as text, and in JSON by the paths that an owner named."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import LARGEST_MESSAGE_BYTES, UNREADABLE_NS, Origin, Reading, Status

_LONGEST = 64
# Digits of ASCII, one decimal point, an exponent: no hexadecimal, no comma, no unit, no NaN.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BLANKS = " \t\r\n"


def number_of_text(text: str) -> int | float | None:
    """The finite number that the whole text is, blanks around it aside; None for any other text.

    >>> number_of_text(" 4.2 "), number_of_text("1796008901"), number_of_text("4,2")
    (4.2, 1796008901, None)
    """
    plain = text.strip(_BLANKS)
    if len(plain) > _LONGEST or not _NUMBER.fullmatch(plain):
        return None
    if plain.lstrip("+-").isdecimal():
        return int(plain)
    number = float(plain)
    return number if math.isfinite(number) else None


def number_in(value: object) -> int | float | None:
    """A number of a message, sent as one or as text; None for anything else, true and false too."""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]
    return number_of_text(value) if isinstance(value, str) else None


_BOM = b"\xef\xbb\xbf"


def bare_json(data: bytes) -> bytes:
    """Without a byte order mark before it, and without NUL bytes and blanks behind it.

    RFC 8259 (8.1) lets a reader ignore the mark; firmware in C often sends the NUL that ends its
    text. JSON in UTF-16 stays unreadable; of a key that stands twice the last one counts.
    """
    return data.removeprefix(_BOM).rstrip(b"\0 \t\r\n")


_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):([0-5]\d|60)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of the subtraction are UTC


def rfc3339_ns(text: str) -> int:
    """UTC nanoseconds since 1970; digits beyond the ninth are dropped.

    Raises ValueError for another shape, a date that does not exist, a missing offset, or a time
    outside 1970..2262. The leap second 60 is the first of the next minute (RFC 3339 5.6).
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a date-time such as 2026-01-31T23:59:59.123Z, got {text!r}")
    minute, second, fraction, zone = found.groups()
    ns = (_minute_s(minute) + int(second) - _offset_s(zone)) * 1_000_000_000
    if fraction:
        ns += int(fraction[:9].ljust(9, "0"))
    if not 0 <= ns < 2**63:
        raise ValueError(f"expected a time between 1970 and 2262, got {text!r}")
    return ns


@lru_cache(maxsize=64)
def _minute_s(text: str) -> int:
    since = datetime.fromisoformat(text.upper()) - _EPOCH
    return since.days * 86400 + since.seconds


@lru_cache(maxsize=64)
def _offset_s(zone: str) -> int:
    if zone in {"Z", "z"}:
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(f"expected an offset such as +01:30, got {zone}")
    return (hours * 3600 + minutes * 60) * (1 if zone[0] == "+" else -1)


Path = tuple[str, ...]


class TimeFormat(StrEnum):
    """How a message says its time; numbers count from 1970-01-01 UTC."""

    S = "s"
    MS = "ms"
    NS = "ns"
    RFC3339 = "rfc3339"


# In nanoseconds; 0 for a time as text.
UNIT_NS: Mapping[str, int] = {"s": 1_000_000_000, "ms": 1_000_000, "ns": 1, "rfc3339": 0}


@dataclass(frozen=True, slots=True)
class JsonTime:
    """Where a message says its own time; one that is missing there counts as unreadable."""

    path: str
    format: TimeFormat = TimeFormat.RFC3339


@dataclass(frozen=True, slots=True)
class JsonField:
    """One number of a message: `path` is keys and list positions joined by dots (`soil.0.vwc`).

    With `unit_path` the message must say exactly `unit` there. `failure` lists the numbers that
    stand for a failure, such as -127.
    """

    output: str
    path: str
    quantity: str
    unit: str
    unit_path: str = ""
    failure: tuple[float, ...] = ()


# A field with its paths taken apart: first key, other keys, keys of the unit, what the field says.
_Row = tuple[str, Path, Path, tuple[float, ...], str, str, str]


@dataclass(frozen=True, slots=True)
class JsonFields:
    """All that is read from one kind of message; the paths are taken apart once, here."""

    fields: tuple[JsonField, ...]
    time: JsonTime | None = None
    rows: tuple[_Row, ...] = field(init=False, repr=False)
    time_path: Path = field(init=False, repr=False)
    time_unit_ns: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(map(_row, self.fields)))
        object.__setattr__(self, "time_path", keys_of(self.time.path) if self.time else ())
        object.__setattr__(self, "time_unit_ns", UNIT_NS[self.time.format] if self.time else 0)


ABSENT: Any = object()
# Looked up once: an enum member and a named constructor cost more than the rest of the loop.
_OK, _INVALID, _FAILURE, _REPORTED = Status.OK, Status.INVALID, Status.FAILURE, Origin.REPORTED
_new = tuple.__new__


def decode_json(data: bytes, fields: JsonFields) -> tuple[Reading, ...]:
    """The readings of one message, in the order of `fields`; a missing field gives none.

    Raises Garbled when `data` is not one JSON object of at most LARGEST_MESSAGE_BYTES.
    """
    return decode_object(parse_object(data), fields)


def decode_object(message: Mapping[str, Any], fields: JsonFields) -> tuple[Reading, ...]:
    """As `decode_json`, of a message that is parsed already."""
    time_ns = _time_ns(message, fields) if fields.time else None
    readings = []
    for head, rest, unit_path, failure, output, quantity, unit in fields.rows:
        value = message.get(head, ABSENT)
        if rest:
            value = follow(value, rest)
        if value is ABSENT:
            continue
        kind = type(value)
        if kind is str:
            value = number_in(value)
            kind = type(value)
        number = value if kind is float else float(value) if kind is int else None
        status = _OK
        if number is None or (unit_path and follow(message, unit_path) != unit):
            status, number = _INVALID, None  # a bool is neither float nor int here
        elif failure and number in failure:
            status, number = _FAILURE, None
        reading = (output, quantity, number, unit, status, _REPORTED, time_ns, None, 0)
        readings.append(_new(Reading, reading))
    return tuple(readings)


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; the words NaN and Infinity, which JSON lacks, come as null.

    Raises Garbled when it is anything else, or too long or too deep to be a message.
    """
    if len(data) > LARGEST_MESSAGE_BYTES:
        raise Garbled(f"a JSON object of at most {LARGEST_MESSAGE_BYTES} bytes", data)
    data = bare_json(data)
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as wrong:
        message = _parse_with_nan(data, str(wrong))
    if type(message) is not dict:
        raise Garbled("a JSON object", data)
    return message


def _parse_with_nan(data: bytes, wrong: str) -> Any:
    if b"NaN" not in data and b"Infinity" not in data:
        raise Garbled(f"JSON ({wrong})", data)
    try:
        return json.loads(
            data, parse_constant=lambda _: None, parse_float=_finite, parse_int=_finite
        )
    except (ValueError, RecursionError):
        raise Garbled(f"JSON ({wrong})", data) from None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def keys_of(path: str) -> Path:
    return tuple(path.split(".")) if path else ()


def _row(named: JsonField) -> _Row:
    head, *rest = named.path.split(".")
    unit_path = keys_of(named.unit_path)
    given = named.failure, named.output, named.quantity, named.unit
    return head, tuple(rest), unit_path, *given


def follow(value: Any, keys: Path) -> Any:
    """What stands at the end of a path, ABSENT when it leads nowhere."""
    for key in keys:
        if type(value) is dict:
            value = value.get(key, ABSENT)
        elif type(value) is list and key.isdecimal() and len(key) < 6 and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value


def _time_ns(message: Mapping[str, Any], fields: JsonFields) -> int:
    sent = follow(message, fields.time_path)
    if not fields.time_unit_ns:
        return written_ns(sent)
    return epoch_ns(sent, fields.time_unit_ns)


def epoch_ns(sent: Any, unit_ns: int) -> int:
    """A time counted from 1970 in `unit_ns`, as a number or as text; else UNREADABLE_NS."""
    count = number_in(sent)
    if isinstance(count, int):
        ns = count * unit_ns
    elif isinstance(count, float) and 0 <= count < 2**63:
        # A double holds present seconds to a quarter of a microsecond: no digits beyond that.
        ns = round(count * unit_ns / 1000) * 1000
    else:
        return UNREADABLE_NS
    return ns if 0 <= ns < 2**63 else UNREADABLE_NS


def written_ns(sent: object) -> int:
    """A time as RFC 3339 writes it [UTC ns]; UNREADABLE_NS for anything else."""
    try:
        return rfc3339_ns(sent.strip()) if type(sent) is str else UNREADABLE_NS
    except ValueError:
        return UNREADABLE_NS
