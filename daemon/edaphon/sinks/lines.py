"""Line protocol, a frozen format pinned by a golden file; what a server answers to it.

    quantity,channel=…,depth_cm=…,plot=…,site=… value=…,raw=…,u_random=…,u_systematic=…,flag=…,
    derivation="…" time                                                     (one line each)

Tags come sorted, empty ones are left out. Numbers are floats with their shortest exact digits; a
field that is not finite is left out, `flag` never is. Times are UTC ns.

References: InfluxDB documentation, "Line protocol reference" (escapes, one list for measurements,
one for tags, one for strings). A backslash stands for itself, so none can end a tag.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn
from urllib.parse import urlsplit

import numpy as np
import orjson

from edaphon.model import Channel, Float, Int, Observations, Small
from edaphon.network import requests
from edaphon.network.requests import Answer, Unreachable, wait_s
from edaphon.sinks.sink import Later, Never, PointWithdrawal

FIELDS = ("value", "raw", "u_random", "u_systematic")
WITHDRAWN = "withdrawn"  # stands as derivation where a server cannot delete

_CONTROLS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}  # written as two characters, as influxdb-client
_PLAIN = str.maketrans(_CONTROLS)
_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_TAG = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
_STRING = str.maketrans({'"': r"\"", "\\": r"\\"})


def tag_text(text: str) -> str:
    """A tag's or measurement's text as the server holds it: control characters made visible."""
    return text.translate(_PLAIN)


def escaped_tag(text: str) -> str:
    """A tag's text within a line; what a line can't end with is left out."""
    return tag_text(text).rstrip("\\").translate(_TAG)


class LineWriter:
    """Writes lines; the mapping of channels may grow while it is in use."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels
        self._heads: dict[str, str] = {}

    def lines(self, observations: Observations) -> bytes:
        """One line per observation, each ended by a newline; Never when none can be written."""
        if not len(observations):
            return b""
        head = self._head(observations.channel) + " "
        tail = f',derivation="{tag_text(observations.derivation).translate(_STRING)}" '
        columns: list[Float] = [getattr(observations, field) for field in FIELDS]
        pattern = _present(columns)
        if (pattern == pattern[0]).all():
            return "".join(_fill(head, tail, int(pattern[0]), columns, observations)).encode()
        written = np.empty(len(observations), object)
        for one in np.unique(pattern):
            rows = np.flatnonzero(pattern == one)
            written[rows] = list(_fill(head, tail, int(one), columns, observations, rows))
        return "".join(written).encode()

    def batch(self, batch: Sequence[Observations]) -> bytes:
        """All lines of a batch; runs of one channel are written together, in their order."""
        return b"".join(self.lines(Observations.concat(runs)) for runs in _grouped(batch))

    def _head(self, channel_id: str) -> str:
        if (head := self._heads.get(channel_id)) is None:
            channel = self._channels.get(channel_id)
            if channel is None:
                raise Never(f"channel {channel_id!r} is not defined, so its tags are unknown")
            head = self._heads[channel_id] = _head(channel)
        return head


def withdrawn_lines(writer: LineWriter, withdrawal: PointWithdrawal) -> bytes:
    """Lines that lay flag 9 over observations, for a server that cannot delete."""
    channel, times_ns, _ = withdrawal
    n = len(times_ns)
    none = np.full(n, np.nan)
    nine = np.full(n, 9, np.int8)
    columns = (times_ns, times_ns, none, none, none, none, nine, nine, times_ns)
    return writer.lines(Observations(channel.id, WITHDRAWN, *columns))


def _grouped(batch: Sequence[Observations]) -> list[list[Observations]]:
    """Runs that can share a call; a channel's runs keep their order, so its last one stands."""
    groups: list[list[Observations]] = []
    latest: dict[str, list[Observations]] = {}
    for run in batch:
        group = latest.get(run.channel)
        if group is None or group[0].derivation != run.derivation:
            groups.append(group := [])
            latest[run.channel] = group
        group.append(run)
    return groups


def _present(columns: Sequence[Float]) -> Small:
    """Bit i of a row is set where column i holds a number."""
    bits = np.zeros(len(columns[0]), np.int8)
    for i, column in enumerate(columns):
        bits |= np.isfinite(column).astype(np.int8) << i
    return bits


def _fill(
    head: str,
    tail: str,
    pattern: int,
    columns: Sequence[Float],
    observations: Observations,
    rows: Int | slice = slice(None),
) -> Iterable[str]:
    """The lines of rows that lack the same numbers: one template, no branch per line."""
    kept = [i for i in range(len(FIELDS)) if pattern >> i & 1]
    numbers = "".join(f"{FIELDS[i]}=%s," for i in kept)
    head, tail = head.replace("%", "%%"), tail.replace("%", "%%")
    template = f"{head}{numbers}flag=%s.0{tail}%s\n"
    cells: list[Float | Int | Small] = [columns[i] for i in kept]
    cells += [observations.flag, observations.time_ns]
    return map(template.__mod__, zip(*(_texts(cell[rows]) for cell in cells), strict=True))


def _texts(column: Float | Int | Small) -> list[str]:
    """Shortest exact digits; orjson is ten times faster here than repr."""
    packed = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
    return packed[1:-1].decode().split(",")


def _head(channel: Channel) -> str:
    """Measurement and tags, escaped."""
    measurement = _safe(channel.quantity, channel).translate(_MEASUREMENT)
    tags = {
        "channel": channel.id,
        "depth_cm": channel.depth_cm,
        "plot": channel.plot,
        "site": channel.site,
    }
    kept = [f",{k}={_safe(text, channel).translate(_TAG)}" for k, text in tags.items() if text]
    return measurement + "".join(kept)


def _safe(text: str, channel: Channel) -> str:
    if text.endswith("\\") or text.startswith("#"):
        raise Never(
            f"channel {channel.id!r}: line protocol cannot write {text!r}, which begins with # "
            "or ends with a backslash; define a channel under another name"
        )
    return tag_text(text)


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
    status = answer.status
    if status == 204 or (status == 200 and server_of(answer) and not answer.body):
        return
    words = answer.words(WORDS)
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
        to = urlsplit(answer.headers.get("location", ""))
        place = f"{to.scheme}://{to.hostname}" if to.hostname else "another path"
        return f"blocked: the server sends us on to {place} ({status}); put it into url"
    if _NO_DATABASE.search(words):
        return f"blocked: the server may not make the database ({status}): {words}"
    return (
        f"blocked: not the answer of an InfluxDB ({status}): {words or 'nothing'}; a proxy or the "
        "log-in page of a network answers in its place, or url names another server"
    )


def _too_old(words: str) -> int:
    """How many points the server says are older than its retention."""
    return max((int(m[1]) for r in _RETENTION if (m := r.search(words))), default=0)


class DatabaseWire(requests.Wire):
    """See edaphon.network.requests."""

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The server's answer of whatever status; Later when there is none in time."""
        try:
            return super().request(method, target, body, headers)
        except Unreachable as error:
            raise Later(error.why, blocked=error.blocked, slow=error.slow) from None
