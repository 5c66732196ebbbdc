"""What a file says of time, as UTC nanoseconds: a closed set of formats, each with its date order.

Formats are spelled %Y %y %m %d %j %b %H %M %S %p %z, where %S takes a fraction, and %D is the whole
date in the order that the owner states (`date_order`), parted by / . or -.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

__all__ = ["DATE_ORDERS", "EPOCHS", "Clock", "Format", "compile_format", "offset_s"]

DATE_ORDERS = {"ymd": "%Y{0}%m{0}%d", "dmy": "%d{0}%m{0}%Y", "mdy": "%m{0}%d{0}%Y"}
EPOCHS = {"s": 9, "ms": 6, "us": 3, "ns": 0}

_TOKENS = {
    "Y": r"(\d{4})",
    "y": r"(\d\d)",
    "m": r"(\d{1,2})",
    "d": r"(\d{1,2})",
    "j": r"(\d{1,3})",
    "b": r"([A-Za-z]{3})",
    "H": r"(\d{1,2})",
    "M": r"(\d{1,2})",
    "S": r"(\d{1,2}(?:[.,]\d{1,12})?)",
    "p": r"([AaPp][Mm])",
    "z": r"([Zz]|[+-]\d\d:?\d\d)",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DISTINCT = frozenset("Yjbpz")  # tokens that can be told from other numbers by their look
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = re.compile(r"(\d{1,19})(?:\.(\d*))?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a time; `fields` are its tokens in order, `shape` is what it looks like."""

    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    shape: str

    def parts(self, text: str) -> dict[str, str] | None:
        found = self.pattern.fullmatch(text)
        return dict(zip(self.fields, found.groups(), strict=True)) if found else None


@dataclass(frozen=True, slots=True)
class Clock:
    """The columns of a time and how they are read; `offset_s` [s] is local time minus UTC.

    `epoch` is the power of ten of one count in ns (9 for seconds), None for formats.
    """

    columns: tuple[str | int, ...]
    formats: tuple[Format, ...] = ()
    offset_s: int = 0
    epoch: int | None = None
    year: int | None = None

    def read(self, texts: Sequence[str]) -> int | None:
        """UTC ns, None for a text that is no time between 1970 and 2262 (31 February)."""
        if self.epoch is not None:
            return _epoch_ns(texts, self.epoch)
        text = " ".join(texts)
        for form in self.formats:
            parts = form.parts(text)
            if parts is not None:
                return _instant(parts, self)
        return None


def compile_format(text: str, date_order: str = "") -> Format:
    """Raises ValueError for an unknown token, or %D without a date order."""
    if "%D" in text:
        if date_order not in DATE_ORDERS:
            raise ValueError("date_order is missing: dmy, mdy or ymd, as the instrument is set")
        text = text.replace("%D", DATE_ORDERS[date_order].format("\0"))
    pattern, fields, shape, rest = "", [], "", iter(text)
    for char in rest:
        if char == "%":
            name = next(rest, "")
            if name not in _TOKENS or name in fields:
                raise ValueError(f"%{name} is not one of %{' %'.join(_TOKENS)} %D, once each")
            fields.append(name)
            pattern += _TOKENS[name]
            shape += name if name in _DISTINCT else "N"
        else:
            pattern += {" ": r"\s+", "\0": "[/.-]"}.get(char) or re.escape(char)
            shape += char
    return Format(re.compile(pattern, re.ASCII), tuple(fields), shape)


def offset_s(text: str) -> int:
    """Seconds that local time is ahead of UTC; raises ValueError for anything but +HH:MM or Z."""
    if text in {"Z", "z"}:
        return 0
    found = _OFFSET.fullmatch(text)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"expected an offset such as +01:00, got {text!r}")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return seconds if found[1] == "+" else -seconds


def _instant(parts: Mapping[str, str], clock: Clock) -> int | None:
    try:
        days = _days(
            _year(parts, clock.year),
            _month(parts),
            int(parts.get("d", 1)),
            int(parts.get("j", 0)),
        )
        shift = offset_s(parts["z"]) if "z" in parts else clock.offset_s
        ns = (days * 86400 - shift) * _SECOND_NS + _day_ns(parts)
    except ValueError:
        return None
    return ns if 0 <= ns < 2**63 else None


@lru_cache(maxsize=64)
def _days(year: int, month: int, day: int, day_of_year: int) -> int:
    """Days since 1970; raises ValueError for a day that does not exist."""
    if not day_of_year:
        return date(year, month, day).toordinal() - _EPOCH_DAY
    days = date(year, 1, 1).toordinal() + day_of_year - 1
    if date.fromordinal(days).year != year:
        raise ValueError("no such day of the year")
    return days - _EPOCH_DAY


def _year(parts: Mapping[str, str], stated: int | None) -> int:
    if "Y" in parts:
        return int(parts["Y"])
    if "y" in parts:
        short = int(parts["y"])
        return short + (1900 if short >= 70 else 2000)
    if stated is None:
        raise ValueError("no year")
    return stated


def _month(parts: Mapping[str, str]) -> int:
    if "b" in parts:
        return _MONTHS.index(parts["b"].lower()) + 1
    return int(parts.get("m", 1))


def _day_ns(parts: Mapping[str, str]) -> int:
    """Nanoseconds since midnight; 24:00 is the next midnight, as some loggers write it."""
    hour, minute = int(parts.get("H", 0)), int(parts.get("M", 0))
    if "p" in parts:
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        hour = hour % 12 + (12 if parts["p"] in {"PM", "pm", "Pm", "pM"} else 0)
    whole, _, fraction = parts.get("S", "0").replace(",", ".").partition(".")
    second, part_ns = int(whole), int(fraction[:9].ljust(9, "0"))
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second + part_ns):
        raise ValueError("no such time of day")
    return (hour * 3600 + minute * 60 + second) * _SECOND_NS + part_ns


def _epoch_ns(texts: Sequence[str], power: int) -> int | None:
    """Counts since 1970, digit by digit; a second column holds nanoseconds to add."""
    found = _EPOCH.fullmatch(texts[0])
    if found is None or any(not t.isdecimal() or len(t) > 9 for t in texts[1:]):
        return None
    ns = int(found[1]) * 10**power + int((found[2] or "")[:power].ljust(power, "0") or 0)
    ns += sum(map(int, texts[1:]))
    return ns if 0 <= ns < 2**63 else None
