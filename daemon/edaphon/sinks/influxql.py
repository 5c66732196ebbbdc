"""What an InfluxDB holds, read back in bounded questions; InfluxQL (1, 3) asks and deletes."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import repeat
from math import isfinite
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import numpy as np
import orjson

from edaphon.clock import DAY_NS
from edaphon.model import Channel, Float, Int, Observations
from edaphon.network.requests import Answer, Secrets
from edaphon.series import BlockHead, Series
from edaphon.sinks.lines import WITHDRAWN, AskLess, DatabaseWire, judge_read, tag_text
from edaphon.sinks.sink import Later, PointWithdrawal

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Influxql:
    """The queries of one database."""

    def __init__(self, wire: DatabaseWire, database: str, retention: str = "") -> None:
        """`retention`: the policy of that database, the default one where none is named."""
        self._wire = wire
        self._named = {"db": database, "epoch": "ns"} | ({"rp": retention} if retention else {})

    def close(self) -> None:
        self._wire.close()

    def ask(self, statements: str) -> list[list[dict[str, Any]]]:
        """For each statement its series (dicts with `columns` and `values`; times are ns)."""
        form = urlencode({"q": statements, **self._named})
        answer = self._wire.post("/query", {}, form.encode(), FORM)
        judge_read(answer)
        try:
            results = orjson.loads(answer.body)["results"]
            return [_series(result, answer.secrets) for result in results]
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            raise Later(
                f"expected the answer of an InfluxDB from {self._wire.url}/query, "
                f"got {answer.words(100)!r}",
                blocked=True,
            ) from None

    def counts(self, channel: Channel, start_ns: int, end_ns: int) -> list[list[int]]:
        query = (
            f'SELECT count("flag") {rows(channel, start_ns, end_ns - 1)}'
            f" AND \"derivation\" != '{WITHDRAWN}' GROUP BY time(1d) fill(none)"
        )
        return [row for one in self.ask(query)[0] for row in one["values"]]

    def page(self, channel: Channel, start_ns: int, end_ns: int) -> list[list[Any]]:
        fields = ", ".join(f'"{field}"' for field in (*NUMBERS, "derivation"))
        chosen = rows(channel, start_ns, end_ns - 1)
        query = f"SELECT {fields} {chosen} ORDER BY time LIMIT {PAGE}"
        return [row for one in self.ask(query)[0] for row in one["values"]]

    def why_refused(self) -> str:
        return ""


def _series(result: dict[str, Any], secrets: Secrets) -> list[dict[str, Any]]:
    """InfluxDB says most errors of a query inside an answer of status 200."""
    if error := result.get("error"):
        judge_read(Answer(400, {}, str(error), secrets=secrets))
    series: list[dict[str, Any]] = result.get("series", [])
    if any(one["columns"][0] != "time" for one in series):
        # VictoriaMetrics answers any query with a list of databases, so that Telegraf is content.
        raise Later("the server does not answer InfluxQL, so count there by its own means")
    return series


def rows(channel: Channel, first_ns: int, last_ns: int) -> str:
    """FROM and WHERE that choose a channel's points in a closed span of time."""
    quantity = quoted(tag_text(channel.quantity))
    id, site = (quoted(tag_text(text), "'") for text in (channel.id, channel.site))
    return (
        f'FROM {quantity} WHERE "channel" = {id} AND "site" = {site}'
        f" AND time >= {first_ns} AND time <= {last_ns}"
    )


def quoted(text: str, quote: str = '"') -> str:
    """Within quotes, which are escaped in it, as is the backslash."""
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


PAGE = 10_000  # rows in one answer
DAYS = {1: 366, 2: 366, 3: 2}  # days in one question, by version: 288 files of version 3
SHORTEST_NS = 600 * 10**9  # a file of InfluxDB 3 cannot be asked for in parts
NUMBERS = ("value", "raw", "u_random", "u_systematic", "flag")


class Rows(NamedTuple):
    """Points as the server holds them, by time; a field that is absent is NaN or ""."""

    time_ns: Int
    value: Float
    raw: Float
    u_random: Float
    u_systematic: Float
    flag: Float
    derivation: tuple[str, ...]


class Queries(Protocol):
    """The two questions about a span of time [start, end) of a channel; Later, or AskLess."""

    def counts(self, channel: Channel, start_ns: int, end_ns: int) -> list[list[int]]:
        """(a time of the day, points with a flag on it), without those laid over as withdrawn."""
        ...

    def page(self, channel: Channel, start_ns: int, end_ns: int) -> list[list[Any]]:
        """Time, NUMBERS and derivation of the first PAGE points, by time."""
        ...

    def why_refused(self) -> str:
        """What a person should know when nothing can be read."""
        ...

    def close(self) -> None: ...


