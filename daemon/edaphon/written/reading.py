"""Files that people name, read whole: a pipe, a device or a huge file is an error, not a wait."""

import os
from errno import EFBIG, EINVAL, EISDIR
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISREG

__all__ = ["is_text", "read_bytes", "read_text"]

LARGEST_BYTES = 16 << 20  # of what people write; a file of facts of ten years has some 100 kB


def read_bytes(path: Path, most_bytes: int = LARGEST_BYTES) -> bytes:
    """Raises OSError, with the name of the file and in words what it is, for what has no end."""
    # Not blocking: to open a pipe that nobody writes to would wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if S_ISDIR(mode):
            raise IsADirectoryError(EISDIR, "a folder", str(path))
        if S_ISCHR(mode) or S_ISBLK(mode):
            raise OSError(EINVAL, "a device and no file", str(path))
        if not S_ISREG(mode):  # who holds its other end decides when it ends
            raise OSError(EINVAL, "a pipe and no file", str(path))
        return _all(descriptor, path, most_bytes)
    finally:
        os.close(descriptor)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8; bytes that are not come as lone surrogates."""
    return name.isprintable() or not any("\ud800" <= c <= "\udfff" for c in name)


def read_text(
    path: Path, encoding: str = "utf-8", errors: str = "strict", most_bytes: int = LARGEST_BYTES
) -> str:
    """As `read_bytes`; raises UnicodeDecodeError for another encoding."""
    text = read_bytes(path, most_bytes).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _all(descriptor: int, path: Path, most_bytes: int) -> bytes:
    too_large = OSError(EFBIG, f"larger than {most_bytes >> 20} MB", str(path))
    if os.fstat(descriptor).st_size > most_bytes:
        raise too_large
    parts: list[bytes] = []
    length = 0
    while length <= most_bytes:
        try:
            part = os.read(descriptor, 1 << 20)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        if not part:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
    raise too_large
