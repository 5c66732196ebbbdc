"""A zoo of faults as its folder has it: sites, base series, and faults as patches over them.

Of each site there is `site-SITE.toml`, and of each of its seasons S `base-SITE-S.csv`,
`events-SITE-S.csv`, `scenarios-SITE-S.csv` and `patch-SITE-S.csv`. Times count
from row 0 in intervals of the site.
"""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

__all__ = ["Fault", "Play", "Rows", "Site", "is_short", "plays_of", "read_play"]

Rows = Mapping[int, Mapping[str, str]]  # by row: the text of each cell, "" for none
SENTINELS = (85.0, -127.0, -99.9, 7999.0, 65535.0, -9999.0)
_NUMBER = re.compile(r"F\d+")

# What a person knows that no instrument of a unit ever measures in soil and air.
FIT = {"r2": {"quantity": "flux_fit_r2", "unit": "dimensionless", "resolution": 0.001}}
PLAUSIBLE = {
    "degC": (-60.0, 60.0),
    "m3/m3": (-0.05, 1.0),
    "%": (0.0, 100.0),
    "dS/m": (-0.5, 50.0),
    "uS/cm": (-500.0, 50_000.0),
    "ppm": (0.0, 60_000.0),
    "V": (0.0, 60.0),
    "mm": (0.0, 80.0),
}
ANY = (-9000.0, 60_000.0)


@dataclass(frozen=True)
class Site:
    """`site-SITE.toml`: what a person would report. `messages` are probes with a radio each."""

    name: str
    interval_s: int
    probes: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, Mapping[str, Any]]
    messages: frozenset[str] = frozenset()
    soil: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Site":
        table = tomllib.loads(path.read_text())
        messages = frozenset(n for n, p in table["probe"].items() if p.get("on") == "radio")
        interval_s = int(table.get("interval_s", 600))
        return cls(
            table["site"],
            interval_s,
            table["probe"],
            {name: FIT.get(name, own) for name, own in table["column"].items()},
            messages,
            table.get("soil", {}),
        )

    @property
    def interval_ns(self) -> int:
        return self.interval_s * 10**9

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """The columns that are quantities; others are notes of the instruments."""
        return tuple(name for name, own in self.columns.items() if own.get("quantity"))

    def outputs(self, probe: str) -> tuple[str, ...]:
        return tuple(one for one in self.probes[probe]["outputs"] if one in self.channels)

    def is_own(self, probe: str) -> bool:
        """Whether it is what hangs on the logger itself, which is no probe."""
        return probe == "logger"

    def failure_codes(self, column: str) -> tuple[float, ...]:
        """Of the family of sentinels those that can't be a number of this column."""
        lowest, highest = PLAUSIBLE.get(self.columns[column].get("unit", ""), ANY)
        return tuple(code for code in SENTINELS if not lowest <= code <= highest)

    def hangs_on(self, cause: str) -> frozenset[str]:
        """The channels that give no data where this cause, in the zoo's words, gives none."""
        if cause == "logger":
            return frozenset(self.channels)
        if found := re.fullmatch(r"probe (\S+)(?: output (\S+))?", cause):
            return frozenset([found[2]] if found[2] else self.outputs(found[1]))
        ons = {own.get("on") for own in self.probes.values()}
        name = cause if cause in ons else cause.removeprefix("bus ").strip()
        on = [probe for probe, own in self.probes.items() if own.get("on") == name]
        return frozenset(c for probe in on for c in self.outputs(probe))


