"""Files that a calibration rests on, brought beside the TOML file that names them."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from edaphon.storage.access import fail
from edaphon.toml_input.lines import read_bytes

__all__ = ["Paper", "papers_beside", "put"]

USAGE = 2


class Paper(NamedTuple):
    """A file under its name beside the TOML file; `place` is where it is to be put, if it is not
    there yet."""

    name: str
    sha256: str
    data: bytes
    place: Path | None


def papers_beside(files: Iterable[Path], toml: Path) -> list[Paper]:
    """Each file once; ends with words for one that can't be read or put there."""
    found = [_paper(path, toml.parent) for path in dict.fromkeys(files)]
    named: dict[str, Paper] = {}
    for paper in found:
        other = named.setdefault(paper.name, paper)
        if other.sha256 != paper.sha256:
            raise fail(f"expected files of different names, got two of {paper.name}", USAGE)
    return list(named.values())


def put(evidence: Iterable[Paper]) -> list[Path]:
    """Write those that are not there yet; which these are."""
    new = [(paper.place, paper.data) for paper in evidence if paper.place is not None]
    for place, data in new:
        with place.open("xb") as file:  # never through a link that stands there
            file.write(data)
    return [place for place, _ in new]


def _paper(path: Path, folder: Path) -> Paper:
    try:
        data = read_bytes(path)
    except OSError as error:
        words = f"expected a file that can be read, got {path} ({error.strerror})"
        raise fail(words, USAGE) from None
    sha256 = hashlib.sha256(data).hexdigest()
    if path.resolve().is_relative_to(folder.resolve()):
        name = path.resolve().relative_to(folder.resolve()).as_posix()
        return Paper(name, sha256, data, None)
    place = folder / path.name
    if not os.path.lexists(place):
        return Paper(path.name, sha256, data, place)
    if not _holds(place, data):
        raise fail(f"{place} is there already with other content; give {path.name} another name")
    return Paper(path.name, sha256, data, None)


def _holds(place: Path, data: bytes) -> bool:
    try:
        return read_bytes(place, within=place.parent) == data
    except OSError:  # a link to nowhere, a pipe
        return False
