"""The budget of followed files: what is above it waits in its file, or is counted if it can't."""

import time
from typing import BinaryIO

from edaphon.acquire.budget import ROW_BYTES, Budgets
from edaphon.acquire.floods import Floods
from edaphon.acquire.pace import PIECE_BYTES
from edaphon.acquire.passed import region
from edaphon.journal import Entry

__all__ = ["FileBudget"]

SHOWN_S = 600.0


class FileBudget:
    """Of one source; used by its follower's thread."""

    def __init__(self, path: str, budgets: Budgets, floods: Floods) -> None:
        self._path, self._budgets, self._floods = path, budgets, floods
        self._waited_s = float("-inf")  # when something waited last

    def has_room(self, rest_bytes: int) -> bool:
        """Whether the next piece of a file may come, of which `rest_bytes` are not read."""
        room = self._budgets.has_room(self._path, rest_bytes > PIECE_BYTES)
        if not room:
            self._waited_s = time.monotonic()
        return room

    def spend(self, payload: bytes, rest_bytes: int = 0) -> None:
        self._budgets.spend(self._path, len(payload) + ROW_BYTES, rest_bytes > PIECE_BYTES)

    def keeps(self, payload: bytes) -> bool:
        """Whether a note about a file is kept; if not, it is counted."""
        if self._budgets.takes(self._path, len(payload) + ROW_BYTES):
            return True
        self._floods.count(self._path, payload, len(payload))
        return False

    def problem(self) -> str | None:
        """What a person should know; for a while, so that it does not come and go in the log."""
        if time.monotonic() - self._waited_s > SHOWN_S:
            return None
        return (
            "more was written than the budget of a source: the rest waits in its files, and is"
            " read as the budget fills; for more, set source_mb_per_day in [budget]"
        )

    def declared(self, file: BinaryIO, name: str, start: int, end: int, why: str) -> Entry:
        """The gap entry of bytes of a file that are not kept."""
        found = region(file, start, end)
        words = f"{end - start} bytes behind byte {start} of {name} were not kept: {why}"
        if found.hole_bytes:
            words += f"; {found.hole_bytes} of them are holes"
        words += f"; SHA-256 {found.sha256}"
        return self._floods.declared(self._path, end - start, words, found.sample)
