"""The end of a process that was told to end and does not: a shell beside it sees to that.

A hang in C code may hold Python's lock, and then no line of Python runs here any more, handlers of
signals included. Python's C handler still writes the number of a signal to a pipe.
"""

import contextlib
import os
import signal

__all__ = ["END_AFTER_S", "end_for_certain"]

END_AFTER_S = 9
# The end of the pipe is the end of the process $1: until then no other one has its number.
_SHELL = """
trap '' TERM INT HUP
[ -n "$(dd bs=1 count=1 2>/dev/null | od -An -tx1)" ] || exit 0
timeout "$2" cat >/dev/null && exit 0
echo "ERROR the service did not end within $2 s and is killed: what it acknowledged is kept," \
"the next start goes on from there" >&2
kill -KILL "$1"
"""


def end_for_certain() -> None:
    """From now on this process is gone within END_AFTER_S of a signal that has a handler.

    Called once, from the main thread. Without a shell a hang must be ended by hand.
    """
    reading, writing = os.pipe()
    words = ["sh", "-c", _SHELL, "sh", str(os.getpid()), str(END_AFTER_S)]
    with contextlib.suppress(OSError):
        os.posix_spawn(
            "/bin/sh", words, _no_secrets(), file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0)]
        )
    os.close(reading)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _no_secrets() -> dict[str, str]:
    """An environment without what a configuration may keep in it."""
    return {"PATH": os.environ.get("PATH", os.defpath)}
