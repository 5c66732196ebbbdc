"""Taking observations back from InfluxDB: a DELETE, the delete API, or flag 9 laid over them."""

from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import orjson

from edaphon.nouns import Channel, Int
from edaphon.sinks.answers import TooLarge, judge
from edaphon.sinks.influxql import Influxql, rows
from edaphon.sinks.lines import LineWriter, tag_text, withdrawn_lines
from edaphon.sinks.sink import Later, Never
from edaphon.sinks.wire import Wire

__all__ = ["ByDelete", "ByFlag", "ByInfluxql", "Erase", "spans"]

MERGE_FROM = 8  # fewer times are deleted one by one without asking what lies between
LOOK = 20_000  # rows that are read to find spans

Span = tuple[int, int]


class Erase(Protocol):
    """Takes observations back; what it returns must be written to the server as lines."""

    notice: str

    def erase(self, channel: Channel, times_ns: Int) -> bytes: ...

    def close(self) -> None: ...


class ByInfluxql:
    """InfluxDB 1: one DELETE for each span; times joined by OR match nothing there.

    A DELETE syncs every shard (1.6.7: about 1 ms each, so 50 ms for a year of weekly shards); one
    in each request keeps what is done when the next one takes too long.
    """

    notice = ""

    def __init__(self, influxql: Influxql) -> None:
        self._influxql = influxql

    def erase(self, channel: Channel, times_ns: Int) -> bytes:
        for first, last in _spans_on_server(self._influxql, channel, times_ns):
            self._influxql.ask(f"DELETE {rows(channel, first, last)}")
        return b""

    def close(self) -> None:
        self._influxql.close()


class ByDelete:
    """InfluxDB 2: POST /api/v2/delete; both ends of its range are deleted.

    Reference: influxdb v2, storage/engine.go, DeleteBucketRangePredicate: [min, max].
    """

    notice = ""

    def __init__(self, wire: Wire, org: str, bucket: str, database: str = "") -> None:
        self._wire = wire
        self._query = {"org": org, "bucket": bucket}
        self._influxql = Influxql(wire, database or bucket)

    def erase(self, channel: Channel, times_ns: Int) -> bytes:
        for first, last in self._spans(channel, times_ns):
            self._delete(channel, first, last)
        return b""

    def _spans(self, channel: Channel, times_ns: Int) -> list[Span]:
        try:
            return _spans_on_server(self._influxql, channel, times_ns)
        except Later:  # no InfluxQL without a mapped database: then one request for each time
            return spans(times_ns, None)

    def _delete(self, channel: Channel, first_ns: int, last_ns: int) -> None:
        body = {"start": _rfc3339(first_ns), "stop": _rfc3339(last_ns), "predicate": _all(channel)}
        headers = {"Content-Type": "application/json"}
        answer = self._wire.post("/api/v2/delete", self._query, orjson.dumps(body), headers)
        try:
            judge(answer, 1)
        except (Never, TooLarge) as error:
            raise Later(f"the server refuses to delete: {error}", blocked=True) from None

    def close(self) -> None:
        self._wire.close()


class ByFlag:
    """InfluxDB 3 has no delete: flag 9 and the derivation "withdrawn" overwrite the point."""

    notice = (
        "InfluxDB 3 cannot delete: observations that were withdrawn stay there with flag 9 and "
        "derivation 'withdrawn', their old numbers beside; queries must leave flag 9 out"
    )

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def erase(self, channel: Channel, times_ns: Int) -> bytes:
        return withdrawn_lines(self._writer, channel, times_ns)

    def close(self) -> None:
        pass


def spans(times_ns: Int, present: Int | None) -> list[Span]:
    """Closed spans that cover exactly these times among those `present` on the server.

    Without `present` each time is a span of its own.
    """
    wanted = np.unique(times_ns)
    if present is None:
        return [(t, t) for t in wanted.tolist()]
    stored = np.unique(present)
    mine = np.isin(stored, wanted, assume_unique=True)
    edges = np.flatnonzero(np.diff(mine.astype(np.int8), prepend=0, append=0))
    first, last = stored[edges[0::2]], stored[edges[1::2] - 1]
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _spans_on_server(influxql: Influxql, channel: Channel, times_ns: Int) -> list[Span]:
    if len(times_ns) < MERGE_FROM:
        return spans(times_ns, None)
    chosen = rows(channel, int(times_ns.min()), int(times_ns.max()))
    series = influxql.ask(f'SELECT "flag" {chosen} LIMIT {LOOK}')[0]
    found = [row[0] for one in series for row in one["values"]]
    return spans(times_ns, np.array(found, np.int64) if len(found) < LOOK else None)


def _all(channel: Channel) -> str:
    """The delete predicate of a channel."""
    texts = {"_measurement": channel.quantity, "channel": channel.id, "site": channel.site}
    kept = {key: tag_text(text) for key, text in texts.items() if text}
    return " AND ".join(f"{key}={_quoted(text)}" for key, text in kept.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
