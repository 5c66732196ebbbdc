"""Reading observations back from InfluxDB, to prove what arrived: counts, then every number.

Asked in InfluxQL, which InfluxDB 1, 2 (with a database name mapped to the bucket) and 3 answer.
InfluxDB 3 Core refuses a question that touches more than 432 of its files, of which each holds 10
minutes (its options query-file-limit and gen1-duration), so spans are short there and are halved
where that is still too much.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np

from edaphon.model import Channel, Float, Int
from edaphon.sinks.answers import AskLess
from edaphon.sinks.influxdb import Settings, open_influxql
from edaphon.sinks.influxql import Influxql, rows
from edaphon.sinks.lines import WITHDRAWN
from edaphon.sinks.sink import Later

__all__ = ["Readback", "Rows", "open_readback"]

DAY_NS = 86_400 * 10**9
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


class Readback:
    """What one database holds of a channel; Later when it can't be asked."""

    def __init__(self, influxql: Influxql, days: int = 366, words: str = "") -> None:
        """`days`: the longest question; `words`: what else to say when nothing can be read."""
        self._influxql = influxql
        self._longest_ns = days * DAY_NS
        self._words = words

    def counts(self, channel: Channel, days: Iterable[date]) -> dict[date, int]:
        """Points with a flag on each UTC day; points laid over as withdrawn don't count."""
        wanted = sorted(set(days))
        found = dict.fromkeys(wanted, 0)
        for span in _spans(wanted, max(1, self._longest_ns // DAY_NS)):
            for day, n in self._counted(channel, _start_ns(span[0]), _start_ns(span[-1]) + DAY_NS):
                if day in found:
                    found[day] += n
        return found

    def rows(self, channel: Channel, start_ns: int, end_ns: int) -> Iterator[Rows]:
        """Pages of the points in [start, end), by time; memory is bounded by the page."""
        fields = ", ".join(f'"{field}"' for field in (*NUMBERS, "derivation"))
        while start_ns < end_ns:
            stop_ns = min(end_ns, start_ns + self._longest_ns)
            chosen = rows(channel, start_ns, stop_ns - 1)
            query = f"SELECT {fields} {chosen} ORDER BY time LIMIT {PAGE}"
            try:
                page = [row for one in self._ask(query) for row in one["values"]]
            except AskLess:
                self._ask_less(stop_ns - start_ns)
                continue
            if page:
                yield _rows(page)
            start_ns = stop_ns if len(page) < PAGE else page[-1][0] + 1

    def close(self) -> None:
        self._influxql.close()

    def _counted(self, channel: Channel, start_ns: int, end_ns: int) -> Iterator[tuple[date, int]]:
        """(day, points) of parts of [start, end); a day may come in several parts."""
        while start_ns < end_ns:
            stop_ns = min(end_ns, start_ns + self._longest_ns)
            query = (
                f'SELECT count("flag") {rows(channel, start_ns, stop_ns - 1)}'
                f" AND \"derivation\" != '{WITHDRAWN}' GROUP BY time(1d) fill(none)"
            )
            try:
                found = [row for one in self._ask(query) for row in one["values"]]
            except AskLess:
                self._ask_less(stop_ns - start_ns)
                continue
            for time_ns, n in found:
                yield datetime.fromtimestamp(time_ns // 10**9, UTC).date(), int(n)
            start_ns = stop_ns

    def _ask(self, query: str) -> list[dict[str, Any]]:
        try:
            return self._influxql.ask(query)[0]
        except AskLess:
            raise
        except Later as later:
            if self._words and later.blocked:
                raise Later(f"{later.why}; {self._words}", blocked=True) from None
            raise

    def _ask_less(self, span_ns: int) -> None:
        """Remembered, so that it is found out once; raises Later where less makes no sense."""
        if span_ns <= SHORTEST_NS:
            raise Later(f"the server answers no question over {span_ns // 10**9} s")
        self._longest_ns = max(SHORTEST_NS, span_ns // 2)


def open_readback(settings: Settings) -> Readback:
    """Opens no connection yet."""
    words = ""
    if settings.version == 2:
        name = settings.database or settings.bucket
        words = (
            f"InfluxDB 2 says so too when the token may only write: reading back needs a token that"
            f" may read bucket {settings.bucket!r}, which must be what its database {name!r} is"
            " mapped to"
        )
    return Readback(open_influxql(settings), DAYS[settings.version], words)


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
