"""Reading observations back from InfluxDB, to prove what arrived: counts, then every number.

Asked in InfluxQL, which InfluxDB 1, 2 (with a database name mapped to the bucket) and 3 answer.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np

from edaphon.nouns import Channel, Float, Int
from edaphon.sinks.influxdb import Settings, open_influxql
from edaphon.sinks.influxql import Influxql, rows
from edaphon.sinks.lines import WITHDRAWN

__all__ = ["Readback", "Rows", "open_readback"]

DAY_NS = 86_400 * 10**9
PAGE = 10_000  # rows in one answer
DAYS = 366  # days in one question
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

    def __init__(self, influxql: Influxql) -> None:
        self._influxql = influxql

    def counts(self, channel: Channel, days: Iterable[date]) -> dict[date, int]:
        """Points with a flag on each UTC day; points laid over as withdrawn don't count."""
        wanted = sorted(set(days))
        found = dict.fromkeys(wanted, 0)
        for span in _spans(wanted):
            for day, n in self._counted(channel, span[0], span[-1]):
                if day in found:
                    found[day] += n
        return found

    def rows(self, channel: Channel, start_ns: int, end_ns: int) -> Iterator[Rows]:
        """Pages of the points in [start, end), by time; memory is bounded by the page."""
        fields = ", ".join(f'"{field}"' for field in (*NUMBERS, "derivation"))
        while start_ns < end_ns:
            chosen = rows(channel, start_ns, end_ns - 1)
            query = f"SELECT {fields} {chosen} ORDER BY time LIMIT {PAGE}"
            page = [row for one in self._influxql.ask(query)[0] for row in one["values"]]
            if page:
                yield _rows(page)
            if len(page) < PAGE:
                return
            start_ns = page[-1][0] + 1

    def close(self) -> None:
        self._influxql.close()

    def _counted(self, channel: Channel, first: date, last: date) -> Iterator[tuple[date, int]]:
        chosen = rows(channel, _start_ns(first), _start_ns(last) + DAY_NS - 1)
        query = (
            f'SELECT count("flag") {chosen} AND "derivation" != \'{WITHDRAWN}\' '
            "GROUP BY time(1d) fill(none)"
        )
        for one in self._influxql.ask(query)[0]:
            for time_ns, n in one["values"]:
                yield datetime.fromtimestamp(time_ns // 10**9, UTC).date(), int(n)


def open_readback(settings: Settings) -> Readback:
    """Opens no connection yet."""
    return Readback(open_influxql(settings))


def _spans(days: list[date]) -> Iterator[list[date]]:
    """Days in order, cut where one question would cover too many."""
    span: list[date] = []
    for day in days:
        if span and (day - span[0]).days >= DAYS:
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
