"""Where the storage folder is, and where things lie in it."""

import os
import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from edaphon.databases import SIDE_FILES, move_aside
from edaphon.errors import FolderUnknown

CONFIG_NAME = "edaphon.toml"
SERVICE_FOLDER = Path("/etc/edaphon")
USUAL_FILES = (Path(CONFIG_NAME), SERVICE_FOLDER / CONFIG_NAME)
USUAL_FOLDER = Path("/var/lib/edaphon")
MOST_BYTES = 1_000_000  # of a configuration
NAME_IT = "name the storage folder with --folder DIR"


@dataclass(frozen=True, slots=True)
class Layout:
    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def series(self) -> Path:
        return self.folder / "series.sqlite"

    def why_no_values(self) -> str:
        """For a person: another folder was named, or nothing was recorded yet."""
        if self.journal.is_dir() or not any(self.folder.glob("*")):
            return f"no values yet in {self.folder}; start `edaphon run` first"
        inner = next(self.folder.glob("*/journal"), None)
        hint = f"; did you mean {inner.parent}?" if inner else ""
        return f"expected a storage folder, with journal/ in it, got {self.folder}{hint}"

    @property
    def state(self) -> Path:
        return self.folder / "state.sqlite"

    @property
    def scratch(self) -> Path:
        """A series in the making, taken over or thrown away."""
        return self.folder / "series-again.sqlite"

    @property
    def releases(self) -> Path:
        """A file for each release, never changed again."""
        return self.folder / "releases"

    def release(self, name: str) -> Path:
        return self.releases / f"{name}.sqlite"

    @property
    def control(self) -> Path:
        return self.folder / "control.sock"

    def set_aside_non_files(self) -> list[tuple[Path, str]]:
        """Rename directories where files belong, or the reverse: each path with words for people.

        Not those in place of a journal file: the journal declares such a loss itself.
        """
        found = []
        for path in self._files():
            if path.is_dir():
                words = f"expected a file, got a directory; it is set aside as {move_aside(path)}"
                found.append((path, words))
        if self.journal.is_file():
            aside = move_aside(self.journal)
            words = f"expected the folder of the journal, got a file; it is set aside as {aside}"
            found.append((self.journal, words))
        return found

    def own_paths(self) -> Iterator[Path]:
        """The folders and files here that edaphon makes, sockets apart."""
        yield self.folder
        yield from self.folder.glob("series*.sqlite*")
        yield from self.folder.glob("state.sqlite*")
        for folder in (self.journal, self.releases, self.folder / "reserve"):
            if folder.is_dir() and not folder.is_symlink():
                yield folder
                yield from folder.iterdir()

    def _files(self) -> Iterator[Path]:
        databases = (self.series, self.scratch, self.state)
        yield from (self.control, self.folder / "page.sock")
        own = ("journal.lock", "origin.json", "guard")
        yield from (self.journal / name for name in own)
        yield from databases
        for path in chain(databases, list(self.journal.glob("journal-*.sqlite"))):
            yield from (Path(f"{path}{end}") for end in SIDE_FILES)


def find_folder(file: Path | None = None, folder: Path | None = None) -> Path:
    """The storage folder: as given, else as a configuration names it, else the usual one.

    Nothing else in the configuration has to be right. Raises FolderUnknown.
    """
    if folder is not None:
        if not os.path.lexists(folder):
            raise FolderUnknown(f"expected a storage folder, got nothing at {folder}: {NAME_IT}")
        return folder.absolute()
    path = file or next((each for each in USUAL_FILES if os.path.exists(each)), None)
    if path is None and USUAL_FOLDER.is_dir():
        return USUAL_FOLDER
    if path is None:
        words = f"no {CONFIG_NAME} here and no {USUAL_FOLDER}: {NAME_IT}"
        raise FolderUnknown(f"{words}, or write one with: edaphon init")
    try:
        named = _folder_in(_text(path))
    except OSError as error:
        raise FolderUnknown(f"{path} can't be read ({error.strerror}): {NAME_IT}") from None
    if named is None or not named.is_absolute():
        raise FolderUnknown(
            f"expected `folder` with an absolute path in [storage] of {path}, got"
            f" {named or 'none'}: {NAME_IT}"
        )
    return named


def _text(path: Path) -> str:
    """Raises OSError for what is no file, without waiting for a pipe."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "no regular file", str(path))
        return os.read(handle, MOST_BYTES).decode("utf-8-sig", "replace")
    finally:
        os.close(handle)


def _folder_in(text: str) -> Path | None:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a mistake elsewhere does not hide this line
        section = re.search(r"^\s*\[storage\][^\n]*\n((?:(?!\s*\[)[^\n]*\n?)*)", text, re.MULTILINE)
        lines = re.findall(r"^\s*folder\s*=[^\n]*", section[1] if section else "", re.MULTILINE)
        try:
            table = {"storage": tomllib.loads(lines[0])} if lines else {}
        except tomllib.TOMLDecodeError:
            table = {}
    storage = table.get("storage")
    named = storage.get("folder") if isinstance(storage, dict) else None
    return Path(named) if isinstance(named, str) and named and "\0" not in named else None
