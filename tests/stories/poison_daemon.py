"""The service with a decoder that is harmed by some messages: poison_daemon.py HARM FILE.

A message with `"poison"` in it ends the process, raises, or hangs with or without Python's lock.
"""

import os
import re
import signal
import sys
import time
from typing import Any

from edaphon.commands import main
from edaphon.derive import decode as sources
from edaphon.journal import guard

STANDS_S = 0.5  # processor time, for a test


def spin() -> None:
    """Python code that goes on for ever, so that other threads run meanwhile."""
    while True:
        time.sleep(0)


def fail(error: BaseException) -> None:
    raise error


class Panic(BaseException):
    """As a library of another language raises it, such as PyO3's PanicException."""


HARMS = {
    "disk": lambda: fail(OSError(75, "Value too large for defined data type")),
    "panic": lambda: fail(Panic("index out of bounds")),
    "words": lambda: fail(RuntimeError("w" * 100_000)),
    "segv": lambda: signal.raise_signal(signal.SIGSEGV),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raise": lambda: [].pop(),
    "hold": lambda: re.match("(a|aa)+$", "a" * 1000 + "b"),  # never lets go of Python's lock
    "spin": spin,
    "wait": lambda: time.sleep(10_000),  # no processor time: only the machine's watchdog ends it
}

if __name__ == "__main__":
    harm, file = sys.argv[1:]
    whole = sources.decode_json

    def decode(data: bytes, fields: Any) -> Any:
        if b'"poison"' in data:
            HARMS[harm.removeprefix("long ")]()
        return whole(data, fields)

    sources.decode_json = decode  # type: ignore[attr-defined]
    if not harm.startswith("long "):
        guard.STANDS_S = STANDS_S
    guard.UNSURE_ENDS = 4  # of kills that may be anybody's; each costs a start
    main(["run", file])
