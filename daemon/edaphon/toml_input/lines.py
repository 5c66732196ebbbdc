"""A TOML text with the line of every key, since tomllib gives lines only for syntax errors."""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, ParamSpec, Self, SupportsFloat

from edaphon.printer import visible
from edaphon_calibration.errors import CalibrationError

_LONG_WORD = 100  # nothing that is known is so long
_LONGEST = 1000  # characters of a part of a complaint
FACT_TABLES: Final = frozenset(
    {
        "plot",
        "profile",
        "horizon",
        "sensor",
        "channel",
        "deployment",
        "factory",
        "calibration",
        "check",
        "mark",
        "visit",
        "pause",
        "replacement",
        "revocation",
    }
)
_LISTS: Final = FACT_TABLES | {"source", "sink", "notify"}


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
    meant = data_of("edaphon.toml_input", "meant").get(
        re.sub(r"[\s_-]+", " ", word.casefold()).strip()
    )
    if meant in names:
        return f"did you mean {meant}?"
    near = difflib.get_close_matches(word.casefold(), folded, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(folded[n] for n in near)}?" if near else one_of(names)


@cache
def data_of(package: str, name: str) -> dict[str, Any]:
    """The data that a package keeps in `NAME.toml`, read once; {} where it has no such file."""
    file = files(package) / f"{name}.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


P = ParamSpec("P")


def refusal(check: Callable[P, object], *given: P.args, **named: P.kwargs) -> str:
    """What a check of calibrations expects instead of this, "" where it takes it."""
    try:
        check(*given, **named)
    except CalibrationError as error:
        return expected_only(error)
    return ""


def expected_only(error: Exception) -> str:
    """An error's message without its `came ...`, which a ConfigError shows in its own place."""
    return re.sub(r"; came [^;]*", "", str(error)).removeprefix("expected ")


def one_of(names: Iterable[str]) -> str:
    listed = list(names)
    if not listed:
        return "there is none yet"
    return f"known: {', '.join(listed[:12])}{', ...' if len(listed) > 12 else ''}"


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


Place = tuple[str | int, ...]
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")
_KEY_PART = re.compile(r'\s*("(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+)\s*(\.|=|\]|$)')
_BARE_VALUE = re.compile(
    r"^(\s*(?P<key>[\w.\"-]+)\s*=\s*)(?P<value>[^\s#\"'\[{](?:[^#]*[^\s#])?)\s*(#.*)?$"
)
_SECRET_KEY = re.compile(r"pass|token|secret|authori[sz]ation|\bpin$|key$", re.IGNORECASE)
_ENDLESS = re.compile(r"[0-9_]{4300}")
_ERROR_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_SYNTAX = (
    ("Cannot overwrite", "this key is here twice", "each key once in its table"),
    ("Cannot declare", "this table is here twice", "each [table] once; [[table]] for a list"),
    ("Illegal character '\\n'", "text does not end on its line", "a quote at its end"),
    ("Expected '='", "this line is not TOML", "key = value, [table], [[table]] or # comment"),
)
_HEADER = re.compile(r"\s*\[(\w+)\]\s*(?:#.*)?")
_CURLY_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb"
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+)", re.ASCII)
_CLOCK = r"(?:[ T]+(\d?\d:\d\d)(?::(\d\d))?)?"
_DAY_FIRST = re.compile(rf"(\d?\d)\.(\d?\d)\.(\d{{4}}){_CLOCK}", re.ASCII)
_YEAR_FIRST = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d){_CLOCK}", re.ASCII)
_MOST_REPAIRS = 50
_MOST_PARSED = 1_000_000  # characters
_LONG_LINE = 1_000  # of one that may lack its quotes


