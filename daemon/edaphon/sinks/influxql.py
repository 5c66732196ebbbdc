"""InfluxQL, the one query language that InfluxDB 1, 2 and 3 share, asked over POST /query.

InfluxDB 2 needs a mapping of the bucket to a database name (DBRP); 3 has one for every database.
"""

from typing import Any
from urllib.parse import urlencode

import orjson

from edaphon.nouns import Channel
from edaphon.sinks.answers import TooLarge, judge
from edaphon.sinks.lines import tag_text
from edaphon.sinks.sink import Later, Never
from edaphon.sinks.wire import Wire

__all__ = ["Influxql", "rows"]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Influxql:
    """The queries of one database."""

    def __init__(self, wire: Wire, database: str) -> None:
        self._wire = wire
        self._database = database

    def close(self) -> None:
        self._wire.close()

    def ask(self, statements: str) -> list[list[dict[str, Any]]]:
        """For each statement its series (dicts with `columns` and `values`; times are ns)."""
        form = urlencode({"q": statements, "db": self._database, "epoch": "ns"})
        answer = self._wire.post("/query", {}, form.encode(), FORM)
        try:
            judge(answer, 0)
            results = orjson.loads(answer.body).get("results", [])
        except TooLarge:
            raise Later("the server takes no query of this size (413)", blocked=True) from None
        except Never as error:
            raise Later(f"the server refuses a query: {error.words}", blocked=True) from None
        except orjson.JSONDecodeError:
            raise Later(f"expected JSON from {self._wire.url}/query, got none") from None
        return [_series(result) for result in results]


def _series(result: dict[str, Any]) -> list[dict[str, Any]]:
    """InfluxDB says most errors of a query inside an answer of status 200."""
    if error := result.get("error"):
        raise Later(f"the server refuses a query: {error}", blocked=True)
    series: list[dict[str, Any]] = result.get("series", [])
    if any(one["columns"][0] != "time" for one in series):
        # VictoriaMetrics answers any query with a list of databases, so that Telegraf is content.
        raise Later("the server does not answer InfluxQL, so count there by its own means")
    return series


def rows(channel: Channel, first_ns: int, last_ns: int) -> str:
    """FROM and WHERE that choose a channel's points in a closed span of time."""
    return (
        f'FROM {_name(tag_text(channel.quantity))} WHERE "channel" = {_text(tag_text(channel.id))} '
        f'AND "site" = {_text(tag_text(channel.site))} '
        f"AND time >= {first_ns} AND time <= {last_ns}"
    )


def _name(identifier: str) -> str:
    """A quoted identifier; a backslash and the quote are escaped."""
    return '"' + identifier.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(literal: str) -> str:
    """A quoted string literal."""
    return "'" + literal.replace("\\", "\\\\").replace("'", "\\'") + "'"
