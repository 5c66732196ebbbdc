"""What a file says of time, as UTC nanoseconds: formats with their date order, and the rows before.

Formats are spelled %Y %y %m %d %j %b %H %M %S %p %z, where %S takes a fraction, and %D is the whole
date in the order that the owner states (`date_order`), parted by / . or -.

Four things can be missing in a stamp, and each has one rule (see `Clock` for their keys):

- the year: it is that of the rows before; half a year back in time is the next year
- which pass of the doubled hour of autumn: the second begins where the time goes back in it
- the place within a stamp that is coarser than its rows: evenly, in the order of the rows
- the stamp itself, where a column says the time since a start
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from edaphon_drivers.files.lines import Context
from edaphon_drivers.sheets import Positive, Table, one_of, takes

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
    "p": r"([AaPp][Mm]?)",  # some programs write a and p alone
    "z": r"([Zz]|[+-]\d\d:?\d\d)",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Tokens without anything between them: two digits each, but 1305, 945 and 45 are %H%M as the mixed
# arrays of old Campbell loggers write it.
_JOINED = {name: r"(\d\d)" for name in "mdHM"} | {"S": r"(\d\d(?:[.,]\d{1,12})?)", "j": r"(\d{3})"}
_HOUR_MINUTE = {"H": r"(\d{0,2}?)", "M": r"(\d{1,2})"}
_DISTINCT = frozenset("Yjbpz")  # tokens that can be known from other numbers by their look
_PART = re.compile(r"%.?|\s+|[^%]", re.ASCII | re.DOTALL)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = re.compile(r"(\d{1,19})(?:\.(\d*))?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
_SECOND_NS = 1_000_000_000
LONG_AGO_NS = 100_000_000 * _SECOND_NS  # March 1973: a smaller count is no count since 1970


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a time; `fields` are its tokens in order, `shape` is what it looks like."""

    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    shape: str

    def parts(self, text: str) -> dict[str, str] | None:
        found = self.pattern.fullmatch(text)
        return dict(zip(self.fields, found.groups(), strict=True)) if found else None


def _texts(value: Any) -> Any:
    return frozenset(map(str, value)) if isinstance(value, list) else value


ColumnPlace = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1)]
CONDITION = 'a table { column = "..", is = [".."] }'


class Condition(Table):
    """A row counts only where this column, or header key, says one of these."""

    column: ColumnPlace = takes("the name of a column, or its number from 1")
    allowed: Annotated[frozenset[str], BeforeValidator(_texts)] = takes("a list", alias="is")


class Spread(Table):
    """Up to `rows` rows of one stamp lie evenly in the `within_s` that the stamp stands for."""

    rows: int = takes("a number from 2 on", ge=2, le=1_000_000)
    within_s: Positive = takes("seconds above 0")

    @cached_property
    def within_ns(self) -> int:
        return round(self.within_s * 1e9)


