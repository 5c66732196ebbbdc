"""Files that a command writes where a person says: nothing that somebody else wrote is lost."""

import os
from pathlib import Path
from stat import S_ISREG

from edaphon.storage.access import fail

__all__ = ["write_new", "write_own"]

USAGE = 2


def write_new(path: Path, text: str) -> None:
    """Refused (exit 2) where anything has that name, a link that leads nowhere included."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise fail(f"expected a new file, {path} is there already", USAGE) from None


def write_own(path: Path, text: str, begins: str) -> None:
    """A new file, or one in place of an earlier one of ours, which begins so.

    Refused (exit 2) is any other file, and a link, whatever it leads to.
    """
    if not os.path.lexists(path):
        write_new(path, text)
        return
    if not S_ISREG(os.lstat(path).st_mode):  # a pipe or device is not opened to see what it is
        raise _not_ours(path, begins)
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags), "r+b") as file:
        if file.read(len(begins.encode())) != begins.encode():
            raise _not_ours(path, begins)
        file.seek(0)
        file.truncate()
        file.write(text.encode())


def _not_ours(path: Path, begins: str) -> Exception:
    words = f"expected a new file, or one that begins with {begins!r}, got {path}"
    return fail(f"{words}, which is neither; choose another name", USAGE)
