"""When the weekly report is due: its absence shows a person that nothing watches any more."""

from datetime import UTC, datetime, time, timedelta

__all__ = ["is_weekly_due", "last_weekly"]

_DAY_NS = 86_400 * 10**9

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def is_weekly_due(now_ns: int, due_ns: int, before_ns: tuple[int, ...]) -> bool:
    """Whether none of the times before was at or after `due_ns`; those of a false future count not.

    All are UTC [ns]: a clock that was far ahead for a moment must not end the reports for months.
    """
    return max((ns for ns in before_ns if ns <= now_ns + _DAY_NS), default=0) < due_ns


def last_weekly(now_ns: int, day: str, at: time, offset_s: int) -> int:
    """The last time [UTC ns] at which it was that day and time at a site `offset_s` before UTC."""
    here = datetime.fromtimestamp(now_ns // 10**9, UTC) + timedelta(seconds=offset_s)
    then = here.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    then -= timedelta(days=(here.weekday() - _DAYS.index(day)) % 7)
    if then > here:
        then -= timedelta(days=7)
    return (int(then.timestamp()) - offset_s) * 10**9
