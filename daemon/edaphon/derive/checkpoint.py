"""The place to go on from that is written with the series, and what the rows were derived by."""

from collections.abc import Mapping
from typing import Any

import orjson

from edaphon.derive.chains import Extent
from edaphon.journal import DamagedRow, JournalReader, entry_crc
from edaphon.nouns import Sequence
from edaphon.series import Series

__all__ = ["CHECKPOINT", "START", "crc_at", "extents_of_json", "extents_to_json", "trusted"]

CHECKPOINT = "deriver"
START = Sequence(0, 0)


def trusted(journal: JournalReader, series: Series) -> dict[str, Any] | None:
    """None without a checkpoint, and for one of entries that the medium has lost since."""
    text = series.checkpoint(CHECKPOINT)
    if text is None:
        return None
    table: dict[str, Any] = orjson.loads(text)
    same = crc_at(journal, Sequence.of(table["position"])) == table["crc"]
    return table if same else None


def crc_at(journal: JournalReader, sequence: Sequence) -> int:
    """The CRC of the entry there; -1 for the beginning, -2 for an entry that is gone."""
    if sequence == START:
        return -1
    try:
        return entry_crc(*sequence, journal.entry(sequence))
    except (KeyError, DamagedRow):
        return -2


def extents_to_json(extents: Mapping[str, tuple[Extent, ...]]) -> dict[str, list[list[Any]]]:
    return {
        channel: [[getattr(e, name) for name in Extent.__slots__] for e in own]
        for channel, own in extents.items()
    }


def extents_of_json(table: Mapping[str, list[list[Any]]]) -> dict[str, tuple[Extent, ...]]:
    return {channel: tuple(Extent(*row) for row in rows) for channel, rows in table.items()}
