"""Refuses regular expressions that a hostile or damaged line could keep busy for hours.

A pattern is read as a row of atoms with the characters each takes and how often it may repeat.
Time grows without bound where a repeated group repeats inside, and as n to the power of the
number of neighbouring repetitions that can take the same characters.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["LONGEST_LINE", "pattern_trouble"]

LONGEST_LINE = 4096
_MOST_NEIGHBOURS = 2
_MUCH = 32  # a repetition that may go further counts as unbounded

_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?P<\w+>|\?:|\?=|\?!)?|[)|]|.", re.DOTALL)
_REPEAT = re.compile(r"(?:[*+?]|\{(\d*)(,?)(\d*)\})\??")
_CHARACTERS = [chr(code) for code in range(256)]


class _Atom(NamedTuple):
    text: str
    least: int
    many: bool


def pattern_trouble(pattern: str) -> str:
    """What is wrong with a pattern, in words; "" for one that can be used."""
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        return f"is no regular expression: {error}"
    if re.search(r"\\\d|\(\?P=", pattern):
        return "refers back to a group, which can take for ever; write the text twice"
    atoms = tuple(_atoms(pattern))
    if any(_nested(atoms)):
        return "repeats a group that repeats inside, which can take for ever; repeat only one"
    if _longest_chain(_flat(atoms)) > _MOST_NEIGHBOURS:
        return (
            f"has more than {_MOST_NEIGHBOURS} repetitions in a row that take the same characters,"
            " which can take for ever; put something fixed between them"
        )
    return ""


def _atoms(pattern: str) -> Iterator[_Atom]:
    at = 0
    while at < len(pattern):
        found = _ATOM.match(pattern, at)
        if found is None:
            return
        repeat = _REPEAT.match(pattern, found.end())
        opens = found[0].startswith("(")
        closed = repeat if repeat and not opens and found[0] != "|" else None
        yield _Atom("(" if opens else found[0], *_times(closed))
        at = closed.end() if closed else found.end()


def _times(repeat: re.Match[str] | None) -> tuple[int, bool]:
    """How often at least, and whether far more often."""
    if repeat is None:
        return 1, False
    if repeat[0][0] != "{":
        return int(repeat[0][0] == "+"), repeat[0][0] != "?"
    least = int(repeat[1] or 0)
    most = int(repeat[3]) if repeat[3] else (10**6 if repeat[2] else least)
    return least, most > _MUCH


def _nested(atoms: Sequence[_Atom]) -> Iterator[bool]:
    """For each closed group, whether it repeats and something in it does."""
    inside: list[bool] = []
    for atom in atoms:
        if atom.text == "(":
            inside.append(False)
        elif atom.text == ")" and inside:
            repeats = inside.pop()
            yield repeats and atom.many
            if inside:
                inside[-1] = inside[-1] or repeats or atom.many
        elif inside:
            inside[-1] = inside[-1] or atom.many


def _flat(atoms: Sequence[_Atom]) -> list[_Atom]:
    """The atoms without groups: what a group may leave out or repeat, each of its atoms may."""
    flat: list[_Atom] = []
    starts, choices = [0], [False]
    for atom in (*atoms, _Atom(")", 1, False)):
        if atom.text == "(":
            starts.append(len(flat))
            choices.append(False)
        elif atom.text == "|":
            choices[-1] = True
        elif atom.text != ")":
            flat.append(atom)
        elif starts:
            start, optional = starts.pop(), choices.pop() or not atom.least
            flat[start:] = [
                _Atom(a.text, 0 if optional else a.least, a.many or atom.many) for a in flat[start:]
            ]
    return flat


def _longest_chain(atoms: Sequence[_Atom]) -> int:
    """The most repetitions that one run of a single character can be divided among."""
    taken = [_taken(atom.text) for atom in atoms]
    longest = 0
    for character in _CHARACTERS:
        chain = 0
        for atom, characters in zip(atoms, taken, strict=True):
            if character in characters:
                chain += atom.many
                longest = max(longest, chain)
            elif atom.least:
                chain = 0
    return longest


def _taken(atom: str) -> frozenset[str]:
    """The characters that the atom matches; anchors match none and are taken for optional."""
    try:
        known = re.compile(atom, re.ASCII | re.DOTALL)
    except re.error:
        return frozenset(_CHARACTERS)
    return frozenset(c for c in _CHARACTERS if known.fullmatch(c))
