"""The instrument's own time in a line, where the sheet says how it is written and in which zone."""

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from edaphon_drivers.faults import Garbled

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


def order_trouble(order: str) -> str:
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
    """Either epoch seconds with nanoseconds beside them, or date and time in a stated order."""

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
            fields=fields,
            order=re.compile(pattern, re.ASCII),
            offset_s=offset_s(utc_offset) or 0,
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
    return timegm(moment.timetuple()) * _NANOSECONDS + fraction


def _century(year: int) -> int:
    return year + (1900 if year >= _CENTURY_TURNS else 2000)
