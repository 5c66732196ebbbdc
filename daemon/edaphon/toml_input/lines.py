"""A TOML text with the line of every key, since tomllib tells lines only of syntax errors."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edaphon.toml_input.bounds import TOKEN, beyond_bounds
from edaphon.toml_input.errors import ConfigError

__all__ = ["Document", "Place", "read_document"]

Place = tuple[str | int, ...]

_KEY_PART = re.compile(r'\s*("(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+)\s*(\.|=|\]|$)')
_BARE_VALUE = re.compile(
    r"^(\s*(?P<key>[\w.\"-]+)\s*=\s*)(?P<value>[^\s#\"'\[{](?:[^#]*[^\s#])?)\s*(#.*)?$"
)
_SECRET_KEY = re.compile(r"pass|token|secret|authori[sz]ation|\bpin$|key$", re.IGNORECASE)
_ENDLESS = re.compile(r"[0-9_]{4300}")
_ERROR_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_SYNTAX = (
    ("Cannot overwrite", "this key stands here twice", "each key once in its table"),
    ("Cannot declare", "this table stands here twice", "each [table] once; [[table]] for a list"),
    ("Illegal character '\\n'", "text does not end on its line", "a quote at its end"),
    ("Expected '='", "this line is not TOML", "key = value, [table], [[table]] or # comment"),
)
_MOST_REPAIRS = 50
_MOST_PARSED = 1_000_000  # characters
_LONG_LINE = 1_000  # of one that may lack its quotes


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed TOML text; `lines` maps each place (keys and list indices) to its line, from 1.

    `repaired` are lines where a value was read as text although its quotes are missing.
    """

    file: str
    text: str
    table: Mapping[str, Any]
    lines: Mapping[Place, int]
    config_errors: tuple[ConfigError, ...] = ()
    repaired: frozenset[int] = field(default=frozenset())
    _first: Mapping[Place, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        first: dict[Place, int] = {}
        for place, line in self.lines.items():
            for n in range(1, len(place) + 1):
                around = place[:n]
                first[around] = min(line, first.get(around, line))
        object.__setattr__(self, "_first", first)

    @property
    def readable(self) -> bool:
        """False when nothing of it could be parsed, so that `table` tells nothing."""
        return bool(self.table) or not self.config_errors

    def line(self, place: Place) -> int:
        """The first line of that place, or of the nearest written place around it."""
        while place and place not in self._first:
            place = place[:-1]
        return self._first.get(place, 1)


def read_document(file: str, text: str) -> Document:
    """Never raises: what is not TOML stands in `complaints`, and `table` is then empty.

    A value that only lacks its quotes is complained of and read as text, so that the rest of the
    file can still be checked.
    """
    if (beyond := beyond_bounds(file, text)) is not None:
        return Document(file, text, {}, {}, (beyond,))
    config_errors: list[ConfigError] = []
    repaired: set[int] = set()
    for _ in range(_repairs(text)):
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            number = _error_line(error, text)
            mended = None if number in repaired else _quote_value(text, number)
            config_errors.append(_syntax_complaint(file, text, number, error))
            if mended is None:
                break
            text = mended
            repaired.add(number)
        except ValueError:  # Python makes no number of more than 4300 digits
            config_errors.append(_endless(file, text))
            break
        else:
            lines = dict(_places(text))
            return Document(file, text, table, lines, tuple(config_errors), frozenset(repaired))
    return Document(file, text, {}, {}, tuple(config_errors), frozenset(repaired))


def _repairs(text: str) -> int:
    """How often the whole text may be parsed: a long one that is spoilt is not read fifty times."""
    return max(1, min(_MOST_REPAIRS, _MOST_PARSED // (len(text) + 1)))


def _endless(file: str, text: str) -> ConfigError:
    found = _ENDLESS.search(text)
    number = 1 + text.count("\n", 0, found.start() if found else 0)
    return ConfigError(file, number, "", "a number of thousands of digits", "at most 18 digits")


def _error_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = _ERROR_LINE.search(str(error))
    return int(found[1]) if found else text.rstrip("\n").count("\n") + 1


def _bare_value(line: str) -> re.Match[str] | None:
    return _BARE_VALUE.match(line) if len(line) <= _LONG_LINE else None


def _quote_value(text: str, number: int) -> str | None:
    lines = text.split("\n")
    found = _bare_value(lines[number - 1])
    if not found:
        return None
    lines[number - 1] = f'{found[1]}"{found["value"]}"'
    return "\n".join(lines)


def _syntax_complaint(
    file: str, text: str, number: int, error: tomllib.TOMLDecodeError
) -> ConfigError:
    found = _bare_value(text.split("\n")[number - 1])
    if found:
        value = found["value"]
        if _SECRET_KEY.search(found["key"]) or "://" in value:
            right = 'only its place, such as { file = "/PATH" }, or text in quotes'
            return ConfigError(file, number, found["key"], "no TOML value (not shown)", right)
        return ConfigError(
            file,
            number,
            found["key"],
            f"{value} is not a TOML value",
            f'text needs quotes: "{value}"',
        )
    what = _ERROR_LINE.sub("", str(error)).strip()
    for start, came, right in _SYNTAX:
        if what.startswith(start):
            return ConfigError(file, number, "", came, right)
    return ConfigError(file, number, "", "this line is not TOML", what[:1].lower() + what[1:])


def _places(text: str) -> Iterator[tuple[Place, int]]:
    """Every header and key of a text that tomllib has already accepted."""
    counts: dict[Place, int] = {}
    head: Place = ()
    for number, statement in _statements(text):
        if statement.startswith("["):
            many = statement.startswith("[[")
            head = _resolve(_keys(statement.lstrip("[")), counts, many)
            yield head, number
        else:
            keys = _keys(statement)
            for depth in range(1, len(keys) + 1):
                yield (*head, *keys[:depth]), number
            yield from _inline_lists(statement, (*head, *keys), number)


def _resolve(keys: tuple[str, ...], counts: dict[Place, int], many: bool) -> Place:
    """The place of a header, with the index of each list of tables on the way."""
    place: Place = ()
    for at, key in enumerate(keys):
        place = (*place, key)
        if many and at == len(keys) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line where it begins, text without comments) of each header and key = value."""
    number, begun, depth, parts = 1, 1, 0, list[str]()
    for token in TOKEN.finditer(text):
        piece = token[0]
        if token["comment"]:
            continue
        if piece == "\n" and depth == 0:
            if parts:
                yield begun, "".join(parts).strip()
            parts, begun = [], number + 1
        elif parts or not piece.isspace():
            parts.append(piece)
        if token["other"] and parts and parts[0] != "[":
            depth += (piece in "[{") - (piece in "]}")
        number += piece.count("\n")
    if parts:
        yield begun, "".join(parts).strip()


def _keys(statement: str) -> tuple[str, ...]:
    keys, at = [], 0
    while found := _KEY_PART.match(statement, at):
        keys.append(_plain(found[1]))
        at = found.end()
        if found[2] != ".":
            break
    return tuple(keys)


def _plain(key: str) -> str:
    if key[0] in "\"'":
        return str(tomllib.loads(f"k = {key}")["k"])
    return key


def _inline_lists(statement: str, place: Place, number: int) -> Iterator[tuple[Place, int]]:
    """The line of each element of a list that spans several lines."""
    if "\n" not in statement:
        return
    depth, index, line = 0, 0, number
    for token in TOKEN.finditer(statement):
        piece = token[0]
        if token["string"] or not piece.isspace():
            if depth == 1 and (token["string"] or piece not in ",]"):
                yield (*place, index), line
            if token["other"]:
                depth += (piece in "[{") - (piece in "]}")
                index += piece == "," and depth == 1
        line += piece.count("\n")
