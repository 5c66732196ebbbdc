"""Two sites of our own, of other wiring, intervals and voltages than those of the zoo, in its form.

lake  a 24 V station each half hour, with two buses of probes and one probe on the logger itself
moor  probes with a radio each that speak once an hour, and a logger on a lithium cell of 3.6 V
"""

import csv
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PLAYS", "write_sites"]

SOIL = "[soil]\nporosity = 0.45\nfield_capacity = 0.3\nwilting_point = 0.1\norganic = false\n"
UNITS = {
    "t": ("soil_temperature", "degC", 2),
    "w": ("volumetric_water_content", "m3/m3", 3),
    "a": ("air_temperature", "degC", 1),
    "r": ("precipitation", "mm", 1),
    "v": ("battery_voltage", "V", 3),
}
VISIT, PAUSE = (5.2, 5.4), (7.0, 8.0)  # days


@dataclass(frozen=True)
class Made:
    """`probes`: (on, columns), a column by its kind, depth and replicate: "t20" or "w5b"."""

    name: str
    interval_s: int
    days: int
    volts: tuple[float, float, float]  # at night, more by day, and what the last fault takes
    probes: Mapping[str, tuple[str, tuple[str, ...]]]
    faults: tuple[tuple[str, str, str], ...]  # scenario, cause, columns

    @property
    def rows(self) -> int:
        return self.days * self.day

    @property
    def day(self) -> int:
        return 86_400 // self.interval_s

    @property
    def columns(self) -> list[str]:
        return [column for _, outputs in self.probes.values() for column in outputs]


LAKE = Made(
    "lake",
    1800,
    12,
    (24.6, 2.6, 3.4),
    {
        "P1": ("north", ("w5a", "t5a")),
        "P2": ("north", ("w20a", "t20a")),
        "P3": ("north", ("w50a",)),
        "P4": ("south", ("w5b", "t5b")),
        "P5": ("south", ("w20b", "t20b")),
        "P6": ("logger", ("t100",)),
        "logger": ("logger", ("r", "a", "v")),
    },
    (
        ("F01", "probe P2", "w20a t20a"),
        ("F13", "supply", "v"),
        ("F22", "bus south", "w5b t5b w20b t20b"),
        ("F22-north", "north", "w5a t5a w20a t20a w50a"),
    ),
)
MOOR = Made(
    "moor",
    3600,
    14,
    (3.58, 0.02, 1.3),
    {
        "N1": ("radio", ("w10a", "t10a")),
        "N2": ("radio", ("w10b", "t10b")),
        "N3": ("radio", ("w30", "t30")),
        "logger": ("logger", ("a", "v")),
    },
    (
        ("F01", "probe N2", "w10b t10b"),
        ("F12", "probe N1 output t10a", "t10a"),
        ("F13", "supply", "v"),
        ("F14", "logger", "*"),
        ("F22", "radio", "w10a t10a w10b t10b w30 t30"),
    ),
)
SITES = (LAKE, MOOR)
PLAYS = [(one.name, scenario) for one in SITES for scenario in ("", *(f[0] for f in one.faults))]
SEVERITY = {"F13": "will be lost"}
LATENCY_H = {"F12": 3.0, "F13": 72.0}  # of others four intervals


def write_sites(folder: Path, seed: int = 1) -> None:
    for site in SITES:
        rng = random.Random(f"{site.name} {seed}")  # noqa: S311  noise, no secret
        (folder / f"site-{site.name}.toml").write_text("".join(_facts(site)))
        events = [
            ["row_from", "row_to", "kind", "columns", "logged"],
            [*_span(site, *VISIT), "visit (declared): probe exchanged", "*", 1],
            [*_span(site, *PAUSE), "power saving (declared)", "*", 1],
        ]
        _write(folder / f"events-{site.name}-a.csv", events)
        _write(folder / f"base-{site.name}-a.csv", _base(site, rng))
        _write(folder / f"scenarios-{site.name}-a.csv", _scenarios(site))
        _write(folder / f"patch-{site.name}-a.csv", _patches(site, rng))


