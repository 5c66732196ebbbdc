"""Files that people name, read whole: a pipe, a device or a huge file is an error, not a wait."""

import os
from errno import EFBIG
from pathlib import Path

from edaphon_drivers.outside import open_descriptor

__all__ = ["is_text", "read_bytes", "read_secret", "read_text"]

LARGEST_BYTES = 16 << 20  # of what people write; a file of facts of ten years has some 100 kB
LARGEST_SECRET_BYTES = 64 << 10


def read_bytes(
    path: Path, most_bytes: int = LARGEST_BYTES, within: str | Path | None = None
) -> bytes:
    """Raises OSError, with the name of the file and in words what it is, for what is no file.

    With `within`, a link that leaves that folder is refused.
    """
    descriptor = open_descriptor(path, within)
    try:
        return _all(descriptor, path, most_bytes)
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> tuple[str, bool]:
    """The text, and whether others can read it; a link that leaves its folder is refused."""
    descriptor = open_descriptor(path, path.parent)
    try:
        text = _all(descriptor, path, LARGEST_SECRET_BYTES).decode()
        return text.rstrip("\r\n"), bool(os.fstat(descriptor).st_mode & 0o007)
    finally:
        os.close(descriptor)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8; bytes that are not come as lone surrogates."""
    return name.isprintable() or not any("\ud800" <= c <= "\udfff" for c in name)


def read_text(
    path: Path,
    encoding: str = "utf-8",
    errors: str = "strict",
    within: str | Path | None = None,
    most_bytes: int = LARGEST_BYTES,
) -> str:
    """As `read_bytes`; raises UnicodeDecodeError for another encoding."""
    text = read_bytes(path, most_bytes, within).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _all(descriptor: int, path: Path, most_bytes: int) -> bytes:
    too_large = OSError(EFBIG, f"larger than {_size(most_bytes)}", str(path))
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


def _size(n_bytes: int) -> str:
    return f"{n_bytes >> 20} MB" if n_bytes >> 20 else f"{n_bytes >> 10} kB"
