"""What a database server's answer means: done, Later or Never.

References: InfluxDB 1.x, OSS v2 and 3 Core documentation, HTTP API, answers to a write; RFC 9110,
sections 10.2.3 (Retry-After) and 15.
"""

import re
from typing import NoReturn
from urllib.parse import urlsplit

from edaphon.network.requests import Answer, wait_s
from edaphon.sinks.sink import Later, Never

__all__ = ["RETRY_AFTER_CAP_S", "AskLess", "TooLarge", "judge", "judge_read", "server_of"]

RETRY_AFTER_CAP_S = 590.0  # with what spreads the retries, below 10 min
WORDS = 300  # characters of the server's text that are kept
REFUSED = {400, 406, 422}
BUSY = {408, 425, 429}
_RETENTION = (
    re.compile(r"beyond retention policy.*?dropped=(\d+)"),  # 1.x
    re.compile(r"dropped (\d+) points? outside retention policy"),  # 2.x
)


# InfluxDB 2 answers 500 with these words when it dropped points and stored the others.
_PARTIAL = re.compile(r"partial write.*dropped", re.DOTALL | re.IGNORECASE)
# InfluxDB 3 answers 400 to every write when it may not make the database.
_NO_DATABASE = re.compile(r"exceed limit of \d+ databases", re.IGNORECASE)
# InfluxDB 3 Core: "Query would exceed file limit of 432 parquet files", query-file-limit.
_FILES = re.compile(r"exceed file limit", re.IGNORECASE)


class TooLarge(Exception):
    """The server takes no request of this size."""


class AskLess(Later):
    """The server reads no span of time as long as this in one question."""


def judge(answer: Answer, points: int) -> None:
    """Return when an InfluxDB stored `points`; else raise Later, Never or TooLarge."""
    status, words = answer.status, answer.words(WORDS)
    if status == 204 or (status == 200 and server_of(answer) and not answer.body):
        return
    if status == 413:
        raise TooLarge(words)
    refused = status in REFUSED and not _is_page(answer) and not _NO_DATABASE.search(words)
    if refused or (status == 500 and _PARTIAL.search(words)):
        raise Never(f"the server refuses points ({status})", words, every=_too_old(words) == points)
    _judge_door(answer, words)


def judge_read(answer: Answer) -> None:
    """Return when it answers a query; else raise Later, or AskLess for a shorter span."""
    words = answer.words(WORDS)
    if _FILES.search(words):
        raise AskLess(f"the server refuses a query: {words}", blocked=True)
    if not answer.whole:
        raise AskLess("the answer to a query is larger than edaphon reads", blocked=True)
    if answer.status == 413:
        raise Later("the server takes no query of this size (413)", blocked=True)
    if answer.status in REFUSED and not _is_page(answer):
        raise Later(f"the server refuses a query: {words}", blocked=True)
    if answer.status != 200:
        _judge_door(answer, words)


def server_of(answer: Answer) -> str:
    """The version that an InfluxDB says it is; "" for any other server."""
    for name in ("x-influxdb-version", "influxdb-version"):
        if version := answer.headers.get(name):
            return version.strip()[:WORDS]
    return ""


def _judge_door(answer: Answer, words: str) -> NoReturn:
    """Whatever is neither taken nor refused is Later."""
    status = answer.status
    if status in BUSY or status >= 500:
        raise Later(
            f"the server is busy or ill ({status}): {words}", wait_s(answer, RETRY_AFTER_CAP_S)
        )
    raise Later(_blocked(answer, words), wait_s(answer, RETRY_AFTER_CAP_S), blocked=True)


def _is_page(answer: Answer) -> bool:
    """Whether a person's browser should show it: no InfluxDB sends HTML."""
    kind = answer.headers.get("content-type", "").lower()
    return "html" in kind or answer.body.lstrip()[:1] == "<"


def _blocked(answer: Answer, words: str) -> str:
    status = answer.status
    if status in {401, 403}:
        return f"blocked: credentials: the server refuses the token or password ({status}): {words}"
    if status == 404:
        return f"blocked: no such database, bucket or path on this server (404): {words}"
    if 300 <= status < 400:
        return f"blocked: the server sends us on to {_host(answer)} ({status}); put it into url"
    if _NO_DATABASE.search(words):
        return f"blocked: the server may not make the database ({status}): {words}"
    return (
        f"blocked: not the answer of an InfluxDB ({status}): {words or 'nothing'}; a proxy or the "
        "log-in page of a network answers in its place, or url names another server"
    )


def _host(answer: Answer) -> str:
    to = urlsplit(answer.headers.get("location", ""))
    return f"{to.scheme}://{to.hostname}" if to.hostname else "another path"


def _too_old(words: str) -> int:
    """How many points the server says are older than its retention."""
    return max((int(m[1]) for r in _RETENTION if (m := r.search(words))), default=0)
