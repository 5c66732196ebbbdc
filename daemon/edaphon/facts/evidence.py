"""Files that facts rest on: whether each lies beside its row and is the one that the row means."""

import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from pathlib import Path

from edaphon.facts.conflicts import new_rows
from edaphon.facts.files import FactRow
from edaphon.facts.knowledge import Knowledge
from edaphon.written import Complaint
from edaphon.written.values import is_hash

__all__ = ["evidence_complaints", "evidence_files"]

LARGEST_BYTES = 4_000_000


def evidence_complaints(rows: Rows[FactRow], knowledge: Knowledge) -> list[Complaint]:
    """Reads the files that rows not known yet name."""
    found: list[Complaint] = []
    for row in new_rows(rows, knowledge):
        for name, path, told in _named(row):
            trouble = _trouble(name, path, told)
            if trouble is not None:
                line, key = row.line_of("evidence"), f"{row.fact.table}.evidence"
                found.append(Complaint(row.file, line, key, *trouble))
    return found


def evidence_files(rows: Iterable[FactRow]) -> Iterator[tuple[Path, str]]:
    """(path, SHA-256) of every file that rows name, in their order."""
    for row in rows:
        for _, path, told in _named(row):
            yield path, told


def _named(row: FactRow) -> Iterator[tuple[str, Path, str]]:
    """(name as written, where it lies, hash as written)."""
    named: dict[str, str] = getattr(row.fact, "evidence", None) or {}
    for name, told in named.items():
        yield name, Path(row.file).parent / name, told


def _too_large(path: Path) -> bool:
    return path.stat().st_size > LARGEST_BYTES


def _trouble(name: str, path: Path, told: str) -> tuple[str, str] | None:
    """What came and what is right; None for the file that is meant."""
    folder = path.absolute().parent
    if not path.is_file():
        return f'"{name}" is not there', f"put {path.name} into {folder}, or leave it out"
    try:
        if _too_large(path):
            came = f'"{name}" has {path.stat().st_size / 1e6:.1f} MB'
            return came, f"at most {LARGEST_BYTES / 1e6:.0f} MB: the journal keeps it"
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        came = f'"{name}" can\'t be read ({error.strerror})'
        return came, f"a file in {folder} that this account can read"
    if told == actual:
        return None
    came = f'"{name}" is another file than when its hash was written'
    return (came if is_hash(told) else f'"{name}" has no hash yet'), f'"{name}" = "{actual}"'
