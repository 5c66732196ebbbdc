"""InfluxQL, the one query language that InfluxDB 1, 2 and 3 share, asked over POST /query.

InfluxDB 2 needs a mapping of the bucket to a database name (DBRP); 3 has one for every database.
"""

from typing import Any
from urllib.parse import urlencode

import orjson

from edaphon.model import Channel
from edaphon.network.requests import Answer
from edaphon.network.secrets import Secrets
from edaphon.sinks.answers import judge_read
from edaphon.sinks.http import Wire
from edaphon.sinks.lines import tag_text
from edaphon.sinks.sink import Later

__all__ = ["Influxql", "rows"]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Influxql:
    """The queries of one database."""

    def __init__(self, wire: Wire, database: str, retention: str = "") -> None:
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
