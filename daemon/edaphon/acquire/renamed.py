"""Files of a pattern, and a file that is looked for under another name in its folder."""

import glob
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from edaphon.acquire.followed import Block, Place, Stat, begins_alike, checked, read_at
from edaphon.written.reading import is_text

__all__ = ["files_now", "files_of", "find_renamed", "goes_on_in", "holds"]

_CHUNK_BYTES = 1 << 18
_MOST_LOOKED_AT = 32


def files_now(pattern: Path) -> tuple[dict[str, Stat], str | None]:
    """The files of a pattern, the one that was changed longest ago first, and what is wrong."""
    found, problem = files_of(glob.glob(str(pattern)))
    return found, problem if found or problem else _closed(pattern)


def files_of(names: Iterable[str]) -> tuple[dict[str, Stat], str | None]:
    """Those that are there, the one that was changed longest ago first, and what is wrong.

    Names that are no files are passed over; where there is nothing else, that is wrong too.
    """
    found: dict[str, Stat] = {}
    problem, other = None, None
    for name in names:
        try:
            now = os.stat(name)
        except (FileNotFoundError, NotADirectoryError):  # renamed since
            continue
        except OSError as error:
            problem = f"expected a file that this account can read, got {error}"
            continue
        if not S_ISREG(now.st_mode):
            other = _no_file(name, now.st_mode)
        elif not is_text(name):  # neither the journal nor a status can hold its name
            came = os.fsencode(name)
            problem = f"expected names of files in UTF-8, got {came!r}; rename the file"
        else:
            found[name] = Stat.of(now)
    problem = problem or (None if found else other)
    return dict(sorted(found.items(), key=lambda one: (one[1].mtime_ns, one[0]))), problem


def _no_file(name: str, mode: int) -> str:
    if S_ISDIR(mode):
        inside = f"{name.rstrip('/')}/*"
        return f"expected a file, got the folder {name}; {inside} stands for the files in it"
    return f"expected a file that a program writes and keeps, got a pipe or device: {name}"


def _closed(pattern: Path) -> str | None:
    """Why no name can be found: the folder is not there, or not for this account."""
    folder = next((p for p in pattern.parents if not glob.has_magic(str(p))), pattern.parent)
    try:
        with os.scandir(folder):
            return None
    except OSError as error:
        why = error.strerror or error
        return f"expected the folder {folder} to be there and for this account, got {why}"


def holds(file: BinaryIO, place: Place) -> tuple[Block, ...] | None:
    """The blocks of all that was read if it stands in a file, else None."""
    return checked(file, place.blocks) if begins_alike(file, place.blocks) else None


def goes_on_in(old: BinaryIO, new: BinaryIO, at: int) -> bool:
    """Whether what one file has from `at` to its end stands in the other as well."""
    while part := read_at(old, at, _CHUNK_BYTES):
        if read_at(new, at, len(part)) != part:
            return False
        at += len(part)
    return True


def find_renamed(name: str, place: Place) -> str | None:
    """Another file of its folder that begins with all that was read."""
    for path in _candidates(Path(name), place):
        if path != name:
            with suppress(OSError), Path(path).open("rb", buffering=0) as file:
                if holds(file, place) is not None:
                    return path
    return None


def _candidates(name: Path, place: Place) -> list[str]:
    """Files of the folder that may be it: that of its inode, those named like it, then others."""
    found: list[tuple[bool, bool, int, str]] = []
    stem = name.name.split(".")[0]
    with suppress(OSError), os.scandir(name.parent) as entries:
        for entry in entries:
            with suppress(OSError):
                stat = entry.stat()
                if S_ISREG(stat.st_mode) and stat.st_size >= place.offset:
                    same = Stat.of(stat).is_file_of(place.stat)
                    like = entry.name.startswith(stem)
                    found.append((same, like, stat.st_mtime_ns, entry.path))
    return [path for *_, path in sorted(found, reverse=True)[:_MOST_LOOKED_AT]]
