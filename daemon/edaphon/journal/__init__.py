"""The journal in the middle: every answer kept as it came, in one order, before anything else."""

from edaphon.journal.copies import Origin
from edaphon.journal.entry import START, Entry, Item, JournalBusy, JournalTooNew, Kind, Purpose
from edaphon.journal.journal import Journal, JournalClosed
from edaphon.journal.reader import DamagedRow, JournalReader, is_written, read_only
from edaphon.journal.salvage import salvage
from edaphon.journal.state import SetAside, StateFile
from edaphon.model import EntryId

__all__ = [
    "DamagedRow",
    "Entry",
    "Journal",
    "JournalBusy",
    "JournalClosed",
    "JournalReader",
    "JournalTooNew",
    "Kind",
    "Origin",
    "Purpose",
    "EntryId",
    "Item",
    "START",
    "SetAside",
    "StateFile",
    "is_written",
    "read_only",
    "salvage",
]
