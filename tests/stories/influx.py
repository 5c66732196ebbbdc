"""A reader of InfluxDB 1 of the stories' own: what stands there, asked in plain InfluxQL."""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.programs import Influx1

__all__ = ["Database", "Point", "sink_table"]

Point = Mapping[str, Any]  # the fields by name; an absent one is None


def sink_table(url: str, database: str, version: int = 1, name: str = "influx") -> str:
    return (
        f'[[sink]]\nname = "{name}"\nkind = "influxdb"\nurl = "{url}"\n'
        f'version = {version}\ndatabase = "{database}"\n'
    )


class Database:
    """One database of a server, made anew."""

    def __init__(self, server: Influx1, name: str) -> None:
        self.server = server
        self._url = server.url
        self.name = name
        self.ask(f'CREATE DATABASE "{name}"')

    @property
    def sink(self) -> str:
        return sink_table(self._url, self.name)

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series of one statement; times are UTC ns."""
        form = urllib.parse.urlencode({"q": query, "db": self.name, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self._url}/query", form, timeout=30) as answer:  # noqa: S310
            [result] = json.load(answer)["results"]
        assert "error" not in result, result
        found: list[dict[str, Any]] = result.get("series", [])
        return found

    def write(self, lines: str) -> None:
        """Line protocol as it stands."""
        place = f"{self._url}/write?{urllib.parse.urlencode({'db': self.name})}"
        with urllib.request.urlopen(place, lines.encode(), timeout=30):  # noqa: S310
            pass

    def points(self, quantity: str, channel: str) -> dict[int, Point]:
        """All points of a channel by time; a series per set of tags, so a second set shows."""
        found: dict[int, Point] = {}
        place = f'"{quantity}" WHERE "channel" = \'{channel}\''
        for series in self.ask(f"SELECT * FROM {place} GROUP BY *"):  # noqa: S608
            for row in series["values"]:
                time_ns, *fields = row
                assert time_ns not in found, f"{channel} at {time_ns} stands under two sets of tags"
                found[time_ns] = dict(zip(series["columns"][1:], fields, strict=True))
        return found

    def count(self) -> int:
        """Points that have a flag, of all measurements."""
        return sum(s["values"][0][1] for s in self.ask('SELECT count("flag") FROM /.*/'))