def _write(path: Path, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _span(site: Made, first: float, end: float) -> tuple[int, int]:
    return int(first * site.day), int(end * site.day)


def _facts(site: Made) -> Iterator[str]:
    yield f'site = "{site.name}"\ninterval_s = {site.interval_s}\n{SOIL}'
    for probe, (on, outputs) in site.probes.items():
        names = ", ".join(f'"{one}"' for one in outputs)
        yield f'[probe.{probe}]\noutputs = [{names}]\non = "{on}"\n'
    for column in site.columns:
        quantity, unit, digits = UNITS[column[0]]
        yield f'[column.{column}]\nquantity = "{quantity}"\nunit = "{unit}"\n'
        yield f"resolution = {10.0**-digits}\n"
        if depth := column[1:].rstrip("ab"):
            yield f"depth_cm = {depth}\n"


def _base(site: Made, rng: random.Random) -> Iterator[list[object]]:
    yield ["row", *site.columns]
    absent = range(*_span(site, *VISIT))
    slow = range(*_span(site, *PAUSE))
    for row in range(site.rows):
        if row not in absent and (row not in slow or row % 6 == 0):
            yield [row, *(_number(site, column, row, rng) for column in site.columns)]


def _number(site: Made, column: str, row: int, rng: random.Random) -> str:
    kind, depth = column[0], column[1:].rstrip("ab")
    day = row / site.day
    sun = math.sin(2 * math.pi * (day - 0.35))
    damped = math.exp(-float(depth or 0) / 15)
    front = -8.0 if 3.5 < day < 4.5 and kind in "ta" else 0.0
    wet = 0.12 * math.exp(-(day - 2.6)) if day > 2.6 else 0.0  # after a storm of two rows
    low, more, _ = site.volts
    number = {
        "t": 3 + damped * (6 * sun + front),
        "a": 3 + 8 * sun + front,
        "w": 0.2 + damped * wet,
        "r": 13.0 if kind == "r" and int(2.6 * site.day) <= row < int(2.6 * site.day) + 2 else 0.0,
        "v": low + more * max(0.0, sun),
    }[kind]
    digits = UNITS[kind][2]
    noise = 0.0 if kind == "r" else rng.gauss(0, 1.5 * 10.0**-digits)
    return f"{number + noise:.{digits}f}"


def _first(site: Made, n: int) -> int:
    """Where a fault begins: at an hour of its own of the ninth day, behind all that is declared."""
    return int((8.1 + 0.07 * n) * site.day)


def _end(site: Made, n: int) -> int:
    first, scenario = _first(site, n), site.faults[n][0]
    return site.rows if scenario == "F13" else first + int(1.2 * site.day)


def _scenarios(site: Made) -> Iterator[list[object]]:
    heads = "scenario,fault,severity,cause,latency_h,row_from,row_to,columns,cells"
    yield list(heads.split(","))
    for n, (scenario, cause, columns) in enumerate(site.faults):
        latency_h = LATENCY_H.get(scenario, 4 * site.interval_s / 3600)
        span = _first(site, n), _end(site, n)
        severity = SEVERITY.get(scenario, "lost")
        yield [scenario, "made", severity, cause, latency_h, *span, columns, 0]


def _patches(site: Made, rng: random.Random) -> Iterator[list[object]]:
    yield ["scenario", "column", "row", "values"]
    low, more, fall = site.volts
    for n, (scenario, _, columns) in enumerate(site.faults):
        rows = range(_first(site, n), _end(site, n))
        span = f"{rows[0]}-{rows[-1]}"
        for column in columns.split():
            if scenario == "F12":
                codes = [rng.choice(["85.0", "-127.0", "-99.9", "7999.0"]) for _ in rows]
                yield from (
                    [scenario, column, row, code]
                    for row, code in zip(rows, codes, strict=True)
                    if row == rows[0] or rng.random() < 0.5
                )
            elif scenario == "F13":
                falls = (low + more * 0.3 - fall * k / len(rows) for k in range(len(rows)))
                yield [scenario, column, span, " ".join(f"{v:.3f}" for v in falls)]
            else:
                yield [scenario, column, span, "-"]
