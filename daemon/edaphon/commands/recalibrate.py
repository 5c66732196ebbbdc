"""`edaphon recalibrate`: derive values again from the readings that are kept, and compare."""

import time
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

import typer

from edaphon.clock import DAY_NS
from edaphon.commands.options import Channels, Config, Json
from edaphon.commands.query import instant
from edaphon.derive.deriver import Deriver
from edaphon.derive.plan import whole_segments
from edaphon.derive.projection import derived_by
from edaphon.journal import StateFile
from edaphon.model import ALWAYS, Range
from edaphon.preview import preview_ranges
from edaphon.printer import show_error, show_json, show_line, show_rows, working
from edaphon.series import Series
from edaphon.service.audit import JOURNAL_SUMMARY
from edaphon.service.check import open_storage
from edaphon.service.submit import Before, differing_since, follow, reading
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff
from edaphon.storage.entered_facts import EnteredFacts, facts_entered
from edaphon.storage.offline import renew_if_damaged, settled_deriver
from edaphon_calibration.errors import suggestion

Ranges = dict[str, list[Range]]


class Done(NamedTuple):
    """How many rows a channel has in that time, and how many of them differed."""

    channel: str
    rows: int
    differing: int


def recalibrate(
    since: Annotated[
        str,
        typer.Option(
            help="from this time on; may start earlier, at the last change of calibration"
        ),
    ] = "",
    channel: Channels = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would differ")] = False,
    file: Config = None,
    json: Json = False,
) -> None:
    """Recalculate values from the stored readings with the facts in force.

    Rows that differ are corrected in the series and in every sink. If none differs, every value
    is proven to follow from its reading. With --dry-run: exit 1 if any would differ.
    """
    since_ns = instant(since, ALWAYS[0])
    storage = open_storage(file)
    storage.expect_journal()
    reported = facts_entered(storage)
    channels = _channels(reported, channel or [])
    if dry_run:
        done = _previewed(storage, reported, channels, since_ns)
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


def _previewed(
    storage: Storage, reported: EnteredFacts, channels: list[str], since_ns: int
) -> list[Done]:
    found = preview_ranges(storage, reported, {id: [(since_ns, ALWAYS[1])] for id in channels})
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
        _turned(deriver, "recalibrating")
        return _done(series, ranges, before, deriver.differing - differed)


def _turned(deriver: Deriver, text: str) -> None:
    """All of its work, shown on a terminal."""
    n = len(deriver.pending)
    with working(text) as show:
        while deriver.turn():
            left = len(deriver.pending)
            words = f"{left} of {n} channels left, {deriver.differing} rows differed"
            show(words, n - left, n if left < n else None)


def _whole(series: Series, channels: list[str], since_ns: int) -> Ranges:
    ranges = {id: [(since_ns, ALWAYS[1])] for id in channels}
    return whole_segments(ranges, derived_by(series).intervals)


def _done(series: Series, ranges: Ranges, before: Before, differing: int) -> list[Done]:
    """None differs where the deriver counted none: checks ahead revise the newest rows."""
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


POLL_S = 0.2


def rebuild(file: Config = None, json: Json = False) -> None:
    """Recalculate all values from the journal and correct those that differ; then exit 1.

    Sinks get the corrected values. Recording goes on.
    """
    found = _rebuilt(open_storage(file, as_owner=True))
    if json:
        show_json(found, indent=False)
    else:
        show_line(f"{found['blocks']} day blocks derived again, {found['differing']} rows differed")
    if found["differing"]:
        raise typer.Exit(1)


def _rebuilt(storage: Storage) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = storage.ask("rebuild", begin=True)
        with working("rebuilding in the service") as show:
            while not answer["done"]:
                show(f"{answer['differing']} rows differed", 0, None)
                time.sleep(POLL_S)
                answer = storage.ask("rebuild")
    except DaemonOff:
        return _rebuilt_alone(storage)
    return {name: answer[name] for name in ("blocks", "differing")}


def _rebuilt_alone(storage: Storage) -> dict[str, Any]:
    storage.expect_journal()
    renew_if_damaged(storage.layout.series, lambda words: show_error(words))
    with settled_deriver(storage) as (deriver, series):
        with StateFile(storage.layout.folder) as state:
            state.remove(JOURNAL_SUMMARY)  # the next start sums every row
        before = deriver.differing
        deriver.derive_all_again()
        _turned(deriver, "rebuilding")
        return {"blocks": len(series.heads()), "differing": deriver.differing - before}
