"""A complaint about something written: where, what came, what would be right."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Complaint", "did_you_mean", "one_of"]


class Complaint(NamedTuple):
    """`line` counts from 1; complaints sort by file and line."""

    file: str
    line: int
    key: str
    came: str
    right: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}  {key}{self.came}; {self.right}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or the names there are when none is near."""
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]}?" if near else one_of(names)


def one_of(names: Iterable[str]) -> str:
    listed = list(names)
    if not listed:
        return "there is none yet"
    return f"known: {', '.join(listed[:12])}{', ...' if len(listed) > 12 else ''}"
