"""The end of a process that was told to end and does not: a small process beside it sees to that.

A hang in C code may hold Python's lock, and then no line of Python runs here any more, handlers of
signals included. Python's C handler still writes the number of a signal to a pipe.
"""

import contextlib
import os
import select
import signal
import time

__all__ = ["END_AFTER_S", "end_for_certain"]

END_AFTER_S = 9.0
_WORDS = b"ERROR the service did not end within 9 s and is killed: what it acknowledged is kept,\
 the next start goes on from there\n"


def end_for_certain() -> None:
    """From now on this process is gone within END_AFTER_S of a signal that has a handler.

    Called once, from the main thread, before other threads begin.
    """
    reading, writing = os.pipe()
    process = os.getpid()
    if os.fork() == 0:
        try:
            os.close(writing)
            _wait(reading, process)
        finally:
            os._exit(0)
    os.close(reading)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _wait(reading: int, process: int) -> None:
    """The end of the pipe is the end of the process: no other one has its number then."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not os.read(reading, 1):
        return
    end = time.monotonic() + END_AFTER_S
    while (left_s := end - time.monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left_s)
        if ready and not os.read(reading, 64):
            return
    with contextlib.suppress(OSError):
        os.write(2, _WORDS)
    os.kill(process, signal.SIGKILL)
