"""influxdb-client over our connection: what it asks InfluxDB 2 (and 3: writes), and what it reads.

Its own connections have no limit for the size of an answer, nor for the time of an exchange as a
whole, and take a page of a proxy for success: tests/daemon/sinks/test_influx_client.py shows each.
So a `Wire` stands in the place of its pool: an answer is judged before the client reads it.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3

from edaphon.clock import full_instant_text
from edaphon.model import Channel
from edaphon.network.requests import Answer
from edaphon.sinks.influxql import NUMBERS, PAGE, quoted
from edaphon.sinks.lines import DatabaseWire, TooLarge, judge, judge_read, tag_text
from edaphon.sinks.sink import Later, Never, PointWithdrawal
from edaphon.toml_input.values import instant_ns

_NONE = Answer(0, {}, "")
_CHANGED = (
    "blocked: the installed influxdb-client takes no connection of edaphon's, so nothing would"
    " bound its answers: install the version that edaphon names"
)


class _Connection:
    """Stands for the client's pool; `check` judges an answer before the client reads it."""

    def __init__(self, wire: DatabaseWire) -> None:
        self.wire, self.answer = wire, _NONE
        self.check: Callable[[Answer], None] = judge_read

    def request(
        self,
        method: str,
        url: str,
        body: bytes | str | None = None,
        fields: Any = None,
        headers: Mapping[str, str] | None = None,
        preload_content: bool = True,
        **_: object,
    ) -> urllib3.HTTPResponse:
        parts = urlsplit(url)
        query = parts.query or urlencode(fields or [])
        sent = body.encode() if isinstance(body, str) else body or b""
        target = f"{parts.path}?{query}" if query else parts.path
        self.answer = self.wire.request(method, target, sent, headers or {})
        self.check(self.answer)
        data = io.BytesIO(self.answer.body.encode() if self.answer.status == 200 else b"")
        return urllib3.HTTPResponse(data, status=200, preload_content=preload_content)


class Client:
    """One client library over one connection; each call gives what it made of a judged answer."""

    def __init__(self, wire: DatabaseWire, token: str, org: str) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient

        library: Any = InfluxDBClient(wire.url, token, org=org)
        self.org, self.library = org, library
        self._connection = _Connection(wire)
        library.api_client.rest_client.pool_manager = self._connection

    def carry(
        self, call: Callable[[], Any], check: Callable[[Answer], None] = judge_read
    ) -> tuple[Answer, Any]:
        """The server's answer and what the client made of it; Later where that makes no sense."""
        own = self._connection
        own.answer, own.check = _NONE, check
        try:
            made = call()
        except (csv.Error, ValueError, TypeError, LookupError):
            if own.answer is _NONE:
                raise
            words = own.answer.words(100)
            why = f"expected the answer of an InfluxDB from {own.wire.url}, got {words!r}"
            raise Later(why, blocked=True) from None
        if own.answer is _NONE:
            raise Later(_CHANGED, blocked=True)
        return own.answer, made

    def poster(self, bucket: str) -> Callable[[bytes], Answer]:
        """POST /api/v2/write of InfluxDB 2 and 3, of gzipped lines."""
        from influxdb_client.service.write_service import WriteService

        made: Any = WriteService
        service = made(self.library.api_client)
        words: dict[str, Any] = {"precision": "ns", "content_encoding": "gzip"}
        write = partial(service.post_write, self.org, bucket, **words)
        return lambda lines: self.carry(partial(write, lines), lambda _: None)[0]

    def delete(self, bucket: str, withdrawal: PointWithdrawal) -> bytes:
        """InfluxDB 2: POST /api/v2/delete; both ends of its range are deleted.

        Reference: influxdb v2, storage/engine.go, DeleteBucketRangePredicate: [min, max].
        """
        erase, where = (
            self.library.delete_api().delete,
            (_all(withdrawal.channel), bucket, self.org),
        )
        for first, last in withdrawal.spans:
            call = partial(erase, full_instant_text(first), full_instant_text(last), *where)
            try:
                self.carry(call, lambda answer: judge(answer, 1))
            except (Never, TooLarge) as error:
                raise Later(f"the server refuses to delete: {error}", blocked=True) from None
        return b""

    def close(self) -> None:
        self._connection.wire.close()


