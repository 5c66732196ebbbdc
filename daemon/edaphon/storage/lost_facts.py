"""Facts that can't be read any more, for commands that answer without a daemon."""

import sqlite3
from contextlib import closing

import orjson

from edaphon.derive.fact_log import CHECKPOINT, lost_fact_places
from edaphon.journal import read_only
from edaphon.printer import show_error
from edaphon.series import Series, WrongFile
from edaphon.storage.access import Storage

__all__ = ["lost_facts", "warn_of_lost_facts"]


def lost_facts(storage: Storage) -> str:
    """What an answer lacks, for a person; "" where every fact can be read."""
    table = None
    try:
        with closing(Series(storage.layout.series, read_only=True)) as series:
            table = orjson.loads(series.checkpoint(CHECKPOINT) or b"null")
    except (OSError, sqlite3.Error, WrongFile, ValueError):
        pass  # then the copies alone say what was entered
    places = lost_fact_places(read_only(storage.layout.journal), table)
    if not places:
        return ""
    which = ", ".join(map(str, sorted(places)))
    return (
        f"what was entered at {which} (a fact, a calibration or a configuration) can't be read,"
        " nor its copy: enter it again (`edaphon apply`), or go on without it"
        " (`edaphon salvage --acknowledge`)"
    )


def warn_of_lost_facts(storage: Storage) -> None:
    """One line on stderr, so that no answer lacks a fact in silence."""
    if words := lost_facts(storage):
        show_error(f"warning: this answer lacks a fact: {words}")
