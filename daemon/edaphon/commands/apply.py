"""`edaphon apply`: put facts in force: deployments, calibrations, marks, with their valid times."""

from collections.abc import Iterable
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edaphon.commands.check import CONFIGURATION, examine, usual_file
from edaphon.facts import FactRow, knowledge_conflicts, new_rows
from edaphon.people import account_name
from edaphon.preview import MANY, Foresight, foresight
from edaphon.preview.text import as_json, lines_of
from edaphon.printer import show_error, show_json, show_line
from edaphon.service.submit import (
    before_now,
    keep,
    replaced_copies,
    replacement_lines,
    wait_derived,
)
from edaphon.storage.access import Storage, open_storage
from edaphon.storage.entered_facts import EnteredFacts, told_in
from edaphon.toml_input import ConfigError

__all__ = [
    "Config",
    "DryRun",
    "Facts",
    "Json",
    "NOT_YET",
    "NoWait",
    "Way",
    "Who",
    "apply",
    "enter",
    "new_facts",
    "news",
    "show",
]

# Of a longer journal none is read where nobody asked by how much values change.
MOST_ENTRIES = MANY
NOT_YET = "nothing is in force by this"


Facts = Annotated[
    list[Path] | None, typer.Argument(help="fact files or folders, these alone; none: inbox")
]
Config = Annotated[Path | None, typer.Option("--config", help="edaphon.toml")]
Who = Annotated[str, typer.Option(help="who says so; your login if not given")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only show what would change")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="do not wait until all is derived again")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


class Way(NamedTuple):
    """How facts are put in force; `wait` until all is derived again, and tell how much differs."""

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
    """Journal new facts; what they change is derived again, in every sink too."""
    storage = open_storage(file)
    reported = told_in(storage)
    new = new_facts(storage, reported, facts or [], file)
    most = None if dry_run else MOST_ENTRIES
    enter(storage, reported, new, Way(who, dry_run, False, json, most))


def new_facts(
    storage: Storage, reported: EnteredFacts, files: Rows[Path], file: Path | None
) -> tuple[FactRow, ...]:
    """Those of the files, else of the configuration and its inbox; exit 3 where one is wrong."""
    found = examine([file or usual_file(), *files], reported.knowledge)
    rows, config_errors = found.rows, found.config_errors
    if files:
        given = {str(path) for place in files for path in _toml_files(place)}
        rows = tuple(row for row in rows if row.file in given)
        config_errors = tuple(c for c in config_errors if c.file in given)
        if not config_errors:  # of what stands in the inbox alone they can't speak yet
            config_errors = tuple(_alone(storage, reported, rows))
    for config_error in config_errors:
        show_error(str(config_error))
    if config_errors:
        show_error("Nothing was changed.")
        raise typer.Exit(CONFIGURATION)
    return new_rows(rows, reported.knowledge)


def _toml_files(place: Path) -> Iterable[Path]:
    return place.glob("*.toml") if place.is_dir() else [place]


def _alone(storage: Storage, reported: EnteredFacts, rows: Rows[FactRow]) -> list[ConfigError]:
    config = storage.config
    return knowledge_conflicts(rows, reported.knowledge, config.outputs(), sheets=config.sheets)


def enter(storage: Storage, reported: EnteredFacts, new: Rows[FactRow], way: Way) -> None:
    """Show what they change, journal them, and wait if that is wished."""
    found = foresight(storage, reported, new, way.most_entries)
    replaced = replaced_copies(storage, new)
    stated: dict[str, Any] = {"new": news(new), **as_json(found), "applied": 0, "differing": None}
    stated["copies"] = [copy._asdict() for one in replaced for copy in one.copies]
    if not way.json:
        show(new, found)
        for line in replacement_lines(replaced):
            show_line(line)
        if new and way.dry_run:
            show_line(NOT_YET)
    if new and not way.dry_run:
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


def show(new: Rows[FactRow], found: Foresight) -> None:
    """What is new and what it would change, for a person."""
    for row in new:
        show_line(f"new: {row.fact.table} {row.fact.id}   ({row.file}:{row.line})")
    for line in lines_of(found):
        show_line(line)
    if not new:
        show_line("nothing new")


def news(new: Rows[FactRow]) -> list[dict[str, Any]]:
    return [{"kind": r.fact.table, "id": r.fact.id, "file": r.file, "line": r.line} for r in new]
