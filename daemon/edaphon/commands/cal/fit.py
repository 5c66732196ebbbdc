"""`edaphon cal fit`: from the points of a calibration to the fact that `cal apply` takes."""

import csv
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot, isfinite
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edaphon import svg
from edaphon.commands.cal.add import (
    EvidenceCopy,
    Fitted,
    as_table,
    as_toml,
    config_errors,
    evidence_next_to,
    numbers_given,
    put,
)
from edaphon.commands.check import write_new, write_own
from edaphon.commands.options import USAGE, Json
from edaphon.printer import show_json, show_text
from edaphon.storage.access import fail
from edaphon.toml_input.lines import did_you_mean
from edaphon.toml_input.values import read_bytes
from edaphon_calibration.arrays import Float
from edaphon_calibration.curves import Curve, find_curve
from edaphon_calibration.errors import (
    CalibrationError,
    FitError,
    ParameterError,
    UnknownCurve,
    suggestion,
)
from edaphon_calibration.fit import FitResult, fit_curve, fit_two_point
from edaphon_calibration.soil import weighed_ring
from edaphon_calibration.units import canonical, conversion

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
    `u_point` that of each single point; `unit` that of y where the columns say it, else "".
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
    file: Path, x: str, y: str, u_point: float, u_reference: float, u_density: float, repeats: bool
) -> Points:
    """The points of a CSV file, some errors shared by all; raises BadPoints or OSError."""
    data = read_bytes(file)
    header, lines = _lines(_text(data))
    if x not in header:
        raise _lacking(x, header)
    if not lines:
        raise BadPoints("expected points below the header, got none")
    if not repeats:
        _expect_different(lines)
    truth, by_mass = _truth(header, y)
    true = [_true_value(truth, line) for line in lines]
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
    row = next(csv.reader([line], delimiter=delimiter))
    return [cell.strip() for cell in row]


def _counted(
    rows: Sequence[tuple[int, list[str]]], header: tuple[str, ...], decimal: str
) -> Iterator[_Line]:
    for number, cells in rows:
        if len(cells) != len(header):
            raise BadPoints(f"line {number}: expected {len(header)} cells, got {len(cells)}")
        yield _Line(number, dict(zip(header, cells, strict=True)), decimal)


def _lacking(name: str, header: Sequence[str]) -> BadPoints:
    near = did_you_mean(name, header)
    return BadPoints(f"expected a column {name!r} in the header, got {', '.join(header)}; {near}")


