"""The deriver without a daemon: for commands that need the series complete while it is off."""

from collections.abc import Iterator
from contextlib import contextmanager

from edaphon.clock import SystemClock
from edaphon.commands.storage import Storage, fail
from edaphon.derive import Deriver
from edaphon.derive.checkpoint import reached_by
from edaphon.journal import Journal, JournalBusy
from edaphon.series import Series
from edaphon.sinks.feed import cursor_name

__all__ = ["TRY_AGAIN", "settled_deriver"]

TRY_AGAIN = 75


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple[Deriver, Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""
    try:
        journal = Journal.open(
            storage.layout.journal, SystemClock(), reached=reached_by(storage.layout.series)
        )
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
