"""The one clock that everything is handed, lengths of time, and instants as people write them."""

import re
import threading
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from edaphon.errors import TimeError

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
FAR_NS = 2**62  # no record lies further from 1970


class Clock(Protocol):
    """Times are integer nanoseconds; wall time is UTC."""

    def wall_ns(self) -> int: ...

    def mono_ns(self) -> int: ...

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        """Sleep until that monotonic time; True when `stop` was set first."""
        ...


class SystemClock:
    """The clocks of the machine."""

    wall_ns = staticmethod(time.time_ns)
    mono_ns = staticmethod(time.monotonic_ns)

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        return stop.wait(max(0.0, (mono_ns - time.monotonic_ns()) / 1e9))


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


EXAMPLE = "2026-04-01T12:00:00Z"
INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_S: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LAST_S: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


def written_ns(value: object) -> int:
    """An offset date-time, or its RFC 3339 text, as UTC ns; raises TimeError: what is right."""
    if isinstance(value, datetime):
        value = value.isoformat()
    found = INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise TimeError(f"{_hint(value)}, such as {EXAMPLE}")
    day, clock, fraction, offset = found.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset == 'Z' else offset}")
    except ValueError as error:
        raise TimeError(f"a date and time that exist ({error})") from None
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    if not _FIRST_S <= seconds <= _LAST_S:
        raise TimeError("a time whose year in UTC is from 1 to 9999")
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def _hint(value: object) -> str:
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        return "a time needs Z or its offset from UTC"
    if isinstance(value, date):
        return "a date needs a time with Z or its offset from UTC"
    return "a time with Z or its offset from UTC"


def instant_text(ns: int) -> str:
    """RFC 3339 in UTC with as many decimals as are needed; the inverse of `written_ns`."""
    return f"{full_instant_text(ns)[:-1].rstrip('0').rstrip('.')}Z"


def full_instant_text(ns: int) -> str:
    """The same with all nine decimals."""
    whole = (_EPOCH + timedelta(seconds=ns // SECOND_NS)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{ns % SECOND_NS:09d}Z"


def typed_ns(text: str) -> int:
    """A time of a command line, at most FAR_NS from 1970; UTC where no offset is given."""
    return max(-FAR_NS, min(FAR_NS, _typed_ns(text)))


def _typed_ns(text: str) -> int:
    with suppress(TimeError):  # a date, or without seconds or offset
        return written_ns(text)
    try:
        moment = datetime.fromisoformat(text)
        if not moment.tzinfo:  # a datetime keeps six decimals, the text has all
            return written_ns(f"{text}Z" if "." in text else moment.replace(tzinfo=UTC))
        return written_ns(moment)
    except ValueError:
        right = f"a time such as 2026-04-01 or {EXAMPLE}"
        raise TimeError(f"expected {right}, got {text!r}") from None


def given_ns(time: Any) -> int:
    """A text with its zone, a date (UTC), an aware datetime or a numpy.datetime64 (UTC).

    Raises TimeError, for a time without a zone too: nobody knows whose clock it is of.
    """
    if hasattr(time, "astype") and getattr(time, "dtype", None) is not None:
        if time.dtype.kind != "M" or time != time:
            raise TimeError(f"expected a time, got {time!r}")
        ns = int(time.astype("datetime64[ns]").astype("int64"))
    elif isinstance(time, datetime):
        if time.tzinfo is None:
            raise TimeError(
                f"expected a time with its zone, got {time!r}: for a time in UTC write"
                " time.replace(tzinfo=datetime.timezone.utc)"
            )
        ns = written_ns(_to_the_second(time))
    elif isinstance(time, date):
        ns = written_ns(f"{time}T00:00:00Z")
    elif isinstance(time, str):
        try:
            is_date = re.fullmatch(r"\d{4}-\d\d-\d\d", time, re.ASCII)
            ns = written_ns(f"{time}T00:00:00Z") if is_date else _with_zone(time)
        except ValueError:
            right = f"a date, or a time with its zone such as {EXAMPLE}"
            raise TimeError(f"expected {right}, got {time!r}") from None
    else:
        raise TimeError(f"expected a time such as {EXAMPLE!r}, got {time!r}")
    return max(-FAR_NS, min(FAR_NS, ns))


def _with_zone(text: str) -> int:
    with suppress(TimeError):
        return written_ns(text)
    moment = datetime.fromisoformat(text)  # without seconds, or another of ISO 8601's forms
    if moment.tzinfo is None:
        raise TimeError(text)
    return written_ns(_to_the_second(moment))


def _to_the_second(time: datetime) -> str:
    """In UTC, with the nanoseconds that some datetimes have; no zone has an offset with seconds."""
    return time.astimezone(UTC).isoformat()
