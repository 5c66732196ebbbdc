"""Where things lie in the storage folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from edaphon.databases import SIDE_FILES, move_aside

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def series(self) -> Path:
        return self.folder / "series.sqlite"

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
