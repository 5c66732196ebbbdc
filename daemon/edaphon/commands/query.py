"""`edaphon query`: the values of a channel with unit, uncertainty, flag and derivation."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import orjson
import typer

from edaphon.clock import FAR_NS
from edaphon.derive.fact_log import known_facts
from edaphon.derive.projection import known_as_of, values_then
from edaphon.facts import Knowledge
from edaphon.journal import JournalReader, read_only
from edaphon.model import Observations
from edaphon.printer import as_data, json_text, show_pieces, visible
from edaphon.series import OpenRelease, Series, WrongFile
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.lost_facts import lost_facts, warn_of_lost_facts
from edaphon.storage.moments import moment_ns
from edaphon_calibration.errors import UnitError
from edaphon_calibration.ucum import to_ucum
from edaphon_calibration.units import canonical

__all__ = ["instant", "query"]

HEADER = ("time", "support_s", "value", "unit", "u_random", "u_systematic", "flag", "derivation")


class Level(StrEnum):
    RAW = "raw"
    CALIBRATED = "calibrated"


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the values of a channel come from, and their unit."""

    unit: str
    runs: Callable[[int, int], Iterable[Observations]]  # from, until before [UTC ns]
    derivation_text: Callable[[str], str | None]


def query(
    channel: Annotated[str, typer.Argument(help="id of a channel")],
    start: Annotated[str, typer.Option(help="from this time on, such as 2026-04-01")] = "",
    end: Annotated[str, typer.Option(help="until just before this time")] = "",
    level: Annotated[Level, typer.Option(help="numbers as reported, or values")] = Level.CALIBRATED,
    as_known_at: Annotated[
        str, typer.Option(help="values as they were known at that time, such as 2026-04-01")
    ] = "",
    release: Annotated[
        str, typer.Option(help="values of that release, by its name or file; else current ones")
    ] = "",
    ucum: Annotated[bool, typer.Option("--ucum", help="units as UCUM codes")] = False,
    format: Annotated[Format | None, typer.Option(help="table for people, else csv")] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
) -> None:
    """Print the values of a channel: those of now, of a release, or as known at a time."""
    if release and as_known_at:
        raise fail("expected --release or --as-known-at, got both", 2)
    if release:
        origin = _released(channel, release, file)
    elif as_known_at:
        origin = _known_then(channel, instant(as_known_at, 0), file)
    else:
        origin = _current(channel, file)

    def unit_of(run: Observations) -> str:
        unit = origin.unit
        if level is Level.RAW:
            text = origin.derivation_text(run.derivation)
            unit = _reported_unit(text) if text else ""
        if not unit:
            return ""
        try:
            return to_ucum(unit) if ucum else canonical(unit).replace("**", "")
        except UnitError as error:  # of a release, which others made
            raise fail(f"expected a unit of {channel}: {error}") from None

    runs = origin.runs(instant(start, -FAR_NS), instant(end, FAR_NS))
    chosen = format or (Format.TABLE if sys.stdout.isatty() else Format.CSV)
    show_pieces(_WRITERS[chosen](_rows(runs, level, unit_of)))


def _reported_unit(derivation_text: str) -> str:
    try:
        return str(orjson.loads(derivation_text)["output"][2])
    except (ValueError, TypeError, LookupError):
        raise fail("expected a derivation that says its reported unit, got another text") from None


def _current(channel: str, file: Path | None) -> Origin:
    storage = open_storage(file)
    if not storage.layout.journal.exists():
        _unit(channel, {})
    series = storage.series()
    warn_of_lost_facts(storage)
    unit = _unit(channel, _units(known_facts(_journal(storage), series)))
    return _of_series(channel, unit, series)


def _known_then(channel: str, time_ns: int, file: Path | None) -> Origin:
    """Derived from what was kept by then, with the facts and the configuration of then."""
    storage = open_storage(file)
    series, journal = storage.series(), _journal(storage)
    if words := lost_facts(storage):
        raise fail(f"expected all facts, to derive what was known then: {words}")
    known = known_as_of(journal, series, time_ns)
    if known is None:
        raise fail("expected a time behind the first entry of the journal: nothing was known then")
    unit = _unit(channel, _units(known.knowledge))

    def runs(start_ns: int, end_ns: int) -> Iterator[Observations]:
        with TemporaryDirectory(prefix="edaphon-") as folder:
            scratch = Path(folder) / "then.sqlite"
            yield from values_then(journal, series, known, channel, start_ns, end_ns, scratch)

    return Origin(unit, runs, known.plan.texts.get)


def _journal(storage: Storage) -> JournalReader:
    return read_only(storage.layout.journal)


def _units(knowledge: Knowledge) -> dict[str, str]:
    return {id: fact.unit for id, fact in knowledge.channels.items()}


def _released(channel: str, release: str, file: Path | None) -> Origin:
    """Of the storage's release with that name, or of a file, which needs nothing beside it."""
    path = Path(release) if release.endswith(".sqlite") else _release_named(release, file)
    with _refusing():
        found = OpenRelease(path)
    unit = _unit(channel, {c.id: c.unit for c in found.about.channels})

    def runs(start_ns: int, end_ns: int) -> Iterator[Observations]:
        with _refusing():
            yield from found.runs(channel, start_ns, end_ns)

    def derivation_text(id: str) -> str | None:
        with _refusing():
            return found.derivation_text(id)

    return Origin(unit, runs, derivation_text)


@contextmanager
def _refusing() -> Iterator[None]:
    """Ends with what is wrong with a release."""
    try:
        yield
    except WrongFile as wrong:
        raise fail(f"{wrong}; take the release from a copy") from None


def _unit(channel: str, units: Mapping[str, str]) -> str:
    if channel not in units:
        known = ", ".join(sorted(units)) or "none yet"
        raise fail(f"expected the id of a channel ({known}), got {channel!r}")
    return units[channel]


def _release_named(name: str, file: Path | None) -> Path:
    layout = open_storage(file).layout
    path = layout.release(name)
    if not path.exists():
        there = ", ".join(sorted(path.stem for path in layout.releases.glob("*.sqlite")))
        raise fail(f"expected the name of a release ({there or 'none yet'}), got {name!r}")
    return path


def _of_series(channel: str, unit: str, series: Series) -> Origin:
    def runs(start_ns: int, end_ns: int) -> Iterator[Observations]:
        with series.snapshot():
            yield from series.runs(channel, start_ns, end_ns)

    return Origin(unit, runs, series.derivation_text)


def instant(text: str, absent: int) -> int:
    """A time of the command line [UTC ns]; UTC where it names no offset."""
    return moment_ns(text) if text else absent


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


def _csv(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in chain((HEADER,), rows):
        writer.writerow(map(_csv_cell, row))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, str):
        return as_data(visible(cell))
    return "" if cell is None else cell


def _json(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + json_text(dict(zip(HEADER, row, strict=True)), indent=False)
        before = ",\n"
    yield "]\n" if before != "[" else "[]\n"


def _table(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    widths = (30, 9, 14, 10, 10, 12, 4, 12)
    for row in chain((HEADER,), rows):
        yield " ".join(_cell(cell, width) for cell, width in zip(row, widths, strict=True)) + "\n"


def _cell(cell: Any, width: int) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}".rjust(width)
    return visible(str("" if cell is None else cell)).ljust(width)


_WRITERS = {Format.TABLE: _table, Format.CSV: _csv, Format.JSON: _json}
