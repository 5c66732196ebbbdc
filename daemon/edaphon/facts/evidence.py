"""Files that facts rest on: whether each lies beside its row and is the one that the row means."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Rows
from errno import EFBIG, ESTALE
from pathlib import Path
from typing import NamedTuple

from edaphon.facts.conflicts import new_rows
from edaphon.facts.files import FactRow
from edaphon.facts.knowledge import Knowledge
from edaphon.toml_input import ConfigError
from edaphon.toml_input.reading import read_bytes
from edaphon.toml_input.values import is_hash

__all__ = ["evidence_complaints", "evidence_files"]

LARGEST_BYTES = 4_000_000


class NamedFile(NamedTuple):
    """A file that a row names: `name` as written, and below `folder`, that of the row's file."""

    name: str
    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def read(self) -> bytes:
        """OSError for no file, one that is too large, and a link that leaves the folder."""
        return read_bytes(self.path, LARGEST_BYTES, self.folder)

    def read_known(self) -> bytes:
        """As `read`, once it was checked; OSError if another file stands there by now."""
        data = self.read()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise OSError(ESTALE, "another file than when it was checked", str(self.path))
        return data


def evidence_complaints(
    rows: Rows[FactRow],
    knowledge: Knowledge,
    is_secret: Callable[[Path], bool] = lambda _: False,
) -> list[ConfigError]:
    """Reads the files that rows not known yet name; a secret is not read for that."""
    found: list[ConfigError] = []
    for row in new_rows(rows, knowledge):
        for one in _named(row):
            problem = _trouble(one, is_secret(one.path))
            if problem is not None:
                line, key = row.line_of("evidence"), f"{row.fact.table}.evidence"
                found.append(ConfigError(row.file, line, key, *problem))
    return found


def evidence_files(rows: Iterable[FactRow]) -> Iterator[NamedFile]:
    """Every file that rows name, in their order."""
    for row in rows:
        yield from _named(row)


def _named(row: FactRow) -> Iterator[NamedFile]:
    named: dict[str, str] = getattr(row.fact, "evidence", None) or {}
    for name, sha256 in named.items():
        yield NamedFile(name, Path(row.file).parent, sha256)


def _trouble(one: NamedFile, is_secret: bool) -> tuple[str, str] | None:
    """What came and what is right; None for the file that is meant."""
    folder = one.path.absolute().parent
    if is_secret:
        return f'"{one.name}" is a secret of the configuration', "a file that others may read"
    try:
        actual = hashlib.sha256(one.read()).hexdigest()
    except FileNotFoundError:
        return f'"{one.name}" is not there', f"put {one.path.name} into {folder}, or leave it out"
    except OSError as error:
        return _unread(one, error)
    if one.sha256 == actual:
        return None
    came = f'"{one.name}" is another file than when its hash was written'
    came = came if is_hash(one.sha256) else f'"{one.name}" has no hash yet'
    return came, f'"{one.name}" = "{actual}"'


def _unread(one: NamedFile, error: OSError) -> tuple[str, str]:
    if error.errno == EFBIG:
        came = f'"{one.name}" is too large'
        return came, f"at most {LARGEST_BYTES / 1e6:.0f} MB: the journal keeps it"
    came = f'"{one.name}" can\'t be read ({error.strerror})'
    return came, f"a file in {one.folder.absolute()} that this account can read"
