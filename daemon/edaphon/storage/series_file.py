"""The file of the series: one that is damaged is set aside, as all in it can be derived again."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson

from edaphon.databases import AT_FAULT, fault_of, move_aside
from edaphon.journal.fact_log import CHECKPOINT
from edaphon.model import EntryId
from edaphon.series import Series, SeriesReader, WrongFile

__all__ = ["new_series", "open_series", "reached_by", "renew_if_damaged"]


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
