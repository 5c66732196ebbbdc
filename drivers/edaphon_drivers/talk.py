"""The grammar of a conversation without a wire: what a talk may ask for, and how it is asked."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

# What ends an answer: the bytes that it ends with, or a test of all that came so far.
Until = bytes | Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Ask:
    """Send bytes, then listen until `until` ends the answer or `wait_s` has passed.

    The talk is handed whatever came, b"" if nothing did. The line is silent for at least
    `silence_s` before the bytes go out (3.5 characters of Modbus RTU).
    """

    send: bytes
    until: Until
    wait_s: float
    silence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for `wait_s`; with `hold_bus` nobody else may talk meanwhile.

    With `until` the pause ends early at those bytes (a service request). The talk is handed
    whatever came.
    """

    wait_s: float
    hold_bus: bool
    until: Until = b""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a talk waits [s]; the answer time covers a USB adapter and 75 slow characters."""

    answer_s: float = 1.0
    gap_s: float = 0.1
    late_s: float = 0.3  # a service request may come this much after the announced time
    second_s: float = 1.0  # one announced second; shorter only where a simulator's is
    tries: int = 3
    sequences: int = 3


@dataclass(frozen=True, slots=True)
class Asking:
    """How an instrument is asked, next to what its sheet says; `baud` is the line's [bit/s].

    `concurrent` and `crc` are SDI-12's, `tcp` says that Modbus goes over TCP with its own framing.
    """

    timing: Timing = Timing()
    concurrent: bool = False
    crc: bool = False
    baud: int = 9600
    tcp: bool = False


Result = TypeVar("Result")
Talk = Generator[Ask | Pause, bytes, Result]
