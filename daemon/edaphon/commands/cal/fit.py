"""`edaphon cal fit`: from the points of a calibration to the fact that `cal apply` takes."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import hypot, isfinite
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edaphon.commands.cal.evidence import Paper, papers_beside, put
from edaphon.commands.cal.options import numbers_given
from edaphon.commands.cal.plot import fit_svg
from edaphon.commands.cal.points import BadPoints, Points, read_points
from edaphon.commands.cal.text import Fitted, as_table, as_toml, config_errors
from edaphon.commands.new_files import write_new, write_own
from edaphon.printer import show_json, show_text
from edaphon.storage.access import fail
from edaphon.svg import PICTURE
from edaphon_calibration.curves import Curve, find_curve
from edaphon_calibration.errors import CalibrationError, FitError, UnknownCurve, suggestion
from edaphon_calibration.fit import FitResult, fit_curve, fit_two_point
from edaphon_calibration.units import canonical, conversion

__all__ = ["fit"]

USAGE = 2
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
    degree: Annotated[int | None, typer.Option(help="of the curve polynomial: 1 to 6")] = None,
    fixed: Annotated[list[str] | None, typer.Option(help=f"known {EACH}")] = None,
    start: Annotated[list[str] | None, typer.Option(help=f"where to begin: {EACH}")] = None,
    x: Annotated[str, typer.Option("--x", help="column of the readings")] = "raw",
    y: Annotated[str, typer.Option("--y", help="column of the true values")] = "reference",
    from_unit: Annotated[str, typer.Option(help="unit of the readings")] = "",
    to_unit: Annotated[str, typer.Option(help="unit of the true values")] = "",
    u_point: Annotated[float, typer.Option(help="standard uncertainty of one point, in y")] = 0.0,
    u_reference: Annotated[float, typer.Option(help="one error of all true values, in y")] = 0.0,
    u_bulk_density: Annotated[float, typer.Option(help="one error of all, in g/cm3")] = 0.0,
    repeats: Annotated[bool, typer.Option("--repeats", help="equal lines are repeats")] = False,
    channel: Annotated[str, typer.Option(help="the channel it is for (soil or site step)")] = "",
    sensor: Annotated[str, typer.Option(help="or the serial number it is for")] = "",
    output: Annotated[str, typer.Option(help="with --sensor: the output it is for")] = "",
    since: Annotated[str, typer.Option("--from", help="true from this time on")] = "",
    id: Annotated[str, typer.Option("--id", help="name; made of the above if not given")] = "",
    supersedes: Annotated[str, typer.Option(help="id of the one it puts right")] = "",
    operator: Annotated[str, typer.Option(help="who made it")] = "",
    method: Annotated[str, typer.Option(help="how")] = "",
    reference: Annotated[str, typer.Option("--reference-standard", help="against what")] = "",
    write: Annotated[Path | None, typer.Option("-o", "--write", help="file to write")] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG file to write")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Fit a curve through points and print the calibration; nothing is put in force by it."""
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
    certificates = papers_beside([points], write or points)
    free = len(result.parameters) - len(wish.fixed)
    fitted = Fitted(result, free, units, certificates[0].name, read.sha256)
    _deliver(fitted, as_table(fitted, answered), read, certificates, write, plot, json)


def _deliver(
    fitted: Fitted,
    table: Mapping[str, object],
    read: Points,
    certificates: list[Paper],
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
        write_own(plot, _picture(fitted, read), PICTURE)
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
