"""The points of a calibration from a CSV file: readings, true values, and what goes with them."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from pathlib import Path

from edaphon.toml_input import did_you_mean
from edaphon.toml_input.lines import read_bytes
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.soil import weighed_ring

__all__ = ["BadPoints", "Points", "read_points"]

REFERENCE = "reference"
RINGS = ("wet_g", "dry_g", "volume_cm3")
BY_MASS = ("gravimetric", "bulk_density")
THETA_UNIT = "m**3/m**3"
DENSEST = 3.0  # [g/cm³], beyond any soil


class BadPoints(ValueError):
    """A file of points that can't be used: what was expected, what came, on which line."""


@dataclass(frozen=True, slots=True)
class Points:
    """Readings x and true values y, in the order of the file.

    `common` is for each point its share of the reference's error, which all points have together,
    `u_point` what one has beside the others; `unit` that of y where the columns say it, else "".
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    common: tuple[float, ...]
    u_point: float
    unit: str
    sha256: str


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: Mapping[str, str]
    decimal: str

    def value(self, column: str) -> float:
        """The number of a column; raises BadPoints."""
        text = self.cells[column]
        try:
            found = float(text.replace(self.decimal, "."))
        except ValueError:
            found = float("nan")
        if "_" in text or not isfinite(found):
            raise BadPoints(f"line {self.number}, {column}: expected a number, got {text!r}")
        return found


def read_points(
    file: Path,
    x: str,
    y: str,
    u_point: float,
    u_reference: float,
    u_density: float,
    repeats: bool,
) -> Points:
    """The points of a CSV file; raises BadPoints or OSError.

    `u_reference` [unit of y] and `u_density` [g/cm³] are one error of all points; a column
    `u_reference` says it for each. Two equal lines are one point written twice, unless `repeats`.
    """
    data = read_bytes(file)
    header, lines = _lines(_text(data))
    _expect_column(x, header)
    if not lines:
        raise BadPoints("expected points below the header, got none")
    if not repeats:
        _expect_different(lines)
    truth, by_mass = _truth(header, y)
    true = [_told(truth, line) for line in lines]
    common = [_reference(line, u_reference) for line in lines]
    if by_mass:
        shares = [t * u_density / _density(line) for t, line in zip(true, lines, strict=True)]
        common = [hypot(c, s) for c, s in zip(common, shares, strict=True)]
    elif u_density:
        raise BadPoints("expected columns with a bulk density for its uncertainty, got none")
    readings = tuple(line.value(x) for line in lines)
    sha256 = hashlib.sha256(data).hexdigest()
    unit = THETA_UNIT if by_mass else ""
    return Points(readings, tuple(true), tuple(common), u_point, unit, sha256)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPoints(f"expected text saved as UTF-8, byte {error.start} is not") from None


def _reference(line: _Line, u_reference: float) -> float:
    """The line's own uncertainty of the reference, else that of all lines."""
    found = line.value("u_reference") if "u_reference" in line.cells else u_reference
    if found < 0.0:
        raise BadPoints(f"line {line.number}, u_reference: expected 0 or more, got {found:g}")
    return found


def _lines(text: str) -> tuple[tuple[str, ...], list[_Line]]:
    """Header and lines; empty ones and those after a # are left out."""
    kept = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip(" \t,;") and not line.lstrip().startswith("#")
    ]
    if not kept:
        raise BadPoints("expected a header such as raw,reference; got an empty file")
    delimiter = next((mark for mark in (";", "\t") if mark in kept[0][1]), ",")
    rows = [(number, _cells(line, delimiter)) for number, line in kept]
    header = tuple(rows[0][1])
    for name in header:
        if header.count(name) > 1:
            raise BadPoints(f"expected each column once, got {name!r} twice in the header")
    return header, list(_counted(rows[1:], header, "." if delimiter == "," else ","))


def _cells(line: str, delimiter: str) -> list[str]:
    row = next(csv.reader(io.StringIO(line), delimiter=delimiter))
    return [cell.strip() for cell in row]


def _counted(
    rows: Sequence[tuple[int, list[str]]], header: tuple[str, ...], decimal: str
) -> Iterator[_Line]:
    for number, cells in rows:
        if len(cells) != len(header):
            raise BadPoints(f"line {number}: expected {len(header)} cells, got {len(cells)}")
        yield _Line(number, dict(zip(header, cells, strict=True)), decimal)


def _expect_column(name: str, header: Sequence[str]) -> None:
    if name not in header:
        raise _lacking(name, header)


def _lacking(name: str, header: Sequence[str]) -> BadPoints:
    near = did_you_mean(name, header)
    return BadPoints(f"expected a column {name!r} in the header, got {', '.join(header)}; {near}")


def _expect_different(lines: Sequence[_Line]) -> None:
    first: dict[tuple[str, ...], int] = {}
    for line in lines:
        before = first.setdefault(tuple(line.cells.values()), line.number)
        if before != line.number:
            raise BadPoints(
                f"lines {before} and {line.number} are the same point; leave one out, or say "
                "--repeats if it was measured twice"
            )


def _truth(header: Sequence[str], y: str) -> tuple[Callable[[_Line], float], bool]:
    """How the true value of a line is had, and whether it is a water content by bulk density."""
    if y in header:
        return lambda line: line.value(y), False
    if y == REFERENCE and set(RINGS) <= set(header):
        return _by_ring, True
    if y == REFERENCE and set(BY_MASS) <= set(header):
        return lambda line: line.value("gravimetric") * _density(line), True
    if y == REFERENCE:
        raise BadPoints(
            f"expected the columns {REFERENCE}, or {', '.join(RINGS)}, or {', '.join(BY_MASS)}; "
            f"got {', '.join(header)}"
        )
    raise _lacking(y, header)


def _told(truth: Callable[[_Line], float], line: _Line) -> float:
    try:
        return truth(line)
    except ParameterError as error:
        raise BadPoints(f"line {line.number}: {error}") from None


def _by_ring(line: _Line) -> float:
    return weighed_ring(*(line.value(column) for column in RINGS)).volumetric


def _density(line: _Line) -> float:
    """Dry bulk density [g/cm³]."""
    if set(RINGS) <= line.cells.keys():
        return line.value("dry_g") / line.value("volume_cm3")
    density = line.value("bulk_density")
    if not 0.0 < density < DENSEST:
        words = f"expected a bulk density from 0 to {DENSEST:g} g/cm**3"
        raise BadPoints(f"line {line.number}: {words}, got {density:g}")
    return density
