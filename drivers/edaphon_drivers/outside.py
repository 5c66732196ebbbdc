"""Files that others name, hand over or put into a folder: only what was meant is opened.

A name is looked up without opening what it means (O_PATH of open(2)). What was found is judged,
and that very thing is opened through /proc/self/fd (proc(5)): whoever changes the name meanwhile
changes nothing, and no pipe, socket or device is opened to see what it is.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, EISDIR, ELOOP
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISLNK, S_ISREG, S_ISSOCK

SYSFS = "/sys"
_KERNEL = ("/proc", SYSFS)
_MOST_CERTIFICATE_BYTES = 4 << 20
_KINDS = (
    (S_ISFIFO, "a pipe"),
    (S_ISCHR, "a device"),
    (S_ISBLK, "a device"),
    (S_ISSOCK, "a socket"),
)


def open_descriptor(path: str | Path, within: str | Path | None = None) -> int:
    """A regular file for reading; OSError says what else is there.

    With `within`, a link that leaves that folder is refused; the folder itself may be a link.
    """
    with _found(path) as (found, place):
        mode = os.fstat(found).st_mode
        if not S_ISREG(mode):
            raise OSError(EISDIR if S_ISDIR(mode) else EINVAL, _kind(mode), str(path))
        if _below(place, *_KERNEL):
            raise OSError(EINVAL, "a file of the kernel, which is no file on a disk", str(path))
        if within is not None and not _below(place, os.path.realpath(within)):
            raise OSError(ELOOP, f"a link that leaves {within}: to {place}", str(path))
        return _reopened(found, path, os.O_RDONLY)


def open_file(path: str | Path, within: str | Path | None = None) -> io.FileIO:
    """As `open_descriptor`, without a buffer."""
    return io.FileIO(open_descriptor(path, within), "rb")


def read_certificates(path: Path) -> str:
    """The text of a PEM file; OSError for what is none.

    OpenSSL would wait for a pipe, and read a device for ever. A link may lead anywhere, as those of
    /etc/ssl/certs and of certbot do: nothing but certificates is taken, and none of it is shown.
    """
    with open_file(path) as file:
        text = file.read(_MOST_CERTIFICATE_BYTES).decode("ascii", "ignore")
    if "-----BEGIN CERTIFICATE-----" not in text:  # nothing would mean: trust the system's
        raise OSError(EINVAL, "no certificate in PEM", str(path))
    return text


def leaves(path: str | Path, within: str | Path) -> bool:
    """Whether a name is a link that leads out of its folder."""
    inside = os.path.realpath(within)
    try:
        linked = S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False
    name = os.path.basename(path)
    plain = os.path.join(os.path.realpath(os.path.dirname(path)), name)
    return not _below(os.path.realpath(path) if linked else plain, inside)


def append_file(path: str | Path) -> io.BufferedRandom:
    """A regular file of this name, made if there is none; a link is refused."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    handle = os.open(path, flags | os.O_CLOEXEC, 0o666)
    if not S_ISREG(mode := os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(EINVAL, _kind(mode), str(path))
    return open(handle, "ab+")


def switch_error(path: str | Path) -> str:
    """Why nothing is switched through a file, "" where it may be; it is not opened for that."""
    try:
        with _found(path) as (found, place):
            return _no_switch(os.fstat(found).st_mode, place)
    except OSError as error:
        return error.strerror or str(error)


def write_switch(path: str | Path, text: str) -> None:
    """Write to a device or a file of sysfs that is there; OSError for anything else.

    No file is made, cut or waited for.
    """
    with _found(path) as (found, place):
        if problem := _no_switch(os.fstat(found).st_mode, place):
            raise OSError(EINVAL, problem, str(path))
        handle = _reopened(found, path, os.O_WRONLY)
    data = text.encode()
    try:
        if (taken := os.write(handle, data)) != len(data):
            raise OSError(EINVAL, f"it took {taken} of {len(data)} bytes", str(path))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(handle)


@contextmanager
def _found(path: str | Path) -> Iterator[tuple[int, str]]:
    """What a name leads to, not opened, and its real place."""
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield found, os.readlink(f"/proc/self/fd/{found}")
    finally:
        os.close(found)


def _reopened(found: int, path: str | Path, flags: int) -> int:
    # Not blocking: whatever is there, neither the opening nor a byte is waited for.
    flags |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{found}", flags)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _no_switch(mode: int, place: str) -> str:
    if S_ISCHR(mode) or (S_ISREG(mode) and _below(place, SYSFS)):
        return ""
    return f"{_kind(mode)}, and neither a character device nor a file in {SYSFS}"


def _kind(mode: int) -> str:
    if S_ISDIR(mode):
        return "a folder"
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "a file")


def _below(place: str, *folders: str) -> bool:
    return any(place.startswith(folder.rstrip("/") + "/") for folder in folders)
