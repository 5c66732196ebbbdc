"""How a line falls into named texts: pattern, separators, fixed columns, key=value, XML elements.

Each layout is a frozen table with `texts(line)`; it raises Garbled for a line of another form.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edaphon_drivers.faults import Garbled
from edaphon_drivers.patterns import Expression

_MARK = re.compile(r"<(/?)([A-Za-z][\w. -]{0,40})(/?)>", re.ASCII)


class Layout(Protocol):
    """`columns` are the names that a header line gave, () before any came."""

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """A line of which nothing is wanted."""

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class Pattern:
    """The named groups of a pattern that fits the whole line."""

    pattern: Expression

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        found = self.pattern.in_whole(line)
        if found is None:
            raise Garbled("a line of the sheet's pattern", line)
        return {name: text.strip() for name, text in found.items()}


@dataclass(frozen=True, slots=True)
class Separated:
    """Values with something between them; "" separates at blanks, however many.

    `numbers` are the values that are wanted by their place: 1 the first, -1 the last.
    """

    separator: str
    columns: tuple[str, ...] = ()
    count: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        names = columns or self.columns
        values = line.split(self.separator) if self.separator else line.split()
        allowed = (len(names),) if names else self.count
        if allowed and len(values) not in allowed:
            wanted = " or ".join(map(str, allowed))
            raise Garbled(f"{wanted} values, not {len(values)}", line)
        texts = {n: v.strip(' "') for n, v in zip(names, values, strict=True)} if names else {}
        for number in self.numbers:
            if not 0 < abs(number) <= len(values):
                raise Garbled(f"a value number {number}", line)
            texts[str(number)] = values[number - (number > 0)].strip(' "')
        return texts


@dataclass(frozen=True, slots=True)
class Fixed:
    """Texts from one character to another, counted from 1, negative from the end."""

    places: Mapping[str, tuple[int, int]]
    length: tuple[int, ...] = ()

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        if self.length and len(line) not in self.length:
            wanted = " or ".join(map(str, self.length))
            raise Garbled(f"{wanted} characters, not {len(line)}", line)
        return {name: _cut(line, *place) for name, place in self.places.items()}


def _cut(line: str, first: int, last: int) -> str:
    start = first - 1 if first > 0 else len(line) + first
    end = last if last > 0 else len(line) + last + 1
    if not 0 <= start < end <= len(line):
        raise Garbled(f"characters {first} to {last}", line)
    return line[start:end].strip()


@dataclass(frozen=True, slots=True)
class Pairs:
    """key=value pairs; a value of `suffix` must end with that letter, which says its unit."""

    separator: str
    suffix: Mapping[str, str] = field(default_factory=dict)

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        texts = {}
        for part in line.split(self.separator) if self.separator else line.split():
            key, equals, value = part.partition("=")
            key = key.strip()
            if equals and key in texts:
                raise Garbled(f"{key} once", line)
            if equals:
                texts[key] = self._value(key, value.strip())
        return texts

    def _value(self, key: str, value: str) -> str:
        letter = self.suffix.get(key, "")
        if value.endswith("#"):  # Vaisala: there is no valid value
            return "#"
        if not value.endswith(letter):
            raise Garbled(f"{key} in the unit {letter}", value)
        return value[: len(value) - len(letter)]


@dataclass(frozen=True, slots=True)
class Elements:
    """XML elements by path below the root, in small letters: `data/celltemp`.

    No XML parser: instruments send no declaration, sometimes other bytes between the records,
    and nothing from a line may be expanded. What stands before the last opening root is dropped.
    """

    root: str

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        small = line.lower()
        start = small.rfind(f"<{self.root}>")
        end = small.find(f"</{self.root}>", start)
        if start < 0 or end < 0:
            raise Garbled(f"a whole <{self.root}>", line)
        return _leaves(line[start + len(self.root) + 2 : end])


def _leaves(body: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    path: list[str] = []
    after = 0
    opened = False
    for mark in _MARK.finditer(body):
        closing, name, alone = mark[1], mark[2].lower(), mark[3]
        if alone:
            opened = False
        elif not closing:
            path.append(name)
            opened = True
        else:
            if not path or path[-1] != name:
                raise Garbled(f"</{path[-1] if path else ''}>", mark[0])
            if opened and "/".join(path) in texts:
                raise Garbled(f"<{name}> once", body)
            if opened:
                texts["/".join(path)] = body[after : mark.start()].strip()
            path.pop()
            opened = False
        after = mark.end()
    if path:
        raise Garbled(f"</{path[-1]}>", body)
    return texts