@dataclass(frozen=True)
class Fault:
    """One row of `scenarios-SITE-S.csv`; `number` such as F01."""

    scenario: str
    number: str
    name: str
    severity: str
    cause: str
    latency_h: float
    first: int
    end: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Play:
    """A base, or it with one fault laid over it."""

    site: Site
    season: str
    base: Rows
    rows: Rows
    pauses: tuple[tuple[int, int, str], ...]  # declared: rows from and to, what
    fault: Fault | None = None
    ahead_s: Mapping[int, int] = field(default_factory=dict)  # by row, what its clock is ahead

    @property
    def name(self) -> str:
        fault = self.fault.scenario if self.fault else "base"
        return f"{self.site.name}-{self.season}-{fault}"

    @property
    def end(self) -> int:
        return max(self.base) + 1

    @cached_property
    def cells(self) -> frozenset[tuple[int, str]]:
        """The cells that are bad."""
        empty: Mapping[str, str] = {}
        return frozenset(
            (row, column)
            for row, own in self.base.items()
            for column in self.site.channels
            if own.get(column, "") != self.rows.get(row, empty).get(column, "")
        )


def plays_of(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(site, season, scenario) of all in a folder; scenario "" is the base."""
    for path in sorted(folder.glob("base-*-*.csv")):
        _, site, season = path.stem.split("-", 1)[0], *path.stem[5:].rsplit("-", 1)
        yield site, season, ""
        scenarios = folder / f"scenarios-{site}-{season}.csv"
        for row in _table(scenarios) if scenarios.exists() else ():
            yield site, season, row["scenario"]


def is_short(folder: Path, site: str, season: str, scenario: str) -> bool:
    """Whether a play ends within minutes: a base, or a fault of at most five days."""
    if not scenario:
        return True
    play = read_play(folder, site, season, scenario)
    assert play.fault is not None
    return (play.fault.end - play.fault.first) * play.site.interval_s <= 5 * 86_400


def read_play(folder: Path, site: str, season: str, scenario: str) -> Play:
    named = f"{site}-{season}"
    own = Site.read(folder / f"site-{site}.toml")
    base = _base(folder / f"base-{named}.csv")
    pauses = tuple(_declared(folder / f"events-{named}.csv"))
    if not scenario:
        return Play(own, season, base, base, pauses)
    found = [r for r in _table(folder / f"scenarios-{named}.csv") if r["scenario"] == scenario]
    rows = _patched(base, folder / f"patch-{named}.csv", scenario)
    ahead_s = dict(_shifts(folder / f"patch-{named}.csv", scenario))
    return Play(own, season, base, rows, pauses, _fault(found[0]), ahead_s)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def _base(path: Path) -> Rows:
    return {int(row.pop("row")): row for row in _table(path)}


def _fault(row: Mapping[str, str]) -> Fault:
    number = _NUMBER.match(row["scenario"])
    return Fault(
        row["scenario"],
        number.group() if number else row["scenario"],
        row["fault"],
        row["severity"],
        row["cause"],
        float(row["latency_h"]),
        int(row["row_from"]),
        int(row["row_to"]),
        tuple(row["columns"].split()),
    )


def _declared(path: Path) -> Iterator[tuple[int, int, str]]:
    """The visits and pauses that a person declared; all else happens by itself."""
    for row in _table(path) if path.exists() else ():
        if row["logged"] == "1" and re.search("declared|visit|power saving|irrig", row["kind"]):
            yield int(row["row_from"]), int(row["row_to"]), row["kind"]


def _patched(base: Rows, path: Path, scenario: str) -> Rows:
    rows = {row: dict(own) for row, own in base.items()}
    for patch in _table(path):
        if patch["scenario"] != scenario:
            continue
        first, _, last = patch["row"].partition("-")
        values = patch["values"].split()
        for n, row in enumerate(range(int(first), int(last or first) + 1)):
            text = values[n] if len(values) > 1 else values[0]
            if patch["column"] == "*":
                rows.pop(row, None)
            elif row in rows and patch["column"] in rows[row]:
                rows[row][patch["column"]] = "" if text == "-" else text
    return rows


def _shifts(path: Path, scenario: str) -> Iterator[tuple[int, int]]:
    """By row, how many seconds the clock of that time was ahead."""
    for patch in _table(path):
        if (patch["scenario"], patch["column"]) == (scenario, "time"):
            first, _, last = patch["row"].partition("-")
            for row in range(int(first), int(last or first) + 1):
                yield row, int(patch["values"])
