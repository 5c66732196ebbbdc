"""`edaphon cal revoke`: take a calibration, check or maker's curve back as though never entered."""

from typing import Annotated

import typer

from edaphon.commands.apply import Config, DryRun, Json, NoWait, Way, Who, enter
from edaphon.commands.cal.list import state_of
from edaphon.commands.cal.show import found_in
from edaphon.commands.cal.text import as_row
from edaphon.facts import FactRow, knowledge_conflicts, read_facts
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.entered_facts import EnteredFacts, told_in
from edaphon.toml_input import read_document

__all__ = ["revoke"]

USAGE = 2
WHENCE = "edaphon cal revoke"  # stands for the file


def revoke(
    id: Annotated[str, typer.Argument(help="id of a calibration, check or maker's curve")],
    why: Annotated[str, typer.Option(help="the reason")],
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Take one back; what it superseded stands again, and all is derived accordingly."""
    if not why.strip():
        raise fail("expected --why with the reason, got nothing", USAGE)
    storage = open_storage(file)
    reported = told_in(storage)
    one = found_in(reported, id)
    state = state_of(reported, one)
    if not state.in_force:
        raise fail(f"{id} is not in force: {state.words}")
    row = _row(storage, reported, id, why)
    enter(storage, reported, (row,), Way(who, dry_run, not no_wait, json))


def _row(storage: Storage, reported: EnteredFacts, id: str, why: str) -> FactRow:
    text = as_row("revocation", {"id": _name(reported, id), "of": id, "why": why})
    rows, config_errors = read_facts(read_document(WHENCE, text))
    config = storage.config
    config_errors += knowledge_conflicts(
        rows, reported.knowledge, config.outputs(), sheets=config.sheets
    )
    if config_errors:
        raise fail("\n".join(f"{c.key}: {c.came}; {c.right}" for c in config_errors))
    return rows[0]


def _name(reported: EnteredFacts, id: str) -> str:
    """One that was never used: a revocation may itself have been taken back."""
    plain, number = f"revocation-of-{id}"[:60], 1
    name = plain
    while name in reported.by_id:
        number += 1
        name = f"{plain}-{number}"
    return name
