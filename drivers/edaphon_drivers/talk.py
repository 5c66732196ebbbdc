"""The grammar of a conversation without a wire: a talk yields these and is handed bytes."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Ask", "Pause", "Talk"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Send bytes, then listen until `until` ends the answer or `wait_s` has passed.

    The talk is handed whatever came, b"" if nothing did.
    """

    send: bytes
    until: bytes
    wait_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for `wait_s`; with `hold_bus` nobody else may talk meanwhile.

    With `until` the pause ends early at those bytes (a service request). The talk is handed
    whatever came.
    """

    wait_s: float
    hold_bus: bool
    until: bytes = b""


Result = TypeVar("Result")
Talk = Generator[Ask | Pause, bytes, Result]
