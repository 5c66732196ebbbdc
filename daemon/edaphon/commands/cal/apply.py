"""`edaphon cal apply`: put calibrations in force, and see what became of the values."""

from edaphon.commands.apply import (
    Config,
    DryRun,
    Facts,
    Json,
    NoWait,
    Way,
    Who,
    enter,
    new_facts,
)
from edaphon.storage.access import open_storage
from edaphon.storage.entered_facts import told_in

__all__ = ["put_in_force"]


def put_in_force(
    facts: Facts = None,
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Show what new facts change, journal them, wait until all is derived again.

    As `edaphon apply`, which does not wait.
    """
    storage = open_storage(file)
    reported = told_in(storage)
    new = new_facts(storage, reported, facts or [], file)
    enter(storage, reported, new, Way(who, dry_run, not no_wait, json))
