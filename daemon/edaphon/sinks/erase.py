"""Taking observations back from InfluxDB: a DELETE, the delete API, or flag 9 laid over them."""

from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import orjson

from edaphon.model import Channel, Int
from edaphon.sinks.answers import TooLarge, judge
from edaphon.sinks.http import Wire
from edaphon.sinks.influxql import Influxql, rows
from edaphon.sinks.lines import LineWriter, tag_text, withdrawn_lines
from edaphon.sinks.sink import Later, Never, Withdrawal

__all__ = ["ByDelete", "ByFlag", "ByInfluxql", "Erase", "spans"]


class Erase(Protocol):
    """Takes observations back; what it returns must be written to the server as lines."""

    notice: str

    def erase(self, withdrawal: Withdrawal) -> bytes: ...

    def close(self) -> None: ...


class ByInfluxql:
    """InfluxDB 1: one DELETE for each span; times joined by OR match nothing there.

    A DELETE syncs every shard (1.6.7: about 1 ms each, so 50 ms for a year of weekly shards); one
    in each request keeps what is done when the next one takes too long.
    """

    notice = ""

    def __init__(self, influxql: Influxql) -> None:
        self._influxql = influxql

    def erase(self, withdrawal: Withdrawal) -> bytes:
        for first, last in withdrawal.spans:
            self._influxql.ask(f"DELETE {rows(withdrawal.channel, first, last)}")
        return b""

    def close(self) -> None:
        self._influxql.close()


class ByDelete:
    """InfluxDB 2: POST /api/v2/delete; both ends of its range are deleted.

    Reference: influxdb v2, storage/engine.go, DeleteBucketRangePredicate: [min, max].
    """

    notice = ""

    def __init__(self, wire: Wire, org: str, bucket: str) -> None:
        self._wire = wire
        self._query = {"org": org, "bucket": bucket}

    def erase(self, withdrawal: Withdrawal) -> bytes:
        for first, last in withdrawal.spans:
            self._delete(withdrawal.channel, first, last)
        return b""

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

    def erase(self, withdrawal: Withdrawal) -> bytes:
        return withdrawn_lines(self._writer, withdrawal.channel, withdrawal.times_ns)

    def close(self) -> None:
        pass


def spans(times_ns: Int, kept_ns: Int) -> list[tuple[int, int]]:
    """The fewest closed spans that hold all these times and none of those `kept_ns`."""
    wanted = np.unique(times_ns)
    if not len(wanted):
        return []
    below = np.searchsorted(np.setdiff1d(kept_ns, wanted), wanted)
    starts = np.flatnonzero(np.diff(below, prepend=-1))
    ends = np.append(starts[1:], len(wanted)) - 1
    return list(zip(wanted[starts].tolist(), wanted[ends].tolist(), strict=True))


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
