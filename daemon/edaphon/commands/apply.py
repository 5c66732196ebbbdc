"""`edaphon apply`: put facts in force: deployments, calibrations, marks, with their valid times."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edaphon.clock import SECOND_NS, instant_text
from edaphon.commands.options import CONFIGURATION, Config, DryRun, Json, NoWait, Who, for_how_long
from edaphon.facts import Deployment, FactRow, Visit, knowledge_conflicts, new_rows, read_facts
from edaphon.people import account_name
from edaphon.preview import MANY, Preview, preview_of
from edaphon.preview.text import as_json, lines_of
from edaphon.printer import show_error, show_found, show_json, show_line, show_lines
from edaphon.service.check import examine, examine_facts, open_accepted, open_storage, usual_file
from edaphon.service.submit import (
    before_now,
    keep,
    replaced_copies,
    replacement_lines,
    wait_derived,
)
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff
from edaphon.storage.entered_facts import EnteredFacts, facts_entered
from edaphon.toml_input.lines import ConfigError, read_document, toml_row

# Of a longer journal none is read where nobody asked by how much values change.
MOST_ENTRIES = MANY
NOT_YET = "nothing is in force by this"
Facts = Annotated[
    list[Path] | None, typer.Argument(help="fact files or folders; default: all files in the inbox")
]
New = tuple[FactRow, ...]


class Way(NamedTuple):
    """How facts are put in force; `wait` until all is derived again, and show how much differs."""

    who: str = ""
    dry_run: bool = False
    wait: bool = False
    json: bool = False
    most_entries: int | None = None


def apply(
    facts: Facts = None,
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Save changes (facts) and recalculate the data they affect, also in every sink."""
    most = None if dry_run else MOST_ENTRIES
    enter(*given_facts(facts, file), Way(who, dry_run, False, json, most))


