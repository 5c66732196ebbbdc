"""Without a daemon: is the whole journal derived, who derives the rest; the series as a file."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from edaphon.clock import SystemClock
from edaphon.databases import AT_FAULT, StorageFault, fault_of, move_aside
from edaphon.errors import StaleError
from edaphon.journal import Journal, JournalBusy
from edaphon.journal.fact_log import (
    CHECKPOINT,
    configuration,
    trusted,
)
from edaphon.journal.guard import guarded
from edaphon.journal.salvage import undeclared
from edaphon.model import EntryId
from edaphon.printer import show_error
from edaphon.series import Series, SeriesReader, WrongFile, cursor_name
from edaphon.storage.access import Storage
from edaphon.storage.client import NOT_SHOWN, as_owner, is_behind
from edaphon.storage.paths import Layout

if TYPE_CHECKING:
    from edaphon.derive.deriver import Deriver


def open_series(path: Path, say: Callable[[str], None]) -> Series:
    """To write; `say` gets words where one was set aside. Raises sqlite3.Error (full disk)."""
    try:
        return Series(path)
    except (WrongFile, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.Error) and fault_of(error, path) not in AT_FAULT:
            raise  # the disk or another program: it is not the file's fault
        return new_series(path, str(error), say)


def new_series(path: Path, why: str, say: Callable[[str], None]) -> Series:
    """An empty one in the place of a damaged one, which an earlier try may have set aside."""
    aside = f"; it is set aside as {move_aside(path).name}" if path.exists() else ""
    say(f"{why}{aside}, all values are derived again")
    return Series(path)


def renew_if_damaged(path: Path, say: Callable[[str], None]) -> None:
    """Read every day of the file, and set it aside where one is not what was written."""
    with closing(open_series(path, say)) as series:
        try:
            words = next(filter(None, series.damaged_blocks()), "")
        except sqlite3.DatabaseError as error:
            if fault_of(error, path) not in AT_FAULT:
                raise
            words = str(error)
    if words:
        new_series(path, words, say).close()


def reached_by(path: Path) -> EntryId | None:
    """The last place from which the series of that file has rows; None where none can be read."""
    if not path.exists():
        return None
    try:
        with SeriesReader(path) as series:
            table = orjson.loads(series.checkpoint(CHECKPOINT) or b"{}")
        return EntryId.of(table["position"])
    except (OSError, sqlite3.Error, WrongFile, ValueError, KeyError, TypeError):
        return None


def expect_complete(layout: Layout, say: Callable[[str], None]) -> None:
    """Of a series that is behind its journal: raises StaleError, unless nothing can be derived."""
    if not lacks_entries(layout, say):
        act = f"`edaphon channels --folder {layout.folder}` derives them"
        raise StaleError(f"{NOT_SHOWN}: the newest records are not derived yet; {act}")


def derive_the_rest(storage: Storage) -> None:
    """What a kill left underived; raises StaleError where it can't be."""
    layout = storage.layout
    if not is_behind(layout) or lacks_entries(layout, show_error):
        return
    try:
        with settled_deriver(storage):
            pass
    except PermissionError as error:
        why = f"the newest records are not derived yet, and this account may not: {error}"
        raise StaleError(f"{NOT_SHOWN}: {why}") from None


def lacks_entries(layout: Layout, say: Callable[[str], None]) -> bool:
    """Whether a part of the journal is gone that no start has declared yet, which is reported.

    To derive would begin a journal file, and a person may be about to copy a backup to its place.
    """
    gone = undeclared(layout.journal, reached_by(layout.series))
    for loss in gone:
        say(
            f"{loss.why}: what is shown is what was derived before; copy the file from a backup to"
            " its place, or start the service, which declares it as lost and goes on"
        )
    return bool(gone)


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple["Deriver", Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""

    with as_owner(storage.layout.folder):
        yield from _settled(storage.layout)


def _settled(layout: Layout) -> Iterator[tuple["Deriver", Series]]:
    from edaphon.derive.deriver import Deriver  # it imports the drivers

    layout.set_aside_non_files()
    try:
        journal = Journal.open(layout.journal, SystemClock(), reached=reached_by(layout.series))
    except JournalBusy as busy:
        raise StaleError(str(busy)) from None
    series = open_series(layout.series, lambda words: show_error(words))
    try:
        deriver = Deriver(journal, series, layout.scratch, guard=guarded(journal, True))
        while deriver.turn():
            pass
        yield deriver, series
        checkpoint = trusted(journal, orjson.loads(series.checkpoint(CHECKPOINT) or b"null"))
        sinks = configuration(journal, checkpoint).get("sink", ())
        names = [cursor_name(sink["name"]) for sink in sinks]
        _flush(deriver, {name: series.checkpoint(name) or "0" for name in names}, layout)
    finally:
        series.close()
        journal.close()


def _flush(deriver: "Deriver", cursors: dict[str, str], layout: Layout) -> None:
    """On a full disk the answer is of what was kept before."""
    try:
        deriver.flush(cursors)
    except sqlite3.OperationalError as error:
        if fault_of(error, layout.series) is not StorageFault.FULL:
            raise
        show_error(f"{layout.folder}: {StorageFault.FULL}")
