"""`edaphon apply`: put facts in force: deployments, calibrations, marks, with their valid times."""

import getpass
from collections.abc import Iterator
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Annotated

import typer

from edaphon.commands.check import CONFIGURATION, examine, usual_file
from edaphon.commands.keeping import keep
from edaphon.commands.storage import Storage, open_storage
from edaphon.derive import ALWAYS, Plan, changed_ranges, known_facts
from edaphon.facts import FactRow, Knowledge, new_rows
from edaphon.journal import read_only
from edaphon.nouns import Sequence
from edaphon.written.values import instant_text

__all__ = ["apply"]


def apply(
    facts: Annotated[
        list[Path] | None, typer.Argument(help="fact files or folders; none: the inbox")
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    who: Annotated[str, typer.Option(help="who says so; your login if not given")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what is new")] = False,
) -> None:
    """Journal new facts; what they change is derived again, in every sink too."""
    storage = open_storage(file)
    found = examine([file or usual_file(), *(facts or [])], _known(storage))
    for complaint in found.complaints:
        typer.echo(str(complaint), err=True)
    if found.complaints:
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(CONFIGURATION)
    new = new_rows(found.rows, _known(storage))
    for row in new:
        typer.echo(f"new: {row.fact.table} {row.fact.id}   ({row.file}:{row.line})")
    for line in _changes(storage, new):
        typer.echo(line)
    if not new:
        typer.echo("nothing new")
    elif not dry_run:
        typer.echo(f"{keep(storage, new, who or getpass.getuser())} facts applied")


def _changes(storage: Storage, new: Rows[FactRow]) -> Iterator[str]:
    """Which channels get other values, and where."""
    knowledge, outputs = _known(storage), storage.config.outputs()
    before = Plan.of(knowledge, outputs, storage.config.site.id)
    for number, row in enumerate(new, 1):
        knowledge = knowledge.learn(Sequence(2**31, number), row.fact)
    after = Plan.of(knowledge, outputs, storage.config.site.id)
    for channel, ranges in sorted(changed_ranges(before.extents, after.extents).items()):
        for start, end in ranges:
            yield f"  {channel}: derived anew {_since(start)}{_until(end)}"


def _since(start_ns: int) -> str:
    return "from the beginning" if start_ns <= ALWAYS[0] else f"from {instant_text(start_ns)}"


def _until(end_ns: int) -> str:
    return "" if end_ns >= ALWAYS[1] else f" to {instant_text(end_ns)}"


def _known(storage: Storage) -> Knowledge:
    if not storage.layout.journal.exists():
        return Knowledge()
    return known_facts(read_only(storage.layout.journal))
