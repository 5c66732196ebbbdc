"""What a database server's answer means: done, Later or Never.

References: InfluxDB 1.x, OSS v2 and 3 Core documentation, HTTP API, answers to a write; RFC 9110,
sections 10.2.3 (Retry-After) and 15.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from edaphon.sinks.sink import Later, Never

__all__ = ["Answer", "TooLarge", "judge", "retry_after_s"]

RETRY_AFTER_CAP_S = 600.0
WORDS = 300  # characters of the server's text that are kept
REFUSED = {400, 406, 422}
BUSY = {408, 425, 429}
_RETENTION = (
    re.compile(r"beyond retention policy.*?dropped=(\d+)"),  # 1.x
    re.compile(r"dropped (\d+) points? outside retention policy"),  # 2.x
)


class TooLarge(Exception):
    """The server takes no request of this size."""


class Answer(NamedTuple):
    """One answer; `headers` are found by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: str


def judge(answer: Answer, points: int) -> None:
    """Return when `points` are stored; else raise Later, Never or TooLarge."""
    status, words = answer.status, _words(answer.body)
    if 200 <= status < 300:
        return
    if status == 413:
        raise TooLarge(words)
    if status in REFUSED:
        raise Never(f"the server refuses points ({status})", words, every=_too_old(words) == points)
    if status in BUSY or status >= 500:
        raise Later(f"the server is busy or ill ({status}): {words}", _wait_s(answer))
    raise Later(_blocked(answer, words), _wait_s(answer), blocked=True)


def retry_after_s(text: str, now: datetime) -> float | None:
    """Seconds from seconds or an HTTP date, at most 600; None when it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_CAP_S)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait_s = (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds()
    return min(max(wait_s, 0.0), RETRY_AFTER_CAP_S)


def _wait_s(answer: Answer) -> float | None:
    return retry_after_s(answer.headers.get("retry-after", ""), datetime.now(UTC))


def _blocked(answer: Answer, words: str) -> str:
    status = answer.status
    if status in {401, 403}:
        return f"blocked: credentials: the server refuses the token or password ({status}): {words}"
    if status == 404:
        return f"blocked: no such database, bucket or path on this server (404): {words}"
    if 300 <= status < 400:
        return f"blocked: the server sends us on to {_host(answer)} ({status}); put it into url"
    return f"blocked: the server gives an answer that no InfluxDB gives ({status}): {words}"


def _host(answer: Answer) -> str:
    to = urlsplit(answer.headers.get("location", ""))
    return f"{to.scheme}://{to.hostname}" if to.hostname else "another path"


def _too_old(words: str) -> int:
    """How many points the server says are older than its retention."""
    return max((int(m[1]) for r in _RETENTION if (m := r.search(words))), default=0)


def _words(body: str) -> str:
    return " ".join(body.split())[:WORDS]