class Flux:
    """The questions of one bucket of InfluxDB 2, to its query_api; see Queries."""

    def __init__(self, client: Client, bucket: str) -> None:
        from influxdb_client.domain.dialect import Dialect

        self._client, self._bucket = client, bucket
        made: Any = Dialect
        self._dialect = made(header=True, annotations=[], date_time_format="RFC3339Nano")

    def counts(self, channel: Channel, start_ns: int, end_ns: int) -> list[list[int]]:
        query = (
            f"{self._chosen(channel, start_ns, end_ns, ['flag'])} |> group()"
            ' |> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")'
            ' |> keep(columns: ["_time", "_value"])'
        )
        return [[instant_ns(row["_time"]), int(row["_value"])] for row in self._ask(query)]

    def page(self, channel: Channel, start_ns: int, end_ns: int) -> list[list[Any]]:
        fields = [*NUMBERS, "derivation"]
        columns = ", ".join(map(_quoted, ["_time", *fields]))
        query = (
            f"{self._chosen(channel, start_ns, end_ns, fields)}"
            ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
            f' |> group() |> sort(columns: ["_time"]) |> limit(n: {PAGE})'
            f" |> keep(columns: [{columns}])"
        )
        return [
            [
                instant_ns(row["_time"]),
                *(float(text) if (text := row.get(name)) else None for name in NUMBERS),
                row.get("derivation"),
            ]
            for row in self._ask(query)
        ]

    def why_refused(self) -> str:
        """What the server says of itself, the bucket and the rights of the token."""
        library, found = self._client.library, list[str]()
        for name, call in (
            ("health", lambda: _health(library)),
            (f"bucket {self._bucket!r}", lambda: _bucket(library, self._bucket)),
            ("rights", lambda: _rights(library)),
        ):
            try:
                found.append(f"{name}: {self._client.carry(call)[1]}")
            except Later as later:
                found.append(f"{name}: {later.why}")
        return "; ".join([*found, "reading back needs a token that may read the bucket"])

    def close(self) -> None:
        self._client.close()

    def _chosen(self, channel: Channel, start_ns: int, end_ns: int, fields: list[str]) -> str:
        tags = {"_measurement": channel.quantity, "channel": channel.id, "site": channel.site}
        kept = [f"r.{key} == {_quoted(tag_text(text))}" for key, text in tags.items() if text]
        either = " or ".join(f"r._field == {_quoted(field)}" for field in fields)
        return (
            f"from(bucket: {_quoted(self._bucket)})"
            f" |> range(start: {full_instant_text(start_ns)}, stop: {full_instant_text(end_ns)})"
            f" |> filter(fn: (r) => {' and '.join(kept)} and ({either}))"
        )

    def _ask(self, query: str) -> list[dict[str, str]]:
        api, org = self._client.library.query_api(), self._client.org
        rows: list[dict[str, str]]
        _, rows = self._client.carry(
            lambda: list(_tables(api.query_csv(query, org, self._dialect)))
        )
        return rows


def _tables(lines: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    """The rows of all tables by column; Later for one that is an error, ValueError for no table."""
    header: list[str] = []
    for line in lines:
        if line[1:3] in (["result", "table"], ["error", "reference"]):
            header = line
            continue
        row = dict(zip(header, line, strict=True))
        if "error" in row:
            raise Later(f"the server refuses a query: {row['error'][:200]}", blocked=True)
        yield row


def _health(library: Any) -> str:
    from influxdb_client.service.health_service import HealthService

    made: Any = HealthService
    health = made(library.api_client).get_health()
    return f"{health.status}, version {health.version}"


def _bucket(library: Any, name: str) -> str:
    found = library.buckets_api().find_bucket_by_name(name)
    return "is there" if found is not None else "the token sees none of this name"


def _rights(library: Any) -> str:
    """What the tokens that this one sees may do with buckets."""
    found = library.authorizations_api().find_authorizations()
    may = {(one.action, one.resource.type) for each in found for one in each.permissions}
    return ", ".join(sorted(f"{action} {kind}" for action, kind in may)) or "none shown"


def _all(channel: Channel) -> str:
    """The delete predicate of a channel."""
    texts = {"_measurement": channel.quantity, "channel": channel.id, "site": channel.site}
    kept = {key: tag_text(text) for key, text in texts.items() if text}
    return " AND ".join(f"{key}={quoted(text)}" for key, text in kept.items())


def _quoted(text: str) -> str:
    """A string of Flux: what begins an expression within it is escaped too."""
    return quoted(text).replace("${", "\\${")
