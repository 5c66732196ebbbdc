"""What no text of a person has: found in one pass, before a parser that would hang or end on it."""

import re
from collections.abc import Iterator
from typing import Final

from edaphon.toml_input.errors import ConfigError

__all__ = ["MOST_BYTES", "TOKEN", "beyond_bounds"]

MOST_BYTES: Final = 1 << 20  # of a configuration, or of a file of facts: ten years have some 100 kB
MOST_TABLES: Final = 3_000
MOST_STATEMENTS: Final = 20_000
MOST_DEPTH: Final = 32  # of lists and tables in each other, and of the parts of one key
MOST_WORD: Final = 500  # characters of a key, a number or a date
MOST_DIGITS: Final = 400  # of a number, which then is no number to a float either

# An unfinished string goes on to the end of its line, or of the text: each character is read once.
_STRING = (
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z)'
    r'|"(?:\\.|[^"\\\n])*+"?|\'[^\'\n]*+\'?'
)
TOKEN = re.compile(
    rf"(?P<string>{_STRING})|(?P<comment>#[^\n]*)|(?P<other>[^\"'#\n\[\]{{}},=]+|.)", re.DOTALL
)
_VALUES = frozenset("=,")
_OPEN, _CLOSED = frozenset("[{"), frozenset("]}")
_ENDS = frozenset(",[]{}\n")


def beyond_bounds(file: str, text: str) -> ConfigError | None:
    """The first thing that is too much, with its line; None for what a person may have written."""
    for line, came, right in _too_much(text):
        return ConfigError(file, line, "", came, right)
    return None


def _too_much(text: str) -> Iterator[tuple[int, str, str]]:
    if len(text) > MOST_BYTES:
        yield 1, f"{len(text)} characters", f"at most {MOST_BYTES} in one file: divide it"
        return
    line, tables, statements, nest = 1, 0, 0, _Nest()
    for token in TOKEN.finditer(text):
        piece = token[0]
        if token["other"]:
            nest.take(piece)
            tables += piece == "[" and _begins_line(text, token.start())
            statements += piece in _VALUES
            yield from _long_word(line, piece)
        elif token["string"] and len(piece) > MOST_WORD and _is_key(text, token.end()):
            yield line, f"a key of {len(piece)} characters", f"at most {MOST_WORD} in a key"
        if nest.depth > MOST_DEPTH:
            yield line, "lists nested too deep", f"at most {MOST_DEPTH} tables and lists in a row"
            return
        line += piece.count("\n")
    for n, most, what in ((tables, MOST_TABLES, "tables"), (statements, MOST_STATEMENTS, "values")):
        if n > most:
            yield 1, f"{n} {what}", f"at most {most} in one file: divide it"


class _Nest:
    """How deep the text is in brackets and in the parts of dotted keys."""

    def __init__(self) -> None:
        self._around: list[int] = []
        self._base = self._dots = 0

    @property
    def depth(self) -> int:
        return self._base + self._dots

    def take(self, piece: str) -> None:
        if piece in _OPEN:
            self._around.append(self._dots + 1)
            self._base += self._dots + 1
        elif piece in _CLOSED and self._around:
            self._base -= self._around.pop()
        if piece in _ENDS:
            self._dots = 0
        else:
            self._dots += piece.count(".")


def _begins_line(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


def _is_key(text: str, at: int) -> bool:
    return text[at : at + 20].lstrip(" \t")[:1] in {"=", ".", "]"}


def _long_word(line: int, piece: str) -> Iterator[tuple[int, str, str]]:
    if len(piece) <= MOST_DIGITS:
        return
    longest = max(piece.split(), key=len, default="")
    if len(longest) > MOST_DIGITS and longest.lstrip("+-")[:1].isdigit():
        yield line, "a number of thousands of digits", "at most 18 digits"
    elif len(longest) > MOST_WORD:
        yield line, f"a word of {len(longest)} characters", "text in quotes, or a shorter key"
