"""`edaphon visit`: people work at a plot: its values are marked, and nobody is alerted of it."""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.clock import SECOND_NS
from edaphon.commands.apply import Json, Who
from edaphon.commands.cal.text import as_row
from edaphon.facts import FactRow, Visit, knowledge_conflicts, read_facts
from edaphon.people import account_name
from edaphon.printer import show_json, show_line, visible
from edaphon.service.submit import keep
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.client import DaemonOff
from edaphon.storage.entered_facts import EnteredFacts, told_in
from edaphon.toml_input import read_document
from edaphon.toml_input.values import duration_ns, instant_text

__all__ = ["visit"]

USAGE = 2
WHENCE = "edaphon visit"  # stands for the file

visit = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Visits of plots: values are marked as suspect meanwhile, and nobody is alerted.",
)
Config = Annotated[Path | None, typer.Option("--config", help="edaphon.toml")]
PlotId = Annotated[str, typer.Argument(metavar="PLOT", help="id of the plot")]


@visit.command()
def start(
    plot: PlotId,
    for_: Annotated[
        str, typer.Option("--for", help="it ends by itself after that time, such as 90min or 3h")
    ] = "3h",
    who: Who = "",
    why: Annotated[str, typer.Option(help="what is done there")] = "",
    file: Config = None,
) -> None:
    """Begin a visit of a plot now; it ends by itself, or with `edaphon visit end`."""
    try:
        for_ns = duration_ns(for_)
    except ValueError as error:
        raise fail(f"--for: expected {error}; got {for_!r}", USAGE) from None
    storage = open_storage(file)
    reported, now_ns = told_in(storage), _now_ns()
    for one in _running(reported, plot, now_ns):
        until = instant_text(one.to_ns)
        raise fail(f"a visit of {plot} by {one.who} goes on until {until}: end it first")
    table = {"plot": plot, "from": now_ns, "to": now_ns + max(for_ns, SECOND_NS)}
    who = who or account_name()
    keep(storage, [_row(storage, reported, "", {**table, "who": who, "why": why})], who)
    until = instant_text(now_ns + max(for_ns, SECOND_NS))
    show_line(
        f"visit of {plot} until {until}: its values are marked as suspect, nobody is alerted of it"
    )


@visit.command()
def end(plot: PlotId, who: Who = "", file: Config = None) -> None:
    """End the visit of a plot now, and list what does not speak yet; exit 0 whatever is silent."""
    storage = open_storage(file)
    reported, now_ns = told_in(storage), _now_ns()
    running = list(_running(reported, plot, now_ns))
    if not running:
        others = ", ".join(sorted({one.plot for one in _running(reported, "", now_ns)})) or "none"
        raise fail(f"no visit of {plot} goes on; plots with one: {others}")
    for one in running:
        until_ns = max(now_ns, one.from_ns + SECOND_NS)
        table = {"plot": plot, "from": one.from_ns, "to": until_ns, "who": one.who, "why": one.why}
        keep(storage, [_row(storage, reported, one.id, table)], who or account_name())
    show_line(f"the visit of {plot} is over: alerts as usual")
    for line in _unheard(storage, plot):
        show_line(line)


@visit.command("list")
def list_(json: Json = False, file: Config = None) -> None:
    """List the visits, the latest last: plot, begin, end, who, why, and the id of the fact."""
    reported, now_ns = told_in(open_storage(file)), _now_ns()
    visits = sorted(reported.knowledge.visits, key=lambda one: one.from_ns)
    if json:
        rows = [_as_json(one, now_ns) for one in visits]
        show_json(rows)
        return
    for one in visits:
        state = " (goes on)" if one.covers(now_ns) else ""
        span = f"{instant_text(one.from_ns)} to {instant_text(one.to_ns)}{state}"
        why = f": {one.why}" if one.why else ""
        show_line(f"{one.plot}: {span}, {one.who}{why}   [{one.id}]")
    if not visits:
        show_line("no visit")


def _as_json(one: Visit, now_ns: int) -> dict[str, Any]:
    row = one.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**row, "running": one.covers(now_ns)}


def _now_ns() -> int:
    """Of this machine's clock, in whole seconds as people write them."""
    return time.time_ns() // SECOND_NS * SECOND_NS


def _running(reported: EnteredFacts, plot: str, now_ns: int) -> Iterator[Visit]:
    """Of one plot, of all with ""."""
    for one in reported.knowledge.visits:
        if one.covers(now_ns) and plot in {"", one.plot}:
            yield one


def _row(
    storage: Storage, reported: EnteredFacts, supersedes: str, given: Mapping[str, Any]
) -> FactRow:
    """The visit as a fact; ends where it contradicts what is known."""
    table = {"id": _id(reported, supersedes, str(given["plot"]), given["from"])}
    table |= {"supersedes": supersedes} if supersedes else {}
    table |= {
        key: instant_text(value) if key in {"from", "to"} else value
        for key, value in given.items()
        if value != ""
    }
    rows, config_errors = read_facts(read_document(WHENCE, as_row("visit", table)))
    config = storage.config
    config_errors += knowledge_conflicts(
        rows, reported.knowledge, config.outputs(), sheets=config.sheets
    )
    if config_errors:
        raise fail("\n".join(f"{c.key}: {c.came}; {c.right}" for c in config_errors))
    return rows[0]


def _id(reported: EnteredFacts, supersedes: str, plot: str, from_ns: int) -> str:
    """One that was never used."""
    plain = re.sub("[^A-Za-z0-9._:-]", "-", plot)[:30]
    when = instant_text(from_ns).translate({ord(sign): None for sign in "-:"})
    name = first = f"visit-{plain}-{when}" + ("-end" if supersedes else "")
    number = 1
    while name in reported.by_id:
        number += 1
        name = f"{first}-{number}"
    return name


def _unheard(storage: Storage, plot: str) -> Iterator[str]:
    try:
        rows = storage.ask("alert", do="unheard", plot=plot)["unheard"]
    except DaemonOff:
        yield "the service does not run: what does not speak yet is not known"
        return
    for row in rows:
        what = "number" if row["node"].startswith("channel ") else "data"
        since = f"since {instant_text(row['last_ns'])}" if row["last_ns"] is not None else "lately"
        yield visible(f"does not speak yet: {row['label']} (no {what} {since})")
    if not rows:
        yield "all that is expected of it speaks"
