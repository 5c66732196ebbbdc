"""The deriver without a daemon: for commands that need the series complete while it is off."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from edaphon.clock import SystemClock
from edaphon.commands.storage import TRY_AGAIN, Storage, fail
from edaphon.derive import Deriver, derived_by
from edaphon.journal import Journal, JournalBusy, is_written, read_only
from edaphon.series import Series
from edaphon.sinks.feed import cursor_name

__all__ = ["derive_the_rest", "settled_deriver"]


def derive_the_rest(storage: Storage) -> None:
    """While no daemon answers: what a kill left underived; ends with 75 where it can't be."""
    folder = storage.layout.journal
    if not folder.exists() or not storage.layout.series.exists():
        return
    if is_written(folder):
        words = "the journal is written by a process that answers no questions (it starts or stops)"
        raise fail(f"no answer is shown, it could be old: {words}; ask again", TRY_AGAIN)
    with closing(Series(storage.layout.series, read_only=True)) as series:
        last = read_only(folder).last
        if last is None or derived_by(series).position >= last:
            return
    try:
        with settled_deriver(storage):
            pass
    except PermissionError as error:
        words = f"the newest records are not derived yet, and this account may not: {error}"
        raise fail(f"no answer is shown, it could be old: {words}", TRY_AGAIN) from None


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple[Deriver, Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""
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
        deriver.flush({name: series.checkpoint(name) or "0" for name in names})
    finally:
        series.close()
        journal.close()
