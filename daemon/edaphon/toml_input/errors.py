"""A complaint about something written: where, what came, what would be right."""

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from edaphon.printer import visible

_LONG_WORD = 100  # nothing that is known is so long
_LONGEST = 1000  # characters of a part of a complaint

__all__ = ["ConfigError", "did_you_mean", "expected_only", "one_of"]


class _ConfigError(NamedTuple):
    file: str
    line: int
    key: str
    came: str
    right: str


class ConfigError(_ConfigError):
    """`line` counts from 1; complaints sort by file and line. Long texts lose their middle."""

    __slots__ = ()

    def __new__(cls, file: str, line: int, key: str, came: str, right: str) -> Self:
        return super().__new__(cls, file, line, *map(_cut, (key, came, right)))

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return visible(f"{self.file}:{self.line}  {key}{self.came}; {self.right}")


def _cut(text: str) -> str:
    """A text without its middle where it is long: what is quoted is at its ends."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 120]} ... {text[-100:]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or the names there are when none is near."""
    names = sorted(known)
    if len(word) > _LONG_WORD:
        return one_of(names)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(word.casefold(), folded, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(folded[n] for n in near)}?" if near else one_of(names)


def expected_only(error: Exception) -> str:
    """An error's message without its `came ...`, which a complaint tells in its own place."""
    return re.sub(r"; came [^;]*", "", str(error)).removeprefix("expected ")


def one_of(names: Iterable[str]) -> str:
    listed = list(names)
    if not listed:
        return "there is none yet"
    return f"known: {', '.join(listed[:12])}{', ...' if len(listed) > 12 else ''}"
