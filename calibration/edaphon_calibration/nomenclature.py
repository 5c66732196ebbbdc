"""The quantities that a channel can have: name, unit, meaning, CF standard name, possible numbers.

They are the rows of `quantities.csv`. The possible numbers are wide: a number that a working
instrument in the field reports stays inside, with its noise around zero (CO2 of -2 ppm), its
calibration's error in dry soil (water of -0.02) and above saturation (humidity of 103 %). Usual
ranges, which are narrower, stand with the check `range`.
"""

import csv
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import NamedTuple

from edaphon_calibration.errors import UnknownQuantity, suggestion


class Physics(NamedTuple):
    """The lowest and the highest possible number [a unit], and why, or why there is none.

    Between them and the true domain, `least` to `most`, lie the noise of instruments and the errors
    of calibrations: such a number is a value, and suspect.
    """

    lowest: float
    highest: float
    why: str
    least: float = -inf
    most: float = inf

    @property
    def limited(self) -> bool:
        return self.lowest > -inf or self.highest < inf


class Quantity(NamedTuple):
    """One line of the nomenclature; `unit` is canonical and can be converted to CF's own."""

    name: str
    unit: str
    meaning: str
    cf_name: str | None
    physics: Physics


def table(name: str) -> Iterator[dict[str, str]]:
    """The rows of one of this package's CSV files; a line with # at its begin is a comment."""
    text = Path(__file__).with_name(f"{name}.csv").read_text("utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


def _read() -> Iterator[Quantity]:
    for row in table("quantities"):
        low, high = _ends(row, "lowest", "highest")
        physics = Physics(low, high, row["why"], *_ends(row, "least", "most"))
        yield Quantity(row["name"], row["unit"], row["meaning"], row["cf_name"] or None, physics)


def _ends(row: Mapping[str, str], lowest: str, highest: str) -> tuple[float, float]:
    return float(row[lowest] or -inf), float(row[highest] or inf)


QUANTITIES = {line.name: line for line in _read()}


def quantity(name: str) -> Quantity:
    """The line of that quantity; raises UnknownQuantity.

    >>> quantity("soil_temperature").unit
    'degC'
    """
    if name not in QUANTITIES:
        raise UnknownQuantity(
            f"expected a quantity of the nomenclature; came {name[:80]!r}"
            + suggestion(name, QUANTITIES)
        )
    return QUANTITIES[name]


_LEVELS = frozenset({"instant", "mean", "min", "max"})


def holds_for(statistic: str) -> bool:
    """A sum, a count or a standard deviation of a quantity is no value of it and may be anywhere.

    >>> holds_for("mean"), holds_for("sum")
    (True, False)
    """
    return statistic in _LEVELS
