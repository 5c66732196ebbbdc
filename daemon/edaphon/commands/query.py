"""What a person reads of a site: `edaphon query`, `channels`, `quality`."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from edaphon import printer
from edaphon.api import (
    Site,
    ValueOrigin,
    canonical_unit,
    offset_of,
    open_release,
    open_site,
    shown_unit,
    window_of,
)
from edaphon.clock import FAR_NS, typed_ns
from edaphon.commands.options import USAGE, Config, End, Folder, Json, Start
from edaphon.errors import DamagedError, StorageError, TimeError
from edaphon.model import Observations
from edaphon.series import WrongFile
from edaphon.storage.paths import Layout, find_folder
from edaphon.tables import FLAGS, Means, means_of

if TYPE_CHECKING:
    from edaphon.quality import QualityReport


HEADER = ("time", "support_s", "value", "unit", "u_random", "u_systematic", "flag", "derivation")


class Level(StrEnum):
    RAW = "raw"
    CALIBRATED = "calibrated"


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def query(
    channels: Annotated[list[str], typer.Argument(help="ids of channels", metavar="channel...")],
    start: Start = "",
    end: End = "",
    every: Annotated[
        str, typer.Option(help="means of such windows: 1d, 1h, 30min; else each value")
    ] = "",
    flags: Annotated[str, typer.Option(help="with --every: flags that are wanted")] = "1,2",
    utc_offset: Annotated[
        str, typer.Option(help="with --every: days of a clock of that offset from UTC")
    ] = "+00:00",
    level: Annotated[Level, typer.Option(help="numbers as reported, or values")] = Level.CALIBRATED,
    as_known_at: Annotated[
        str, typer.Option(help="values as they were known at that time, such as 2026-04-01")
    ] = "",
    release: Annotated[
        str, typer.Option(help="values of that release, by its name or file; else current ones")
    ] = "",
    ucum: Annotated[bool, typer.Option("--ucum", help="units as UCUM codes")] = False,
    format: Annotated[Format | None, typer.Option(help="table for people, else csv")] = None,
    file: Config = None,
    folder: Folder = None,
) -> None:
    """Show the values of a channel: now, in a release, or as known at a time."""
    if release and as_known_at:
        raise TimeError("expected --release or --as-known-at, got both")
    span = instant(start, -FAR_NS), instant(end, FAR_NS)
    then_ns = typed_ns(as_known_at) if as_known_at else None
    chosen = format or (Format.TABLE if sys.stdout.isatty() else Format.CSV)
    window = _window(every, utc_offset, flags) if every else None
    table: tuple[Sequence[str], Iterator[tuple[Any, ...]]]
    with _release_refused(release):
        site = _site(release, file, folder)
        with site.origins(dict.fromkeys(channels), then_ns) as origins:
            if window is not None:
                runs = ((each.channel, each.runs(*span)) for each in origins)
                table = MEANS_HEADER, _mean_rows(means_of(runs, *window), ucum)
            elif len(origins) == 1:
                table = HEADER, _values(origins[0], span, level, ucum)
            else:
                table = ("channel", *HEADER), _labelled(origins, span, level, ucum)
            printer.show_pieces(_WRITERS[chosen](*table))


MEANS_HEADER = (
    *("channel", "time_start", "time", "n", "coverage", "mean", "minimum", "maximum", "total"),
    *("unit", "u_random", "u_systematic", "flag"),
)


def _window(every: str, utc_offset: str, flags: str) -> tuple[int, int, list[int]]:
    """(length, offset [ns], flags) as they were typed; raises TimeError."""
    try:
        wanted = [int(flag) for flag in flags.split(",")]
        if not set(wanted) <= set(FLAGS):
            raise ValueError
    except ValueError:
        known = ", ".join(map(str, FLAGS))
        raise TimeError(f"expected flags of {known}, such as 1,2, got {flags!r}") from None
    try:
        return window_of(every), offset_of(utc_offset), wanted
    except ValueError as error:
        raise TimeError(str(error)) from None


def _mean_rows(means: Means, ucum: bool) -> Iterator[tuple[Any, ...]]:
    for id, n in means.across.items():
        if n:
            printer.show_error(
                f"{id}: the intervals of {n} rows lie in no one window; they are left out"
            )
    columns = means.columns()
    ids = columns.pop("channel").tolist()
    times = [columns.pop(name).astype("int64").tolist() for name in ("time_start", "time")]
    units = {id: _shown(row.unit, ucum) for id, row in means.channels.items()}
    for id, first, last, *rest in zip(
        ids, *times, *(c.tolist() for c in columns.values()), strict=True
    ):
        n, coverage, *numbers, flag = rest
        mean, least, most, total, random, systematic = map(_plain, numbers)
        yield (
            *(
                id,
                _iso(first),
                _iso(last),
                n,
                coverage,
                mean,
                least,
                most,
                total,
                units[id],
            ),
            *(random, systematic, flag),
        )


def _labelled(
    origins: Iterable[ValueOrigin], span: tuple[int, int], level: Level, ucum: bool
) -> Iterator[tuple[Any, ...]]:
    """The values of several channels, one after the other, each row with its channel."""
    for each in origins:
        for row in _values(each, span, level, ucum):
            yield (each.channel.id, *row)


def _values(
    origin: ValueOrigin, span: tuple[int, int], level: Level, ucum: bool
) -> Iterator[tuple[Any, ...]]:
    return _rows(origin.runs(*span), level, _unit_of(origin, level, ucum))


def _site(release: str, file: Path | None, folder: Path | None) -> Site:
    """A release by its file needs nothing else; by its name it is one of the storage folder's."""
    if release.endswith(".sqlite"):
        return open_release(Path(release))
    layout = Layout(find_folder(file, folder))
    if release:
        return open_release(_release_named(release, layout))
    return open_site(layout.folder, printer.show_error, settle)


