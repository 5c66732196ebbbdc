"""The filter of system calls that a unit has, as systemd would make it, put around a process."""

import ctypes
import errno
import re
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["allowed_calls", "filtered"]

ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # SCMP_ACT_* of seccomp_init(3)
_DEFAULT = "@default"  # of every list of allowed calls, systemd.exec(5)


def allowed_calls(unit: Path) -> set[str]:
    """By name; a line of the unit that begins with ~ takes calls away."""
    lines = re.findall(r"^SystemCallFilter=(~?)(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    found = set(_calls(_DEFAULT))
    for without, names in lines:
        for name in names.split():
            found = found - _calls(name) if without else found | _calls(name)
    return found


@cache
def _calls(name: str) -> frozenset[str]:
    if not name.startswith("@"):
        return frozenset({name})
    words = ["systemd-analyze", "--no-pager", "syscall-filter", name]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    listed = [line.strip() for line in shown.splitlines()[1:]]
    inner = [each for each in listed if each and not each.startswith("#")]
    return frozenset().union(*map(_calls, inner))


def filtered(allowed: set[str], words: list[str]) -> None:
    """Become that program with these calls alone; any other gives EPERM. Never returns."""
    import os

    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(ERRNO | errno.EPERM)))
    for name in allowed:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # a call of this processor
            library.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0)
    if library.seccomp_load(context) != 0:
        raise OSError("expected to load a filter of system calls")
    os.execv(words[0], words)  # noqa: S606


if __name__ == "__main__":
    import sys

    filtered(allowed_calls(Path(sys.argv[1])), sys.argv[2:])