ELAPSED_UNITS = {"d": 86400 * 10**9, "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6}


class Elapsed(Table):
    """A column of time since a start, counted in `unit`, in the rows that `when` allows.

    The start is that of the clock, or the stamp of the first row of a run: a run goes on while the
    column does not fall and a row's stamp lies within `within_s` of what the column says.
    """

    column: ColumnPlace = takes("the name of a column, or its number from 1")
    unit: Literal["d", "h", "min", "s", "ms"] = takes(one_of(ELAPSED_UNITS), "s")
    within_s: Positive = takes("seconds above 0", 60.0)
    when: Condition | None = takes(CONDITION, None)

    @cached_property
    def within_ns(self) -> int:
        return round(self.within_s * 1e9)


@dataclass(frozen=True, slots=True)
class Clock:
    """The columns of a time and how they are read; `offset_s` [s] is local time minus UTC.

    `epoch` is the power of ten of one count in ns (9 for seconds), None for formats. `year` is
    that of the first row of a file whose times say none.
    """

    columns: tuple[str | int, ...]
    formats: tuple[Format, ...] = ()
    offset_s: int = 0
    epoch: int | None = None
    year: int | None = None
    zone: ZoneInfo | None = None
    spread: Spread | None = None
    elapsed: Elapsed | None = None
    start_ns: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that a line of names must have."""
        columns = self.columns or ((self.elapsed.column,) if self.elapsed else ())
        return tuple(column for column in columns if isinstance(column, str))

    @property
    def by_row(self) -> bool:
        """Whether a row's time depends on nothing but its own stamp."""
        alone = self.zone is None and self.spread is None and self.elapsed is None
        return alone and (self.epoch is not None or not self.without_year)

    @property
    def without_year(self) -> bool:
        return any(not {"Y", "y"} & set(form.fields) for form in self.formats)

    def read(self, texts: Sequence[str]) -> int | None:
        """UTC ns, None for a text that is no time between 1973 (of a count) or 1970 and 2262.

        In a zone the first of two, and also where there is none: `dating` decides by the order.
        """
        if self.epoch is not None:
            return epoch_ns(texts, self.epoch)
        found = self.local(" ".join(texts), self.year)
        if found is None:
            return None
        local_ns, stated_s = found
        ns = local_ns - (self.offset_s if stated_s is None else stated_s) * _SECOND_NS
        return ns if 0 <= ns < 2**63 else None

    def local(self, text: str, year: int | None) -> tuple[int, int | None] | None:
        """(local time in ns since 1970, offset [s] where the text says it); None for no time."""
        for form in self.formats:
            parts = form.parts(text)
            if parts is not None:
                return _local_time(parts, year)
        return None


def compile_format(text: str, date_order: str = "") -> Format:
    """Raises ValueError for an unknown token, or %D without a date order."""
    if "%D" in text:
        if date_order not in DATE_ORDERS:
            raise ValueError("date_order is missing: dmy, mdy or ymd, as the instrument is set")
        text = text.replace("%D", DATE_ORDERS[date_order].format("\0"))
    parts = _PART.findall(text)
    fields = [part[1:] for part in parts if part[0] == "%"]
    for name in fields:
        if name not in _TOKENS or fields.count(name) > 1:
            raise ValueError(f"%{name} is not one of %{' %'.join(_TOKENS)} %D, once each")
    pattern = "".join(_pattern(parts, at) for at in range(len(parts)))
    shape = "".join(_look(part) for part in parts)
    return Format(re.compile(pattern, re.ASCII), tuple(fields), shape)


def _look(part: str) -> str:
    """What a part of a format looks like: a letter of its own, or N for any number."""
    if part[0] != "%":
        return part
    return part[1:] if part[1:] in _DISTINCT else "N"


def _pattern(parts: Sequence[str], at: int) -> str:
    part = parts[at]
    if part[0] != "%":
        if " " in part:  # as one, since neighbours that take the same blanks take for ever
            return rf"\s{{{len(part)},}}"
        return "[/.-]" if part == "\0" else re.escape(part)
    first, last = at, at
    while first and _is_number(parts[first - 1]):
        first -= 1
    while last + 1 < len(parts) and _is_number(parts[last + 1]):
        last += 1
    name = part[1:]
    if first == last or not _is_number(part):
        return _TOKENS[name]
    if list(parts[first : last + 1]) == ["%H", "%M"]:
        return _HOUR_MINUTE[name]
    return _JOINED.get(name, _TOKENS[name])


def _is_number(part: str) -> bool:
    return part[0] == "%" and part[1:] in "YymdjHMS"


def offset_s(text: str) -> int:
    """Seconds that local time is ahead of UTC; raises ValueError for anything but +HH:MM or Z."""
    if text in {"Z", "z"}:
        return 0
    found = _OFFSET.fullmatch(text)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"expected an offset such as +01:00, got {text!r}")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return seconds if found[1] == "+" else -seconds


