"""When the weekly report is due: its absence shows a person that nothing watches any more."""

from datetime import UTC, datetime, time, timedelta

__all__ = ["last_weekly"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def last_weekly(now_ns: int, day: str, at: time, offset_s: int) -> int:
    """The last time [UTC ns] at which it was that day and time at a site `offset_s` before UTC."""
    here = datetime.fromtimestamp(now_ns // 10**9, UTC) + timedelta(seconds=offset_s)
    then = here.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    then -= timedelta(days=(here.weekday() - _DAYS.index(day)) % 7)
    if then > here:
        then -= timedelta(days=7)
    return (int(then.timestamp()) - offset_s) * 10**9
