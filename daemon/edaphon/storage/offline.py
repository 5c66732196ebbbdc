"""The deriver without a daemon: for commands that need the series complete while it is off."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from edaphon.clock import SystemClock
from edaphon.databases import AT_FAULT, StorageFault, fault_of
from edaphon.derive.deriver import Deriver
from edaphon.derive.fact_log import reached_by
from edaphon.derive.projection import derived_by
from edaphon.journal import Journal, JournalBusy, is_written, read_only
from edaphon.journal.guard import guarded
from edaphon.journal.salvage import undeclared
from edaphon.printer import show_error
from edaphon.series import Series, WrongFile
from edaphon.storage.access import TRY_AGAIN, Storage, fail
from edaphon.storage.owner import as_owner
from edaphon.storage.series_file import open_series

__all__ = ["derive_the_rest", "lacks_entries", "settled_deriver"]


def derive_the_rest(storage: Storage) -> None:
    """While no daemon answers: what a kill left underived; ends with 75 where it can't be."""
    folder = storage.layout.journal
    if not folder.exists() or not storage.layout.series.exists():
        return
    if is_written(folder):
        words = "the journal is written by a process that answers no questions (it starts or stops)"
        raise fail(f"no answer is shown, it could be old: {words}; ask again", TRY_AGAIN)
    if _is_complete(storage) or lacks_entries(storage):
        return
    try:
        with settled_deriver(storage):
            pass
    except PermissionError as error:
        words = f"the newest records are not derived yet, and this account may not: {error}"
        raise fail(f"no answer is shown, it could be old: {words}", TRY_AGAIN) from None


def lacks_entries(storage: Storage) -> bool:
    """Whether a part of the journal is gone that no start has declared yet; says so on stderr.

    To derive would begin a journal file, and a person may be about to copy a backup to its place.
    """
    gone = undeclared(storage.layout.journal, reached_by(storage.layout.series))
    for loss in gone:
        show_error(
            f"{loss.why}: what is shown is what was derived before; copy the file from a backup to"
            " its place, or start the service, which declares it as lost and goes on"
        )
    return bool(gone)


def _is_complete(storage: Storage) -> bool:
    """Whether the series has all of the journal; a damaged one has not."""
    last = read_only(storage.layout.journal).last
    try:
        with closing(Series(storage.layout.series, read_only=True)) as series:
            return last is None or derived_by(series).position >= last
    except WrongFile:
        return False
    except sqlite3.DatabaseError as error:
        if fault_of(error, storage.layout.series) not in AT_FAULT:
            raise
        return False


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple[Deriver, Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""
    with as_owner(storage.layout.folder):
        yield from _settled(storage)


def _settled(storage: Storage) -> Iterator[tuple[Deriver, Series]]:
    storage.layout.set_aside_non_files()
    try:
        journal = Journal.open(
            storage.layout.journal, SystemClock(), reached=reached_by(storage.layout.series)
        )
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None
    series = open_series(storage.layout.series, lambda words: show_error(words))
    try:
        deriver = Deriver(journal, series, storage.layout.scratch, guard=guarded(journal, True))
        while deriver.turn():
            pass
        yield deriver, series
        from edaphon.sinks.feed import cursor_name  # its servers take long to import

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
        show_error(f"{storage.layout.folder}: {StorageFault.FULL}")