def _local_time(parts: Mapping[str, str], year: int | None) -> tuple[int, int | None] | None:
    try:
        days = _days(
            _year(parts, year), _month(parts), int(parts.get("d", 1)), int(parts.get("j", 0))
        )
        stated_s = offset_s(parts["z"]) if "z" in parts else None
        return days * 86400 * _SECOND_NS + _day_ns(parts), stated_s
    except ValueError:
        return None


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
    hour, minute = int(parts.get("H", 0) or 0), int(parts.get("M", 0))
    if "p" in parts:
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        hour = hour % 12 + (12 if parts["p"][0] in "Pp" else 0)
    whole, _, fraction = parts.get("S", "0").replace(",", ".").partition(".")
    second, part_ns = int(whole), int(fraction[:9].ljust(9, "0"))
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second + part_ns):
        raise ValueError("no such time of day")
    return (hour * 3600 + minute * 60 + second) * _SECOND_NS + part_ns


def epoch_ns(texts: Sequence[str], power: int, least_ns: int = LONG_AGO_NS) -> int | None:
    """Counts since 1970, digit by digit; a second column holds nanoseconds to add.

    None below `least_ns`: that is time since a start that nobody stated.
    """
    found = _EPOCH.fullmatch(texts[0])
    if found is None or any(not (t.isascii() and t.isdecimal() and len(t) <= 9) for t in texts[1:]):
        return None
    ns = int(found[1]) * 10**power + int((found[2] or "")[:power].ljust(power, "0") or 0)
    ns += sum(map(int, texts[1:]))
    return ns if least_ns <= ns < 2**63 else None


_DAY_NS = 86400 * _SECOND_NS
_HALF_A_YEAR_NS = 183 * _DAY_NS
_LATE_NS = 31 * _DAY_NS
_SHOWN = 40  # characters of a cell in a reason
_MINUTE_NS = 60 * _SECOND_NS


class NoTime(Exception):
    """A row has no time; the text says what was expected and what came."""


def date_row(
    texts: Sequence[str], elapsed: str | None, clock: Clock, context: Context
) -> tuple[int, Context]:
    """(UTC ns of a row, the context of the next one); raises NoTime.

    `elapsed` is the cell of `clock.elapsed`, None where it does not count in this row.
    """
    column = clock.elapsed
    if column is not None and elapsed is not None and clock.start_ns is not None:
        return clock.start_ns + _elapsed_ns(elapsed, column), context
    if not clock.columns:
        raise NoTime(
            "expected the start of the elapsed time, got none:"
            ' settings = { start = "2026-04-01T12:00:00Z" }'
        )
    stamp = " ".join(texts)
    local_ns, stated_s, year = _local(texts, stamp, clock, context)
    if not -_DAY_NS <= local_ns < 2**63:
        raise NoTime(f"expected a time between 1970 and 2262, got {stamp!r}")
    again = stamp == context.stamp
    places = clock.spread.rows if clock.spread else 1
    later = False
    if stated_s is None and clock.zone is not None:
        stated_s, later = _offset_s(local_ns, again and context.same < places, clock.zone, context)
    same = context.same + 1 if again and later == context.later else 1
    time_ns = local_ns - (clock.offset_s if stated_s is None else stated_s) * _SECOND_NS
    if not 0 <= time_ns < 2**63:
        raise NoTime(f"expected a time between 1970 and 2262, got {stamp!r}")
    after = context._replace(stamp=stamp, same=same, local_ns=local_ns, later=later, year=year)
    if column is not None and elapsed is not None:
        return _in_run(time_ns, _elapsed_ns(elapsed, column), column, after, context)
    if clock.spread:
        time_ns += min(same - 1, places - 1) * clock.spread.within_ns // places
    return time_ns, after


def why_no_time(texts: Sequence[str], clock: Clock) -> str:
    """What was expected, and what came, of cells that say no time."""
    stamp = " ".join(texts)[:_SHOWN]
    if clock.epoch is not None:
        count = epoch_ns(texts, clock.epoch, 0)
        if count is None:
            return f"expected a count since 1970, got {stamp!r}"
        return (
            f"expected a count since 1970, got {stamp!r}, which is before 1973:"
            " time since a start needs frame.time.elapsed and its start"
        )
    if any(form.parts(stamp) for form in clock.formats):
        return f"expected a day and a time of day that exist, got {stamp!r}"
    return f"expected a time in a format of the sheet, got {stamp!r}"