def settle(layout: Layout, _: Callable[[str], None]) -> None:
    """While no daemon answers: derive what a kill left underived."""
    from edaphon.storage.access import Storage
    from edaphon.storage.client import set_umask
    from edaphon.storage.offline import derive_the_rest

    set_umask()
    derive_the_rest(Storage(None, layout))


@contextmanager
def _release_refused(release: str) -> Iterator[None]:
    try:
        yield
    except (DamagedError, WrongFile) as wrong:
        remedy = "; take the release from a copy" if release else ""
        raise DamagedError(f"{wrong}{remedy}") from None


def _release_named(name: str, layout: Layout) -> Path:
    path = layout.release(name)
    if not path.exists():
        there = ", ".join(sorted(path.stem for path in layout.releases.glob("*.sqlite")))
        raise StorageError(f"expected the name of a release ({there or 'none yet'}), got {name!r}")
    return path


def _unit_of(origin: ValueOrigin, level: Level, ucum: bool) -> Callable[[Observations], str]:
    own = _shown(origin.channel.unit, ucum) if level is Level.CALIBRATED else ""

    def unit_of(run: Observations) -> str:
        if level is Level.CALIBRATED:
            return own
        text = origin.derivation_text(run.derivation)
        unit = _reported_unit(text) if text else ""
        try:
            return _shown(canonical_unit(unit), ucum) if unit else ""
        except ValueError as error:  # of a release, which others made
            raise DamagedError(f"expected a unit of {origin.channel.id}: {error}") from None

    return unit_of


def _shown(unit: str, ucum: bool) -> str:
    if not (unit and ucum):
        return shown_unit(unit)
    from edaphon_calibration.ucum import to_ucum

    return to_ucum(unit)


def _reported_unit(derivation_text: str) -> str:
    try:
        return str(orjson.loads(derivation_text)["output"][2])
    except (ValueError, TypeError, LookupError):
        raise DamagedError(
            "expected a derivation that says its reported unit, got another text"
        ) from None


def instant(text: str, absent: int) -> int:
    """A time of the command line [UTC ns]; UTC where it names no offset."""
    return typed_ns(text) if text else absent


def _rows(
    runs: Iterable[Observations], level: Level, unit_of: Callable[[Observations], str]
) -> Iterator[tuple[Any, ...]]:
    for run in runs:
        unit = unit_of(run)
        numbers = run.raw if level is Level.RAW else run.value
        columns = (run.time_ns, run.start_ns, numbers, run.u_random, run.u_systematic, run.flag)
        for time, begin, number, random, systematic, flag in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            shown = (random, systematic) if level is Level.CALIBRATED else (None, None)
            yield (
                _iso(time),
                (time - begin) / 1e9,
                _plain(number),
                unit,
                _plain(shown[0]),
                _plain(shown[1]),
                flag,
                run.derivation,
            )


def _plain(number: float | None) -> float | None:
    return None if number is None or number != number else number


