"""The journal: one writer, group commits, and what was committed is what may be promised."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from edaphon.clock import Clock
from edaphon.journal.entry import Entry
from edaphon.journal.reading import JournalReader
from edaphon.nouns import Sequence

__all__ = ["Journal", "JournalBusy", "JournalClosed"]


class JournalBusy(Exception):
    """Another process already writes this journal."""


class JournalClosed(Exception):
    """An entry came after close()."""


class Journal(JournalReader):
    """The one writer of a journal folder, and its reading side with the newest in memory."""

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        largest_bytes: int = 256_000_000,
        on_trouble: Callable[[str], None] | None = None,
    ) -> Self:
        """Take the writer's lock, set damaged files aside, start the writer thread.

        Raises JournalBusy when another process holds the lock. Nothing else is fatal.
        """
        raise NotImplementedError((folder, clock, largest_bytes, on_trouble))

    @property
    def id(self) -> str:
        """The journal's random id, 32 hex digits."""
        raise NotImplementedError

    def append(
        self,
        entries: list[Entry],
        done: Callable[[list[Sequence]], None] | None = None,
        mids: list[int | None] | None = None,
    ) -> None:
        """Queue entries for the next commit; `done` is called after it, in the writer's thread.

        Returns at once, unless the queue is full: then it waits, as backpressure. `done` with no
        entries is called once all that was appended earlier is committed. `mids` are the MQTT
        packet identifiers of the entries, kept in the same transaction. Raises ValueError for an
        entry that no row can hold, JournalClosed after close().
        """
        raise NotImplementedError((entries, done, mids))

    def append_now(self, entry: Entry) -> Sequence:
        """Append and wait for the commit."""
        raise NotImplementedError(entry)

    def wait_newer(
        self, sequence: Sequence | None, timeout_s: float, stop: threading.Event | None = None
    ) -> bool:
        """Wait until an entry behind `sequence` is committed; False when the time is up."""
        raise NotImplementedError((sequence, timeout_s, stop))

    def close(self) -> None:
        """Commit what waits, end the writer, give the lock back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
