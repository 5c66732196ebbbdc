"""The journal in the middle: every answer kept as it came, in one order, before anything else."""

from edaphon.journal.entry import Entry, Kind, Purpose, entry_crc
from edaphon.journal.journal import Journal, JournalBusy, JournalClosed
from edaphon.journal.reading import Counts, DamagedRow, JournalReader, read_only

__all__ = [
    "Counts",
    "DamagedRow",
    "Entry",
    "Journal",
    "JournalBusy",
    "JournalClosed",
    "JournalReader",
    "Kind",
    "Purpose",
    "Sequence",
    "entry_crc",
    "read_only",
]
from edaphon.nouns import Sequence
