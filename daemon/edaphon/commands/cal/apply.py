"""`edaphon cal apply`: put calibrations in force, and see what became of the values."""

from pathlib import Path
from typing import Annotated

import typer

from edaphon.commands.apply import Way, enter, new_facts
from edaphon.commands.known import told_in
from edaphon.commands.storage import open_storage

__all__ = ["put_in_force"]


def put_in_force(
    facts: Annotated[
        list[Path] | None, typer.Argument(help="fact files or folders, these alone; none: inbox")
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    who: Annotated[str, typer.Option(help="who says so; your login if not given")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would change")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="do not wait until all is derived again")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show what new facts change, journal them, wait until all is derived again.

    As `edaphon apply`, which does not wait.
    """
    storage = open_storage(file)
    told = told_in(storage)
    new = new_facts(storage, told, facts or [], file)
    enter(storage, told, new, Way(who, dry_run, not no_wait, json))