def dotted(place: Place) -> str:
    """The keys of a place, as they are written in TOML."""
    return ".".join(str(part) for part in place if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed TOML text; `lines` maps each place (keys and list indices) to its line, from 1.

    `repaired` are lines where a value was read as what was meant, such as text without its quotes.
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
        """False when nothing of it could be parsed, so that `table` is empty."""
        return bool(self.table) or not self.config_errors

    def line(self, place: Place) -> int:
        """The first line of that place, or of the nearest written place around it."""
        while place and place not in self._first:
            place = place[:-1]
        return self._first.get(place, 1)

    def error(self, place: Place, came: str, right: str) -> ConfigError:
        """A complaint about what is at that place."""
        return ConfigError(self.file, self.line(place), dotted(place), came, right)


def read_document(file: str, text: str) -> Document:
    """Never raises: see `config_errors`. A value that only lacks its quotes is read as text."""
    if (beyond := beyond_bounds(file, text)) is not None:
        return Document(file, text, {}, {}, (beyond,))
    config_errors: list[ConfigError] = []
    repaired: set[int] = set()
    for _ in range(_repairs(text)):
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            number = _error_line(error, text)
            mended = None if number in repaired else _mended(text, number)
            config_errors.append(_syntax_error(file, text, number, error))
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


class _Hint(NamedTuple):
    """What to write in place of a value that is no TOML, and the value to read on with."""

    right: str
    value: str


def _meant(value: str) -> _Hint:
    if number := with_point(value):
        return _Hint(f"use a decimal point: {number}", number)
    if instant := written_instant(value):
        return _Hint(f"write {instant}", instant)
    if value[0] in _CURLY_QUOTES:
        text = toml_value(value.strip(_CURLY_QUOTES))
        return _Hint(f"use straight quotes: {text}", text)
    return _Hint(f'text needs quotes: "{value}"', f'"{value}"')


def with_point(text: str) -> str:
    """A number with a decimal comma as one with a point; "" for anything else."""
    found = _DECIMAL_COMMA.fullmatch(text)
    return f"{found[1]}.{found[2]}" if found else ""


def written_instant(text: str) -> str:
    """A date or time as people write it, in the form that is read, its offset a guess; else ""."""
    found = _DAY_FIRST.fullmatch(text)
    day, month, year = found.group(1, 2, 3) if found else ("", "", "")
    if found is None and (found := _YEAR_FIRST.fullmatch(text)):
        year, month, day = found.group(1, 2, 3)
    if found is None:
        return ""
    clock = found[4] or "00:00"
    return f"{year}-{month:0>2}-{day:0>2}T{clock:0>5}:{found[5] or '00'}+01:00"


def _mended(text: str, number: int) -> str | None:
    """The text with one error corrected, so that the rest can be checked too."""
    lines = text.split("\n")
    if name := _list_header(lines[number - 1]):
        return re.sub(rf"(?m)^[ \t]*\[{name}\][ \t]*(#.*)?$", f"[[{name}]]", text)
    found = _bare_value(lines[number - 1])
    if not found:
        return None
    lines[number - 1] = f"{found[1]}{_meant(found['value']).value}"
    return "\n".join(lines)


def _list_header(line: str) -> str:
    """The name in a `[name]` that is one of several, "" for any other line."""
    found = _HEADER.fullmatch(line)
    return found[1] if found and found[1] in _LISTS else ""


def _syntax_error(file: str, text: str, number: int, error: tomllib.TOMLDecodeError) -> ConfigError:
    line = text.split("\n")[number - 1]
    if name := _list_header(line):
        came, right = f"a second [{name}]", f"use [[{name}]] (double brackets) for each {name}"
        return ConfigError(file, number, "", came, right)
    if found := _bare_value(line):
        value = found["value"]
        if _SECRET_KEY.search(found["key"]) or "://" in value:
            right = 'only its place, such as { file = "/PATH" }, or text in quotes'
            return ConfigError(file, number, found["key"], "no TOML value (not shown)", right)
        came = f"{value} is not a TOML value"
        return ConfigError(file, number, found["key"], came, _meant(value).right)
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


def toml_value(value: Any) -> str:
    """A value as it is written behind the `=` of a key, in one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(name)} = {toml_value(own)}" for name, own in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int) or not isinstance(value, SupportsFloat):
        return str(value)
    return repr(float(value))


def toml_key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def toml_keys(table: Mapping[str, Any]) -> str:
    return "".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in table.items())


def toml_row(name: str, table: Mapping[str, Any], comments: Iterable[str] = ()) -> str:
    """One row of an array of tables, below its comments."""
    head = "".join(f"# {words[0].upper()}{words[1:]}\n" for words in comments)
    return f"{head}[[{name}]]\n{toml_keys(table)}"
