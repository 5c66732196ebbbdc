"""`edaphon recalibrate`: derive values again from the readings that are kept, and compare."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from edaphon.clock import DAY_NS
from edaphon.commands.query import instant
from edaphon.commands.table import show_rows
from edaphon.derive.plan import whole_segments
from edaphon.derive.projection import derived_by
from edaphon.model import ALWAYS, Range
from edaphon.preview import foresee_ranges
from edaphon.printer import show_json
from edaphon.series import Series
from edaphon.service.submit import Before, differing_since, follow, reading
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.client import DaemonOff
from edaphon.storage.entered_facts import EnteredFacts, told_in
from edaphon.storage.offline import settled_deriver
from edaphon_calibration.errors import suggestion

__all__ = ["recalibrate"]


Ranges = dict[str, list[Range]]


class Done(NamedTuple):
    """How many rows a channel has in that time, and how many of them differed."""

    channel: str
    rows: int
    differing: int


def recalibrate(
    since: Annotated[
        str, typer.Option(help="from this time on; a stretch with one chain is derived whole")
    ] = "",
    channel: Annotated[
        list[str] | None, typer.Option(help="id of a channel, may be repeated; none: all")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would differ")] = False,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Derive values again from the readings that are kept, by what is in force.

    Rows that differ are put right in the series and every sink; none differing is the proof that
    every value follows from its reading. With --dry-run exit 1 if any would differ.
    """
    since_ns = instant(since, ALWAYS[0])
    storage = open_storage(file)
    if not storage.layout.journal.exists():
        raise fail(f"no journal in {storage.layout.folder}; start `edaphon run` first")
    reported = told_in(storage)
    channels = _channels(reported, channel or [])
    if dry_run:
        done = _foreseen(storage, reported, channels, since_ns)
    else:
        done = _recalibrated(storage, channels, since_ns)
    differing = sum(one.differing for one in done)
    if json:
        rows = [one._asdict() for one in done]
        found = {"channels": rows, "differing": differing, "dry_run": dry_run}
        show_json(found)
    else:
        show_rows(Done._fields, done)
    if dry_run and differing:
        raise typer.Exit(1)


def _channels(reported: EnteredFacts, wanted: Iterable[str]) -> list[str]:
    known = reported.knowledge.channels
    for id in wanted:
        if id not in known:
            raise fail(f"expected the id of a channel, got {id!r}{suggestion(id, known)}")
    return sorted(set(wanted) or known)


def _foreseen(
    storage: Storage, reported: EnteredFacts, channels: list[str], since_ns: int
) -> list[Done]:
    found = foresee_ranges(storage, reported, {id: [(since_ns, ALWAYS[1])] for id in channels})
    return [
        Done(id, found[id].rows, found[id].changed) if id in found else Done(id, 0, 0)
        for id in channels
    ]


def _recalibrated(storage: Storage, channels: list[str], since_ns: int) -> list[Done]:
    """By the daemon below live values, which goes on with it if this ends; here if it is off."""
    try:
        storage.ask("flush")
        with reading(storage) as series:
            before = Before(series.change, derived_by(series).position.number)
            ranges = _whole(series, channels, since_ns)
        answer = storage.ask("recalibrate", begin=True, channels=channels, since_ns=since_ns)
        answer = follow(storage, answer)
        storage.ask("flush")
    except DaemonOff:
        return _alone(storage, channels, since_ns)
    with reading(storage) as series:
        return _done(series, ranges, before, int(answer["differing"]))


def _alone(storage: Storage, channels: list[str], since_ns: int) -> list[Done]:
    with settled_deriver(storage) as (deriver, series):
        deriver.flush()
        before = Before(series.change, deriver.position.number)
        ranges, differed = _whole(series, channels, since_ns), deriver.differing
        deriver.recalibrate({id: [(since_ns, ALWAYS[1])] for id in channels})
        while deriver.turn():
            pass
        return _done(series, ranges, before, deriver.differing - differed)


def _whole(series: Series, channels: list[str], since_ns: int) -> Ranges:
    ranges = {id: [(since_ns, ALWAYS[1])] for id in channels}
    return whole_segments(ranges, derived_by(series).intervals)


def _done(series: Series, ranges: Ranges, before: Before, differing: int) -> list[Done]:
    """None differs where the deriver has counted none.

    A check that looks ahead may revise the newest rows meanwhile: they do not differ by this.
    """
    found = differing_since(series, before) if differing else {}
    return [Done(id, _rows(series, id, own), found.get(id, 0)) for id, own in ranges.items()]


def _rows(series: Series, channel: str, ranges: list[Range]) -> int:
    n = 0
    for head in series.heads(channel):
        first, last = head.day * DAY_NS, (head.day + 1) * DAY_NS
        if any(start <= first and last <= end for start, end in ranges):
            n += head.n
        else:
            cut = [(max(first, start), min(last, end)) for start, end in ranges]
            n += sum(len(run) for a, b in cut if a < b for run in series.read(channel, a, b))
    return n