def _local(
    texts: Sequence[str], stamp: str, clock: Clock, context: Context
) -> tuple[int, int | None, int | None]:
    """(time as the file says it [ns], offset that it says [s], year of a file without years)."""
    if clock.epoch is not None:
        count = epoch_ns(texts, clock.epoch)
        if count is None:
            raise NoTime(why_no_time(texts, clock))
        return count, 0, None
    if not clock.without_year:
        found = clock.local(stamp, None)
        if found is None:
            raise NoTime(why_no_time(texts, clock))
        return *found, None
    if clock.year is None:
        raise NoTime("expected the year of this file, got none: settings = { year = 2026 }")
    return _in_year(lambda year: clock.local(stamp, year), texts, clock, context)


def _in_year(
    local: Callable[[int], tuple[int, int | None] | None],
    texts: Sequence[str],
    clock: Clock,
    context: Context,
) -> tuple[int, int | None, int | None]:
    """The year of the rows before; the next one where the time goes back by half a year or more.

    A row that is at most a month late keeps the year before, without changing that of the file.
    """
    year = context.year or clock.year or 0
    last_ns, here, following = context.local_ns, local(year), local(year + 1)
    goes_back = last_ns is not None and (here is None or here[0] < last_ns - _HALF_A_YEAR_NS)
    if goes_back and following is not None and following[0] > (last_ns or 0):
        return *following, year + 1
    if here is None:
        raise NoTime(why_no_time(texts, clock))
    before = local(year - 1) if year > (clock.year or 0) else None
    if last_ns is not None and before is not None and before[0] >= last_ns - _LATE_NS:
        return *before, year
    return *here, year


def _offset_s(local_ns: int, same_pass: bool, zone: ZoneInfo, context: Context) -> tuple[int, bool]:
    """(offset of a local time [s], whether it is of the second pass of a doubled hour)."""
    first_s, second_s = zone_offsets_s(zone, local_ns // _MINUTE_NS)
    if first_s == second_s:
        return first_s, False
    if first_s < second_s:
        at = datetime.fromtimestamp(local_ns // _SECOND_NS, UTC).replace(tzinfo=None)
        raise NoTime(
            f"expected a time that {zone.key} has, got {at}, which summer time skips: a clock that"
            ' is not set forward needs utc_offset = "+01:00" or such instead of zone'
        )
    goes_back = context.local_ns is not None and local_ns <= context.local_ns and not same_pass
    later = context.later or goes_back
    return (second_s if later else first_s), later


@lru_cache(maxsize=4096)
def zone_offsets_s(zone: ZoneInfo, local_minute: int) -> tuple[int, int]:
    """The offsets of a local minute since 1970 [s]: alike, but where a clock is set.

    Set back, the first pass and the second; set forward, that before and that after, the smaller
    one first, for a time that does not exist.
    """
    local = datetime.fromtimestamp(local_minute * 60, UTC).replace(tzinfo=zone)
    offsets = [local.replace(fold=fold).utcoffset() for fold in (0, 1)]
    first, second = (round(offset.total_seconds()) if offset else 0 for offset in offsets)
    return first, second


def _elapsed_ns(text: str, column: Elapsed) -> int:
    plain = text.replace(".", "", 1)
    if not plain.isdecimal() or not plain.isascii() or len(text) > 15:
        raise NoTime(f"expected the time since a start, got {text[:_SHOWN]!r}")
    whole, _, part = text.partition(".")
    unit_ns = ELAPSED_UNITS[column.unit]
    return int(whole or 0) * unit_ns + round(float(f"0.{part or 0}") * unit_ns)


def _in_run(
    stamp_ns: int, elapsed_ns: int, column: Elapsed, after: Context, before: Context
) -> tuple[int, Context]:
    """A row of a run lies as far behind its first row as the column says."""
    begun_ns, last_ns = before.begun_ns, before.ended_ns
    if begun_ns is not None and last_ns is not None:
        time_ns = begun_ns + elapsed_ns
        if time_ns >= last_ns and abs(time_ns - stamp_ns) <= column.within_ns:
            return time_ns, after._replace(begun_ns=begun_ns, ended_ns=time_ns)
    return stamp_ns, after._replace(begun_ns=stamp_ns - elapsed_ns, ended_ns=stamp_ns)
