"""The place to go on from that is written with the series, and what the rows were derived by."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from edaphon.derive.chains import ALWAYS, Extent, Range
from edaphon.journal import DamagedRow, JournalReader, entry_crc
from edaphon.model import EntryId
from edaphon.series import Series, WrongFile

__all__ = [
    "CHECKPOINT",
    "GONE",
    "START",
    "crc_at",
    "extents_of_json",
    "extents_to_json",
    "ranges_of_json",
    "reached_by",
    "trusted",
]

CHECKPOINT = "deriver"
START = EntryId(0, 0)
GONE = -2


def trusted(journal: JournalReader, series: Series) -> dict[str, Any] | None:
    """None without a checkpoint, and for one of another journal.

    An entry that is damaged or lost takes nothing from what was derived with it, once the journal
    goes on behind it.
    """
    text = series.checkpoint(CHECKPOINT)
    if text is None:
        return None
    table: dict[str, Any] = orjson.loads(text)
    position = EntryId.of(table["position"])
    crc = crc_at(journal, position)
    lost = crc == GONE and position < (journal.last or START)
    return table if crc == table["crc"] or lost else None


def reached_by(path: Path) -> EntryId | None:
    """The last place from which the series of that file has rows; None where none can be read."""
    if not path.exists():
        return None
    try:
        with closing(Series(path, read_only=True)) as series:
            table = orjson.loads(series.checkpoint(CHECKPOINT) or b"{}")
        return EntryId.of(table["position"])
    except (OSError, sqlite3.Error, WrongFile, ValueError, KeyError, TypeError):
        return None


def crc_at(journal: JournalReader, sequence: EntryId) -> int:
    """The CRC of the entry there; -1 for the beginning, -2 for an entry that is gone."""
    if sequence == START:
        return -1
    try:
        return entry_crc(*sequence, journal.entry(sequence))
    except (KeyError, DamagedRow):
        return GONE


def extents_to_json(extents: Mapping[str, tuple[Extent, ...]]) -> dict[str, list[list[Any]]]:
    return {
        channel: [[getattr(e, name) for name in Extent.__slots__] for e in own]
        for channel, own in extents.items()
    }


def extents_of_json(table: Mapping[str, list[list[Any]]]) -> dict[str, tuple[Extent, ...]]:
    return {channel: tuple(Extent(*row) for row in rows) for channel, rows in table.items()}


def ranges_of_json(table: Mapping[str, list[list[int]]]) -> dict[str, list[Range]]:
    """Those within the bounds of time; an earlier version wrote others, and could not end them."""
    found = {
        channel: [(a, b) for a, b in ranges if ALWAYS[0] <= a < b <= ALWAYS[1]]
        for channel, ranges in table.items()
    }
    return {channel: ranges for channel, ranges in found.items() if ranges}
