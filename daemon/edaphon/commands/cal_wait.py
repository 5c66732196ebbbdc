"""Waiting until all that was entered is derived again: by the daemon, or here when it is off."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from edaphon.commands.control import DaemonOff
from edaphon.commands.offline import settled_deriver
from edaphon.commands.storage import Storage

__all__ = ["differing_before", "follow", "wait_derived"]

POLL_S = 0.2


def differing_before(storage: Storage) -> int:
    """The daemon's count of rows that deriving again has changed so far; 0 when it is off."""
    try:
        return int(storage.ask("recalibrate")["differing"])
    except DaemonOff:
        return 0


def wait_derived(storage: Storage, before: int) -> int:
    """How many rows became others since that count."""
    try:
        answer = follow(storage, storage.ask("recalibrate"))
    except DaemonOff:
        _tell(("all that was entered",))
        with settled_deriver(storage) as (deriver, _):
            return deriver.differing
    finally:
        _tell(())
    return max(int(answer["differing"]) - before, 0)


def follow(storage: Storage, answer: dict[str, Any]) -> dict[str, Any]:
    """Until the daemon says that all is derived again: its last answer."""
    while not answer["done"]:
        _tell(answer["pending"])
        time.sleep(POLL_S)
        answer = storage.ask("recalibrate")
    _tell(())
    return answer


def _tell(pending: Sequence[str]) -> None:
    """One line that a terminal overwrites; nothing anywhere else."""
    if not sys.stderr.isatty():
        return
    more = f" and {len(pending) - 1} more" if len(pending) > 1 else ""
    words = f"deriving again: {pending[0]}{more}" if pending else ""
    print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)