class Readback:
    """What one database holds of a channel; Later when it can't be asked."""

    def __init__(self, queries: Queries, days: int = 366) -> None:
        """`days`: the longest question."""
        self._queries = queries
        self._longest_ns = days * DAY_NS

    def counts(self, channel: Channel, days: Iterable[date]) -> dict[date, int]:
        """Points with a flag on each UTC day; points laid over as withdrawn don't count."""
        wanted = sorted(set(days))
        found = dict.fromkeys(wanted, 0)
        for span in _spans(wanted, max(1, self._longest_ns // DAY_NS)):
            asked = _start_ns(span[0]), _start_ns(span[-1]) + DAY_NS
            for answer in self._answers(self._queries.counts, channel, *asked):
                for time_ns, n in answer:  # a day may come in several parts
                    day = datetime.fromtimestamp(time_ns // 10**9, UTC).date()
                    if day in found:
                        found[day] += int(n)
        return found

    def rows(self, channel: Channel, start_ns: int, end_ns: int) -> Iterator[Rows]:
        """Pages of the points in [start, end), by time; memory is bounded by the page."""
        return map(_rows, self._answers(self._queries.page, channel, start_ns, end_ns))

    def close(self) -> None:
        self._queries.close()

    def _answers(
        self,
        ask: Callable[[Channel, int, int], list[list[Any]]],
        channel: Channel,
        start_ns: int,
        end_ns: int,
    ) -> Iterator[list[list[Any]]]:
        """To questions about parts of [start, end), without empty ones."""
        while start_ns < end_ns:
            stop_ns = min(end_ns, start_ns + self._longest_ns)
            try:
                found = ask(channel, start_ns, stop_ns)
            except AskLess:
                self._ask_less(stop_ns - start_ns)
                continue
            except Later as later:
                if later.blocked and (words := self._queries.why_refused()):
                    raise Later(f"{later.why}; {words}", blocked=True) from None
                raise
            if found:
                yield found
            start_ns = stop_ns if len(found) < PAGE else found[-1][0] + 1

    def _ask_less(self, span_ns: int) -> None:
        """Remembered, so that it is found out once; raises Later where less makes no sense."""
        if span_ns <= SHORTEST_NS:
            raise Later(f"the server answers no question over {span_ns // 10**9} s")
        self._longest_ns = max(SHORTEST_NS, span_ns // 2)


def _spans(days: list[date], longest: int) -> Iterator[list[date]]:
    """Days in order, cut where one question would cover too many."""
    span: list[date] = []
    for day in days:
        if span and (day - span[0]).days >= longest:
            yield span
            span = []
        span.append(day)
    if span:
        yield span


def _start_ns(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_NS


def _rows(page: list[list[Any]]) -> Rows:
    columns = list(zip(*page, strict=True))
    numbers = [np.array([np.nan if x is None else x for x in c], float) for c in columns[1:-1]]
    value, raw, u_random, u_systematic, flag = numbers
    derivation = tuple(text or "" for text in columns[-1])
    time_ns = np.array(columns[0], np.int64)
    return Rows(time_ns, value, raw, u_random, u_systematic, flag, derivation)


# Takes observations back; what it returns must be written to the server as lines.
Erase = Callable[[PointWithdrawal], bytes]

CANNOT_DELETE = (
    "InfluxDB 3 cannot delete: observations that were withdrawn stay there with flag 9 and "
    "derivation 'withdrawn', next to their old numbers; queries must leave flag 9 out"
)


def delete(influxql: Influxql, withdrawal: PointWithdrawal) -> bytes:
    """InfluxDB 1: one DELETE for each span; times joined by OR match nothing there.

    A DELETE syncs every shard (1.6.7: about 1 ms each, so 50 ms for a year of weekly shards); one
    in each request keeps what is done when the next one takes too long.
    """
    for first, last in withdrawal.spans:
        influxql.ask(f"DELETE {rows(withdrawal.channel, first, last)}")
    return b""


def same_numbers(
    series: Series,
    readback: Readback,
    channel: Channel,
    head: BlockHead,
    aside: set[tuple[str, int]],
) -> bool:
    start, end = head.day * DAY_NS, (head.day + 1) * DAY_NS
    runs = series.read(channel.id, start, end)
    own = sorted(row for run in runs for row in contents(run) if (channel.id, row[0]) not in aside)
    return own == [row for page in readback.rows(channel, start, end) for row in contents(page)]


def contents(points: Rows | Observations) -> Iterator[tuple[Any, ...]]:
    """Time, NUMBERS and derivation of each point; a number that is missing is None."""
    one = points.derivation
    derivations = one if isinstance(one, tuple) else repeat(one, len(points.time_ns))
    columns: list[Float] = [getattr(points, name) for name in NUMBERS]
    numbers = ([x if isfinite(x) else None for x in column.tolist()] for column in columns)
    return zip(points.time_ns.tolist(), *numbers, derivations, strict=True)