def _iso(time_ns: int) -> str:
    """UTC to the nanosecond, trailing zeros left out."""
    seconds, rest = divmod(time_ns, 10**9)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest:09d}".rstrip("0") + "Z" if rest else f"{whole}Z"


def _csv(header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in chain((header,), rows):
        writer.writerow(map(_csv_cell, row))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, str):
        return printer.as_data(printer.visible(cell))
    return "" if cell is None else cell


def _json(header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + printer.json_text(dict(zip(header, row, strict=True)), indent=False)
        before = ",\n"
    yield "]\n" if before != "[" else "[]\n"


def _table(header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    widths = [_WIDTHS.get(name, 12) for name in header]
    for row in chain((header,), rows):
        yield " ".join(_cell(cell, width) for cell, width in zip(row, widths, strict=True)) + "\n"


_WIDTHS = {"time": 30, "time_start": 21, "channel": 16, "support_s": 9, "value": 14}
_WIDTHS |= {"unit": 10, "u_random": 10, "flag": 4, "n": 6, "coverage": 8}


def _cell(cell: Any, width: int) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}".rjust(width)
    return printer.visible(str("" if cell is None else cell)).ljust(width)


_WRITERS = {Format.TABLE: _table, Format.CSV: _csv, Format.JSON: _json}


def channels(
    release: Annotated[Path | None, typer.Option(help="of this release file")] = None,
    file: Config = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """List the channels: quantity, unit, place, and the first, last and number of values."""
    found = [
        row.as_json()
        for row in open_site(
            release or find_folder(file, folder), printer.show_error, settle
        ).channels()
    ]
    if json:
        printer.show_json(found)
        return
    header = list(found[0]) if found else ["id"]
    printer.show_rows(header, ([row[name] for name in header] for row in found))


WEEK_DAYS = 7
MOST_SPANS = 200  # on a terminal


def quality(
    channels: Annotated[
        list[str] | None, typer.Argument(help="ids of channels; default: all, the last 7 days")
    ] = None,
    start: Start = "",
    end: End = "",
    rules: Annotated[
        Path | None, typer.Option(help="file of rules that stand in place of the usual ones")
    ] = None,
    file: Config = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Test values with their context, and list what fails and why.

    Context is what other channels say: temperature at the same depth, rain, a replicate. Of one
    channel each run of values that fails is listed, of several the number of them. Stored values
    and flags stay as they are.
    """
    from edaphon_calibration.quality.rules import RulesError

    site = open_site(find_folder(file, folder), printer.show_error, settle)
    try:
        text = rules.read_text("utf-8") if rules else ""
        ids = channels or site.channels().ids
        begin = start or (None if channels else datetime.now(UTC) - timedelta(days=WEEK_DAYS))
        found = [site.quality(id, begin, end or None, rules=text) for id in ids]
    except (RulesError, UnicodeDecodeError) as error:
        printer.show_error(f"{rules}: {error}")
        raise typer.Exit(USAGE) from None
    if json:
        shown = [report.as_json() for report in found]
        printer.show_json(shown[0] if channels and len(shown) == 1 else shown)
    elif channels and len(found) == 1:
        printer.show_lines(_quality_lines(found[0]))
    else:
        printer.show_lines(f"{_counts(report)}: {_failed(report)}" for report in found)


def _counts(report: "QualityReport") -> str:
    flags = report.flags()
    return (
        f"{report.channel.id}: {len(report.time_ns)} rows: {flags[1]} passed, {flags[2]} not"
        f" evaluated, {flags[3]} suspect, {flags[4]} fail, {flags[9]} missing"
    )


def _failed(report: "QualityReport") -> str:
    """The tests that failed, the most frequent first."""
    tests = sorted(report.failed.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{test} {n}" for test, n in tests) or "no test failed"


def _quality_lines(found: "QualityReport") -> Iterator[str]:
    yield f"{_counts(found)} (rules {found.rules})"
    for role, id in found.context.named().items():
        yield f"{role}: {id}"
    yield f"horizon: {found.horizon.id if found.horizon else 'none; see [[horizon]]'}"
    for name, n in found.evaluated.items():
        yield f"test {name}: {n} rows evaluated, {found.failed.get(name, 0)} failed"
    for n, span in enumerate(found.spans()):
        if n == MOST_SPANS:
            yield "more with --json, or with --start and --end"
            return
        what = f"{span['n']} rows, flag {span['flag']}: {span['reason']}"
        yield f"{span['from']} to {span['to']}: {what}"
