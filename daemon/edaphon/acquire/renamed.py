"""Files of a pattern, and a file that is looked for under another name in its folder."""

import glob
import os
from collections.abc import Iterable
from contextlib import suppress
from errno import EACCES
from io import FileIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from edaphon.acquire.followed import Block, Place, Stat, begins_alike, checked, read_at
from edaphon.config.model import is_secret_file
from edaphon.toml_input.lines import is_text
from edaphon_drivers.outside import leaves, open_file

__all__ = [
    "SecretFiles",
    "files_now",
    "files_of",
    "find_renamed",
    "goes_on_in",
    "holds",
    "open_followed",
]

SecretFiles = frozenset[Path]
_NONE: SecretFiles = frozenset()
_CHUNK_BYTES = 1 << 18
_MOST_LOOKED_AT = 32


def open_followed(pattern: Path, name: str, secrets: SecretFiles = _NONE) -> FileIO:
    """A file that is followed, or one that is imported besides; OSError for what is none.

    A link that leaves the folder of the pattern is refused, and a secret by whatever name: who may
    write there does not decide what else this account reads. The folder itself may be a link.
    """
    folder, path = _folder(pattern), Path(name)
    file = open_file(name, folder if path.is_relative_to(folder) else path.parent)
    if is_secret_file(os.fstat(file.fileno()), secrets):
        file.close()
        raise OSError(EACCES, "a secret of the configuration", name)
    return file


def _folder(pattern: Path) -> Path:
    """The last folder of a pattern that is no pattern itself."""
    return next((p for p in pattern.parents if not glob.has_magic(str(p))), pattern.parent)


def files_now(pattern: Path, secrets: SecretFiles = _NONE) -> tuple[dict[str, Stat], str | None]:
    """The files of a pattern, the one that was changed longest ago first, and what is wrong."""
    found, problem = files_of(glob.glob(str(pattern)), _folder(pattern), secrets)
    return found, problem if found or problem else _closed(pattern)


def files_of(
    names: Iterable[str], folder: Path | None = None, secrets: SecretFiles = _NONE
) -> tuple[dict[str, Stat], str | None]:
    """Those that are there, the one that was changed longest ago first, and what is wrong.

    Names that are no files are passed over; where there is nothing else, that is wrong too. A link
    that leaves the folder (or, without one, its own) and a secret are wrong in any case.
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
        within = folder or Path(name).parent
        if leaves(name, within):
            problem = f"expected a file in {within}, got the link {name}, which leaves it"
            problem += f": to {os.path.realpath(name)}; follow the file itself"
        elif not S_ISREG(now.st_mode):
            other = _no_file(name, now.st_mode)
        elif is_secret_file(now, secrets):
            problem = f"expected a file that is no secret, got {name}, which the configuration"
            problem += " names as one; move it out of the folder"
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
    folder = _folder(pattern)
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
            with suppress(OSError), open_file(path, Path(name).parent) as file:
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
                stat = entry.stat(follow_symlinks=False)
                if S_ISREG(stat.st_mode) and stat.st_size >= place.offset:
                    same = Stat.of(stat).is_file_of(place.stat)
                    like = entry.name.startswith(stem)
                    found.append((same, like, stat.st_mtime_ns, entry.path))
    return [path for *_, path in sorted(found, reverse=True)[:_MOST_LOOKED_AT]]
