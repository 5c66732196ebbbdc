"""The reading side of a journal: from a place on, chunk by chunk, with every row's CRC checked."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from edaphon.journal.entry import Entry, Kind
from edaphon.nouns import Sequence

__all__ = ["DamagedRow", "JournalReader", "read_only"]


class DamagedRow(Exception):
    """A row is there and wrong, or missing within its file; `next` is where reading can go on.

    `sequence` is the first damaged place. after(next's predecessor) continues behind the damage.
    """

    sequence: Sequence
    resume_after: Sequence


class Counts(NamedTuple):
    """How many entries each kind has, and how many rows are damaged."""

    by_kind: dict[Kind, int]
    damaged: int


class JournalReader:
    """Reads the files of a journal folder, whether a daemon writes there or not."""

    @property
    def last(self) -> Sequence | None:
        """The newest committed entry's place; None in an empty journal."""
        raise NotImplementedError

    def after(self, sequence: Sequence | None, limit: int) -> list[tuple[Sequence, Entry]]:
        """The next entries behind `sequence` (None: from the first), at most `limit`.

        Raises DamagedRow when the very next row is damaged; rows before it are returned first.
        """
        raise NotImplementedError

    def entry(self, sequence: Sequence) -> Entry:
        """Raises KeyError for a place without an entry, DamagedRow for a damaged one."""
        raise NotImplementedError

    def scan(
        self,
        sources: Collection[str] | None = None,
        kinds: Collection[Kind] | None = None,
        start: Sequence | None = None,
    ) -> Iterator[tuple[Sequence, Entry]]:
        """All matching entries behind `start` in order, read in chunks."""
        raise NotImplementedError

    def counts(self) -> Counts:
        raise NotImplementedError


def read_only(folder: Path) -> JournalReader:
    """The reading side for commands, while the daemon writes or is off."""
    raise NotImplementedError(folder)
