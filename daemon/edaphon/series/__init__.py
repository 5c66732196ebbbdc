"""Current observations in day blocks: derived, so they can be thrown away and made again."""

from edaphon.series.reader import Extent, SeriesReader, WrongFile
from edaphon.series.release import (
    DamagedBlock,
    OpenRelease,
    Release,
    read_release,
    release_problems,
    write_release,
)
from edaphon.series.rows import Change, Conflict, Contested, Withdrawal, contested
from edaphon.series.series import Series, cursor_name
from edaphon.series.store import BlockHead

__all__ = [
    "BlockHead",
    "Change",
    "Conflict",
    "Contested",
    "DamagedBlock",
    "Extent",
    "OpenRelease",
    "Release",
    "Series",
    "SeriesReader",
    "Withdrawal",
    "WrongFile",
    "contested",
    "cursor_name",
    "read_release",
    "release_problems",
    "write_release",
]
