"""The deriver without a daemon: for commands that need the series complete while it is off."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from edaphon.clock import SystemClock
from edaphon.commands.storage import Storage, fail
from edaphon.databases import StorageFault, fault_of
from edaphon.derive import Deriver
from edaphon.journal import Journal, JournalBusy
from edaphon.series import Series
from edaphon.sinks.feed import cursor_name

__all__ = ["settled_deriver"]

TRY_AGAIN = 75


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple[Deriver, Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""
    storage.layout.set_aside_non_files()
    try:
        journal = Journal.open(storage.layout.journal, SystemClock())
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None
    series = Series(storage.layout.series)
    try:
        deriver = Deriver(journal, series, storage.layout.scratch)
        while deriver.turn():
            pass
        yield deriver, series
        names = [cursor_name(sink.name) for sink in storage.config.sinks]
        _flush(deriver, {name: series.checkpoint(name) or "0" for name in names}, storage)
    finally:
        series.close()
        journal.close()


def _flush(deriver: Deriver, cursors: dict[str, str], storage: Storage) -> None:
    """On a full disk the answer is of what was kept before."""
    try:
        deriver.flush(cursors)
    except sqlite3.OperationalError as error:
        if fault_of(error, storage.layout.series) is not StorageFault.FULL:
            raise
        typer.echo(f"{storage.layout.folder}: {StorageFault.FULL}", err=True)
