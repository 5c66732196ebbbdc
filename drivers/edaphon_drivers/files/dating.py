"""The time of a row where its stamp alone does not say it: by the rows before it in the file.

Four things can be missing in a stamp, and each has one rule (see `Clock` for their keys):

- the year: it is that of the rows before; half a year back in time is the next year
- which pass of the doubled hour of autumn: the second begins where the time goes back in it
- the place within a stamp that is coarser than its rows: evenly, in the order of the rows
- the stamp itself, where a column says the time since a start
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from edaphon_drivers.files.clock import Clock, Elapsed, epoch_ns
from edaphon_drivers.files.lines import Context

_SECOND_NS = 1_000_000_000
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
    if column is not None and elapsed is not None and column.start_ns is not None:
        return column.start_ns + _elapsed_ns(elapsed, column), context
    if not clock.columns:
        raise NoTime(
            "expected the start of the elapsed time, got none:"
            ' settings = { start = "2026-04-01T12:00:00Z" }'
        )
    stamp = " ".join(texts)
    local_ns, said_s, year = _local(texts, stamp, clock, context)
    if not -_DAY_NS <= local_ns < 2**63:
        raise NoTime(f"expected a time between 1970 and 2262, got {stamp!r}")
    again = stamp == context.stamp
    places = clock.spread.rows if clock.spread else 1
    later = False
    if said_s is None and clock.zone is not None:
        said_s, later = _offset_s(local_ns, again and context.same < places, clock.zone, context)
    same = context.same + 1 if again and later == context.later else 1
    time_ns = local_ns - (clock.offset_s if said_s is None else said_s) * _SECOND_NS
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
    return int(whole or 0) * column.unit_ns + round(float(f"0.{part or 0}") * column.unit_ns)


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