def put_in_force(
    facts: Facts = None,
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Save new calibrations, wait until all values are recalculated, and show what changed.

    `edaphon apply` does the same without waiting.
    """
    enter(*given_facts(facts, file), Way(who, dry_run, not no_wait, json))


def given_facts(facts: list[Path] | None, file: Path | None) -> tuple[Storage, EnteredFacts, New]:
    """The storage, what it knows, and the new facts of the files."""
    storage = open_accepted(file)
    reported = facts_entered(storage)
    return storage, reported, new_facts(storage, reported, facts or [], file)


def fact_of(
    storage: Storage, reported: EnteredFacts, whence: str, kind: str, table: Mapping[str, Any]
) -> FactRow:
    """A fact that a command made itself; ends where it contradicts what is known."""
    rows, config_errors = read_facts(read_document(whence, toml_row(kind, table)))
    config = storage.config
    config_errors += knowledge_conflicts(
        rows, reported.knowledge, config.outputs(), sheets=config.sheets
    )
    if config_errors:
        raise fail("\n".join(f"{c.key}: {c.came}; {c.right}" for c in config_errors))
    return rows[0]


def unused_id(reported: EnteredFacts, first: str) -> str:
    """The id, or with the next number that makes it one that was never used."""
    name, number = first, 1
    while name in reported.by_id:
        number += 1
        name = f"{first}-{number}"
    return name


def new_facts(
    storage: Storage, reported: EnteredFacts, files: Sequence[Path], file: Path | None
) -> tuple[FactRow, ...]:
    """Those of the files, else of the configuration and its inbox; exit 3 where one is wrong."""
    usual, knowledge = file or usual_file(), reported.knowledge
    if not files:
        found = examine([usual], knowledge)
        rows, config_errors = found.rows, found.config_errors
    else:
        rows, config_errors = examine_facts([usual, *files], storage.config, knowledge)
        toml = ((p.glob("*.toml") if p.is_dir() else [p]) for p in files)
        given = {str(path) for paths in toml for path in paths}
        rows = tuple(row for row in rows if row.file in given)
        config_errors = tuple(c for c in config_errors if c.file in given)
        if not config_errors:  # they say nothing yet of what is only in the inbox
            config_errors = tuple(_alone(storage, reported, rows))
    for config_error in config_errors:
        show_error(str(config_error))
    if config_errors:
        show_error("Nothing was changed.")
        raise typer.Exit(CONFIGURATION)
    return new_rows(rows, reported.knowledge)


def _alone(storage: Storage, reported: EnteredFacts, rows: Sequence[FactRow]) -> list[ConfigError]:
    config = storage.config
    return knowledge_conflicts(rows, reported.knowledge, config.outputs(), sheets=config.sheets)


def enter(storage: Storage, reported: EnteredFacts, new: Sequence[FactRow], way: Way) -> None:
    """Show what they change, journal them, and wait if that is wished."""
    found = preview_of(storage, reported, new, way.most_entries)
    replaced = replaced_copies(storage, new)
    stated: dict[str, Any] = {"new": news(new), **as_json(found), "applied": 0, "differing": None}
    stated["copies"] = [copy._asdict() for one in replaced for copy in one.copies]
    if not way.json:
        show(new, found)
        show_lines(replacement_lines(replaced))
        if new and way.dry_run:
            show_line(NOT_YET)
    if new and not way.dry_run:
        _expect_known_sources(storage, reported, new)
        before = before_now(storage) if way.wait else None
        stated["applied"] = keep(storage, new, way.who or account_name())
        if not way.json:
            n = stated["applied"]
            show_line(f"{n} {'fact' if n == 1 else 'facts'} applied")
        if before is not None:
            stated["differing"] = wait_derived(storage, before)
            if not way.json:
                n = stated["differing"]
                show_line(f"{n} rows differ now by number, flag or derivation, in every sink too")
    if way.json:
        show_json(stated)


def _expect_known_sources(storage: Storage, reported: EnteredFacts, new: Sequence[FactRow]) -> None:
    """A running service takes facts by the configuration that it was started with."""
    named = {row.fact.source for row in new if isinstance(row.fact, Deployment)}
    if not (missing := named - reported.sources.outputs.keys()):
        return
    try:
        missing -= {source["path"] for source in storage.ask("status")["sources"]}
    except DaemonOff:
        return
    if missing:
        names = ", ".join(sorted(missing))
        raise fail(
            f"the service runs with the old configuration, which has no {names}: restart the"
            " service, then apply this again"
        )


def show(new: Sequence[FactRow], found: Preview) -> None:
    """What is new and what it would change, for a person."""
    for row in new:
        show_line(f"new: {row.fact.table} {row.fact.id}   ({row.file}:{row.line})")
    show_lines(lines_of(found))
    if not new:
        show_line("nothing new")


def news(new: Sequence[FactRow]) -> list[dict[str, Any]]:
    return [{"kind": r.fact.table, "id": r.fact.id, "file": r.file, "line": r.line} for r in new]


WHENCE = "edaphon visit"  # in place of a file
visit = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Announce visits of plots: values are marked as suspect, and no alerts are sent.",
)
PlotId = Annotated[str, typer.Argument(metavar="PLOT", help="id of the plot")]


@visit.command()
def start(
    plot: PlotId,
    for_: Annotated[
        str, typer.Option("--for", help="end the visit after this time, such as 90min or 3h")
    ] = "3h",
    who: Who = "",
    why: Annotated[str, typer.Option(help="what you do there")] = "",
    file: Config = None,
) -> None:
    """Start a visit of a plot now. It ends after some hours, or with `edaphon visit end`."""
    for_ns = for_how_long(for_)
    storage = open_storage(file)
    reported, now_ns = facts_entered(storage), _now_ns()
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
    """End the visit of a plot now, and list instruments that do not send data yet."""
    storage = open_storage(file)
    reported, now_ns = facts_entered(storage), _now_ns()
    running = list(_running(reported, plot, now_ns))
    if not running:
        others = ", ".join(sorted({one.plot for one in _running(reported, "", now_ns)})) or "none"
        raise fail(f"no visit of {plot} goes on; plots with one: {others}")
    for one in running:
        until_ns = max(now_ns, one.from_ns + SECOND_NS)
        table = {"plot": plot, "from": one.from_ns, "to": until_ns, "who": one.who, "why": one.why}
        keep(storage, [_row(storage, reported, one.id, table)], who or account_name())
    show_line(f"the visit of {plot} is over: alerts as usual")
    show_lines(_silent(storage, plot))


@visit.command("list")
def list_(json: Json = False, file: Config = None) -> None:
    """List all visits, the latest last."""
    reported, now_ns = facts_entered(open_storage(file)), _now_ns()
    visits = sorted(reported.knowledge.visits, key=lambda one: one.from_ns)
    lines = (_line(one, now_ns) for one in visits)
    show_found(json, [_as_json(one, now_ns) for one in visits], lines if visits else ["no visit"])


def _line(one: Visit, now_ns: int) -> str:
    state = " (goes on)" if one.covers(now_ns) else ""
    why = f": {one.why}" if one.why else ""
    span = f"{instant_text(one.from_ns)} to {instant_text(one.to_ns)}{state}"
    return f"{one.plot}: {span}, {one.who}{why}   [{one.id}]"


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
    return fact_of(storage, reported, WHENCE, "visit", table)


def _id(reported: EnteredFacts, supersedes: str, plot: str, from_ns: int) -> str:
    plain = re.sub("[^A-Za-z0-9._:-]", "-", plot)[:30]
    when = instant_text(from_ns).translate({ord(sign): None for sign in "-:"})
    return unused_id(reported, f"visit-{plain}-{when}" + ("-end" if supersedes else ""))


def _silent(storage: Storage, plot: str) -> Iterator[str]:
    try:
        rows = storage.ask("alert", do="unheard", plot=plot)["unheard"]
    except DaemonOff:
        yield "the service does not run: what does not speak yet is not known"
        return
    for row in rows:
        what = "number" if row["node"].startswith("channel ") else "data"
        since = f"since {instant_text(row['last_ns'])}" if row["last_ns"] is not None else "lately"
        yield f"does not speak yet: {row['label']} (no {what} {since})"
    if not rows:
        yield "all that is expected of it speaks"
