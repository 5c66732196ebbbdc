"""Errors of a decoder that look like those of a disk: the entry is blamed for them."""

import sqlite3
from types import TracebackType

__all__ = ["OF_THE_ENTRY", "DecoderFailed"]


class DecoderFailed(Exception):
    """A decoder raised what elsewhere would mean the disk."""


class _OfTheEntry:
    """Decoders touch no file: an OSError of one (a time beyond the clock's) is of its bytes."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | sqlite3.Error):
            raise DecoderFailed(f"{type(error).__name__}: {error}") from error


OF_THE_ENTRY = _OfTheEntry()
