"""`edaphon explain`: the way of one number, from the bytes to the value with its flag."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edaphon.clock import DAY_NS
from edaphon.derive.fact_log import reached_by
from edaphon.explain.case import Found
from edaphon.explain.explanation import way_of
from edaphon.explain.missing import Absent, gap_at, why_none
from edaphon.explain.text import lines_of
from edaphon.explain.trace import History, Row, history_of, row_at
from edaphon.journal import DamagedRow, read_only
from edaphon.journal.salvage import holds, losses_in, undeclared
from edaphon.model import EntryId
from edaphon.printer import show_json, show_lines
from edaphon.series import Series
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.lost_facts import warn_of_lost_facts
from edaphon.storage.moments import moment_ns
from edaphon.toml_input.values import instant_text
from edaphon_calibration.errors import suggestion

__all__ = ["explain"]


def explain(
    channel: Annotated[str, typer.Argument(help="id of a channel")],
    time: Annotated[str, typer.Argument(help="when it was measured, as 2026-04-01T12:00:00Z")],
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Tell the way of one value, deriving it again; exit 1 if it differs, or there is none."""
    time_ns = moment_ns(time)
    storage = open_storage(file)
    if not storage.layout.journal.exists():
        raise fail(f"no journal in {storage.layout.folder}; start `edaphon run` first")
    series = storage.series()
    warn_of_lost_facts(storage)
    history = history_of(read_only(storage.layout.journal))
    _expect_channel(channel, history)
    found = _found(storage, series, history, channel, time_ns)
    if isinstance(found, Absent):
        raise _said(why_none(storage, series, history, found), json)
    try:
        way = way_of(storage, series, history, found)
    except (DamagedRow, KeyError) as error:
        raise fail(_why_lost(storage, found, error)) from None
    if json:
        show_json(way)
    else:
        show_lines(lines_of(way))
    if not way["agrees"]:
        raise fail(way["again"])


def _why_lost(storage: Storage, found: Found, error: DamagedRow | KeyError) -> str:
    """That the record can't be read, with which file it was lost, and what stays."""
    place, folder = EntryId.of(found.row.sequence), storage.layout.journal
    row = f"{found.channel} at {instant_text(found.row.time_ns)}: its value {found.row.value:.6g}"
    gone = undeclared(folder, reached_by(storage.layout.series))
    losses = [*losses_in(read_only(folder).copies), *gone]
    loss = next((own for own in losses if holds(own, place)), None)
    if loss is None:
        got = "no entry there" if isinstance(error, KeyError) else str(error)
        return f"{row} stays; expected its record {place} in the journal, got {got}"
    declared = instant_text(loss.received_ns // 10**9 * 10**9) if loss.received_ns else ""
    when = f"declared lost at {declared}" if declared else "not declared yet"
    return (
        f"{row} stays, but can't be explained: its record {place} was lost ({loss.why}; {when});"
        f" `edaphon salvage {loss.number}` shows what is left, a backup of {loss.file} may have it"
    )


def _said(why: list[str], json: bool) -> typer.Exit:
    if not json:
        return fail("\n".join(why))
    show_json({"value": None, "why": why})
    return typer.Exit(1)


def _expect_channel(channel: str, history: History) -> None:
    known = history.plan.channels
    if channel not in known:
        near = suggestion(channel, known)
        raise fail(f"expected the id of a channel, got {channel!r}{near}")


def _found(
    storage: Storage, series: Series, history: History, channel: str, time_ns: int
) -> Found | Absent:
    """The observation of that time, else the nearest that is less than an interval away.

    One on the other side of the next slot must not stand for a slot that has none.
    """
    rows = _rows_around(series, channel, time_ns)
    usual = _usual_ns(storage, history, channel, time_ns, rows)
    absent = Absent(channel, time_ns, usual)
    row = min(rows, key=lambda row: abs(row.time_ns - time_ns), default=None)
    if row is None:
        return absent
    away = abs(row.time_ns - time_ns)
    own_slot = 2 * away <= usual or (away < usual and not gap_at(history, absent))
    return Found(channel, time_ns, row, usual) if not away or own_slot else absent


def _rows_around(series: Series, channel: str, time_ns: int) -> list[Row]:
    runs = series.read(channel, time_ns - DAY_NS, time_ns + DAY_NS + 1)
    return [row_at(run, index) for run in runs for index in range(len(run))]


def _usual_ns(
    storage: Storage, history: History, channel: str, time_ns: int, rows: list[Row]
) -> int:
    """That of the channel's statistic, of its source, or of its times about then; 0: unknown."""
    own = history.knowledge.channels[channel].interval_ns
    paths = [
        d.source
        for d in history.knowledge.deployments
        if d.channel == channel and d.covers(time_ns)
    ]
    asked: list[Any] = [
        getattr(s, "interval_ns", None) for s in storage.config.sources if s.path in paths
    ]
    stated = [ns for ns in (own, *asked) if ns]
    if stated:
        return int(stated[0])
    times = np.unique([row.time_ns for row in rows])  # several runs may hold one time
    return int(np.median(np.diff(times))) if len(times) > 1 else 0