def _expect_different(lines: Sequence[_Line]) -> None:
    first: dict[tuple[str, ...], int] = {}
    for row in lines:
        before = first.setdefault(tuple(row.cells.values()), row.number)
        if before != row.number:
            raise BadPoints(
                f"lines {before} and {row.number} are the same point; leave one out, or say "
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


def _true_value(truth: Callable[[_Line], float], line: _Line) -> float:
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


CURVE, BAND, POINT = "#b03a2e", "#f2d7d5", "#1f618d"


def fit_svg(
    fitted: FitResult, x: Float, y: Float, bars: Float, labels: tuple[str, str], title: str
) -> str:
    """`bars` are half lengths [unit of y]; `labels` say what x and y are, with their units."""
    span = svg.wider(x)
    along = np.linspace(*span, 121)
    curve, reach = fitted.value(along), fitted.expanded(along)
    good = np.isfinite(curve)
    reach = np.where(np.isfinite(reach), reach, 0.0)
    along, curve, reach = along[good], curve[good], reach[good]
    above = svg.Panel(span, svg.wider(np.concatenate([y - bars, y + bars, curve])), 50.0, 400.0)
    ends = np.concatenate([fitted.residuals - bars, fitted.residuals + bars, [0.0]])
    below = svg.Panel(span, svg.wider(ends), 440.0, 560.0)
    across = svg.numbered(svg.ticks(span, 6))
    parts = [
        *svg.frame(above, labels[1], [(tick, "") for tick, _ in across]),
        *svg.frame(below, "residual", across),
        *_band(above, along, curve, reach),
        svg.line(above, along, curve, CURVE),
        svg.line(below, np.array(span), np.zeros(2), CURVE),
        *_points(above, x, y, bars),
        *_points(below, x, fitted.residuals, bars),
        svg.words_at((svg.LEFT + svg.RIGHT) / 2, svg.HEIGHT - 12, labels[0]),
        svg.words_at((svg.LEFT + svg.RIGHT) / 2, 24, title),
    ]
    return svg.picture(title, above, parts)


def _band(panel: svg.Panel, x: Float, y: Float, reach: Float) -> Iterator[str]:
    """Where the curve lies with 95 %; it may leave the frame and is cut there."""
    if reach.any():
        yield svg.band(panel, x, y - reach, y + reach, f'fill="{BAND}" clip-path="url(#upper)"')


def _points(panel: svg.Panel, x: Float, y: Float, bars: Float) -> Iterator[str]:
    for (one, other), bar in zip(svg.pairs(x, y), bars.tolist(), strict=True):
        across, ends = panel.across(one), (panel.down(other - bar), panel.down(other + bar))
        if bar:
            yield f'<path d="M{across:.1f},{ends[0]:.1f}V{ends[1]:.1f}" stroke="{POINT}"/>'
        centre = f'cx="{across:.1f}" cy="{panel.down(other):.1f}"'
        yield f'<circle {centre} r="4" fill="{POINT}"/>'


TWO_POINTS = ("two_point", "zero_span")
EACH = "parameter as NAME=VALUE, as often as needed"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What to fit: the curve, parameters that are known, where to begin, the highest power."""

    curve: Curve
    fixed: Mapping[str, float]
    start: Mapping[str, float]
    degree: int | None


def fit(
    points: Annotated[Path, typer.Argument(help="CSV file with a header and a line per point")],
    curve: Annotated[str, typer.Option(help="name of a curve, such as linear or two_point")],
    degree: Annotated[int | None, typer.Option(help="of a polynomial: 1 to 6")] = None,
    fixed: Annotated[list[str] | None, typer.Option(help=f"known {EACH}")] = None,
    start: Annotated[list[str] | None, typer.Option(help=f"where to begin: {EACH}")] = None,
    x: Annotated[str, typer.Option("--x", help="column of the readings")] = "raw",
    y: Annotated[str, typer.Option("--y", help="column of the true values")] = "reference",
    from_unit: Annotated[str, typer.Option(help="unit of the readings")] = "",
    to_unit: Annotated[str, typer.Option(help="unit of the true values")] = "",
    u_point: Annotated[
        float, typer.Option(help="standard uncertainty of one point, in the unit of y")
    ] = 0.0,
    u_reference: Annotated[
        float, typer.Option(help="shared uncertainty of the true values, in the unit of y")
    ] = 0.0,
    u_bulk_density: Annotated[
        float, typer.Option(help="shared uncertainty of bulk density, in g/cm3")
    ] = 0.0,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="treat equal lines as repeated measurements")
    ] = False,
    channel: Annotated[str, typer.Option(help="its channel (soil or site step)")] = "",
    sensor: Annotated[str, typer.Option(help="or the serial number of the sensor")] = "",
    output: Annotated[str, typer.Option(help="with --sensor: output of the sensor")] = "",
    since: Annotated[str, typer.Option("--from", help="valid from this time on")] = "",
    id: Annotated[str, typer.Option("--id", help="name; default: made of the rest")] = "",
    supersedes: Annotated[str, typer.Option(help="id of the one that it corrects")] = "",
    operator: Annotated[str, typer.Option(help="person who made it")] = "",
    method: Annotated[str, typer.Option(help="method")] = "",
    reference: Annotated[str, typer.Option("--reference-standard", help="reference standard")] = "",
    write: Annotated[Path | None, typer.Option("-o", "--write", help="file to write")] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG file to write")] = None,
    json: Json = False,
) -> None:
    """Fit a curve to the points of a calibration and print the result; nothing is changed."""
    subject = {"channel": channel, "sensor": sensor, "output": output}
    _one_subject(subject)
    if write is not None and os.path.lexists(write):
        raise fail(f"{write} is there already; a file once applied is never edited: another name")
    answered = {"from": since, "operator": operator, "method": method, "reference": reference}
    answered |= subject | {"supersedes": supersedes, "id": id or _name(subject, curve, since)}
    wish = _wish(curve, numbers_given(fixed, "--fixed"), numbers_given(start, "--start"), degree)
    stated = {"point": u_point, "reference": u_reference, "bulk-density": u_bulk_density}
    for option, number in stated.items():
        _not_negative(f"--u-{option}", number)
    try:
        read = read_points(points, x, y, u_point, u_reference, u_bulk_density, repeats)
        read, units = _in_units(wish.curve, read, from_unit, to_unit)
        result = _fit(wish, read)
    except (BadPoints, CalibrationError) as error:
        raise fail(f"{points}: {error}") from None
    except OSError as error:
        words = f"expected a file that can be read, got {points} ({error.strerror})"
        raise fail(words, USAGE) from None
    certificates = evidence_next_to([points], write or points)
    free = len(result.parameters) - len(wish.fixed)
    fitted = Fitted(result, free, units, certificates[0].name, read.sha256)
    _deliver(fitted, as_table(fitted, answered), read, certificates, write, plot, json)


def _deliver(
    fitted: Fitted,
    table: Mapping[str, object],
    read: Points,
    certificates: list[EvidenceCopy],
    write: Path | None,
    plot: Path | None,
    json: bool,
) -> None:
    text = as_toml(fitted, table)
    _expect_right(text)
    written: list[Path] = []
    if write is not None:
        written += put(certificates)
        write_new(write, text)
        written.append(write)
    if plot is not None:
        write_own(plot, _picture(fitted, read), svg.PICTURE)
        written.append(plot)
    if json:
        show_json(_as_table(fitted, table, written))
    else:
        show_text(text if write is None else _summary(fitted, write))


def _one_subject(subject: Mapping[str, str]) -> None:
    by_sensor = bool(subject["sensor"]) and bool(subject["output"])
    half = bool(subject["sensor"]) != bool(subject["output"])
    if half or by_sensor == bool(subject["channel"]):
        raise fail("expected either --channel ID, or --sensor SERIAL with --output NAME", USAGE)


def _name(subject: Mapping[str, str], curve: str, since: str) -> str:
    """Such as P1-vwc-5-2026-03-01, or with the curve's name where no time is given."""
    what = subject["channel"] or f"{subject['sensor']}-{subject['output']}"
    return re.sub("[^A-Za-z0-9._:-]", "-", f"{what}-{since[:10] or curve}")[:64]


def _not_negative(option: str, number: float) -> None:
    if not 0.0 <= number < float("inf"):
        raise fail(f"expected {option} with 0 or more, got {number:g}", USAGE)


def _wish(
    name: str, fixed: Mapping[str, float], start: Mapping[str, float], degree: int | None
) -> _Wish:
    """Ends with the words of what can't be wished."""
    try:
        found = find_curve(name)
    except UnknownCurve as error:
        raise fail(str(error), USAGE) from None
    for given in (*fixed, *start):
        if found.parameter_name(given) is None:
            known = ", ".join(found.parameters) or "none"
            words = f"curve {name}: expected its parameters ({known}), got {given!r}"
            raise fail(words + suggestion(given, found.parameters), USAGE)
    if (degree is None) != (name != "polynomial") or degree not in {None, *range(1, 7)}:
        raise fail("expected --degree from 1 to 6 with the curve polynomial, else none", USAGE)
    if name in TWO_POINTS and (fixed or start):
        raise fail(f"expected no --fixed or --start: {name} is its two points", USAGE)
    return _Wish(found, fixed, start, degree)


def _in_units(
    found: Curve, read: Points, from_unit: str, to_unit: str
) -> tuple[Points, tuple[str, str]]:
    """The points in the curve's own units, or in the stated ones where it has none."""
    if read.unit and to_unit:
        raise BadPoints(f"expected no --to-unit: what these columns give is in {read.unit}")
    stated = read.unit or to_unit
    x, into = _converted(read.x, from_unit, found.from_unit, "--from-unit", found.name)
    y, out = _converted(read.y, stated, found.to_unit, "--to-unit", found.name)
    gain = abs(conversion(stated, out).scale) if stated else 1.0
    common = tuple(gain * one for one in read.common)
    return replace(read, x=x, y=y, common=common, u_point=gain * read.u_point), (into, out)


def _converted(
    numbers: tuple[float, ...], stated: str, own: str | None, option: str, name: str
) -> tuple[tuple[float, ...], str]:
    """Raises UnitError for units that don't fit, BadPoints where one is needed and none stated."""
    wanted = own or (canonical(stated) if stated else "")
    if not wanted:
        raise BadPoints(f"expected {option}: the curve {name} has no unit of its own")
    if not stated or own is None:
        return numbers, wanted
    line = conversion(stated, wanted)
    return tuple(line.apply(np.array(numbers)).tolist()), wanted


def _fit(wish: _Wish, read: Points) -> FitResult:
    """Raises FitError."""
    if wish.curve.name in TWO_POINTS:
        return _through_two(wish, read)
    free = [] if wish.degree is None else [f"c{k}" for k in range(wish.degree + 1)]
    numbers = dict(wish.fixed), dict(wish.start), read.u_point, read.common
    return fit_curve(wish.curve.name, read.x, read.y, free, *numbers)


def _through_two(wish: _Wish, read: Points) -> FitResult:
    """The lower reading first, as its curve has it; each truth with both its uncertainties."""
    if len(read.x) != 2:
        words = f"expected 2 points for the curve {wish.curve.name}, got {len(read.x)}"
        raise FitError(f"{words}; linear fits more of them")
    (low, high) = sorted(zip(read.x, read.y, read.common, strict=True))
    spread = hypot(low[2], read.u_point), hypot(high[2], read.u_point)
    ends = (low[0], high[0]), (low[1], high[1])
    return fit_two_point(*ends, u_truths=spread, curve_name=wish.curve.name)


def _expect_right(text: str) -> None:
    """What check would not take was asked for wrongly: its words, in terms of the options."""
    for config_error in config_errors(text):
        # what it supersedes is in the journal, which is not asked here
        if (
            config_error.key != "calibration.supersedes"
            or "no earlier fact" not in config_error.came
        ):
            words = f"{config_error.key}: {config_error.came}; {config_error.right}"
            raise fail(words, USAGE)


def _picture(fitted: Fitted, read: Points) -> str:
    result = fitted.result
    one = max(result.residual_sd, read.u_point) if fitted.scatters else read.u_point
    bars = 2.0 * np.hypot(one, np.array(read.common))
    labels = f"reading [{fitted.units[0]}]", f"true value [{fitted.units[1]}]"
    words = f"{result.curve}, {fitted.file}, n = {result.n}; bars k = 2, band 95 %"
    return fit_svg(result, np.array(read.x), np.array(read.y), bars, labels, words)


def _summary(fitted: Fitted, write: Path) -> str:
    scatter = fitted.scatter or "no scatter"
    return (
        f"{fitted.result.curve} through {fitted.result.n} points from {fitted.span}, {scatter}\n"
        f"{write} is written; `edaphon cal preview {write}`, then `edaphon cal apply {write}`"
    )


def _as_table(
    fitted: Fitted, table: Mapping[str, object], written: list[Path]
) -> dict[str, object]:
    result = fitted.result
    return {
        "calibration": table,
        "n": result.n,
        "residual_sd": result.residual_sd if fitted.scatters else None,
        "dof": result.dof if isfinite(result.dof) else None,
        "range": list(result.range),
        "residuals": result.residuals.tolist(),
        "written": [str(path) for path in written],
    }
