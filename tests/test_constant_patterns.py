"""Patterns that edaphon's own code states run in `re`, and no text from outside makes them slow.

Every use of a constant pattern is found in the source and run on texts made of its own signs. What
is no constant may not reach `re` at all: patterns of others go through edaphon_drivers.patterns.
"""

import ast
import re
import time
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from edaphon.acquire.file_pieces import files_now

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "daemon": "edaphon",
    "drivers": "edaphon_drivers",
    "calibration": "edaphon_calibration",
}
METHODS = {"search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
LONG_TEXT = 8000  # characters
SURE_S = 0.02  # of CPU: less says nothing
MOST_TIMES = 10  # for fourfold the length: 4 is linear, 16 the square
GLOB_S = 5.0
# Made by our own code, of constants and of text that re.escape made plain.
MADE = {
    "edaphon/config/sources.py": "the shapes of ports, a table of constants",
    "edaphon/toml_input/lines.py": "the tokens of TOML, constants within a constant",
    "edaphon_drivers/ascii/lines.py": "a sheet's order of date and time, its other signs escaped",
    "edaphon_drivers/files/clock.py": "a sheet's format of time, its other signs escaped",
    "edaphon_drivers/sdi12/engine.py": "the letters of a kind of command, a table of constants",
}


class Use(NamedTuple):
    """A constant pattern and the method it is run with."""

    file: str
    line: int
    pattern: "re.Pattern[str] | re.Pattern[bytes]"
    method: str


@cache
def _trees() -> list[tuple[str, str, ast.Module]]:
    trees = []
    for room, package in PACKAGES.items():
        for path in sorted((ROOT / room / package).rglob("*.py")):
            file = path.relative_to(ROOT / room)
            name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
            trees.append((str(file), name, ast.parse(path.read_text("utf-8"))))
    return trees


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _uses() -> Iterator[Use]:
    for file, name, tree in _trees():
        module = import_module(name) if "re" in _imported(tree) else None
        for node in ast.walk(tree) if module else ():
            if isinstance(node, ast.Call) and _is_constant_of_re(node):
                yield Use(file, node.lineno, re.compile(node.args[0].value), node.func.attr)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                pattern = getattr(module, node.value.id, None)
                if isinstance(pattern, re.Pattern) and node.attr in METHODS:
                    yield Use(file, node.lineno, pattern, node.attr)


def _is_constant_of_re(call: ast.Call) -> bool:
    function = call.func
    named = isinstance(function, ast.Attribute) and function.attr in METHODS
    return named and _is_re(function.value) and isinstance(call.args[0], ast.Constant)


def _imported(tree: ast.Module) -> set[str]:
    return {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}


def _texts(pattern: str) -> Iterator[tuple[str, str, str]]:
    """(begin, sign or neighbouring signs, end): the sign is what a text has many of."""
    plain = re.sub(r"\(\?P?<?\w*[:>!=]?|\\[bBAZ]", "", pattern)
    signs = dict.fromkeys([*re.sub(r"\\(.)", _sign, plain), *" 0aA.:x\n\t%"])
    runs = [*signs, *(first + second for first, second in pairwise(signs)), plain[:30]]
    for run in filter(None, runs):
        yield "", run, "\x00"
        yield plain[:4], run, "\x00"
        yield "a = x", run, "\x00"


def _sign(escape: re.Match[str]) -> str:
    known = {"d": "0", "w": "a", "s": " ", "r": "\r", "n": "\n", "t": "\t", "x": ""}
    return known.get(escape[1], escape[1])


def _run(use: Use, text: str) -> None:
    known = text if isinstance(use.pattern.pattern, str) else text.encode("utf-8")
    arguments = (known[:0], known) if use.method.startswith("sub") else (known,)
    found = getattr(use.pattern, use.method)(*arguments)
    if use.method == "finditer":
        list(found)


def _cpu_s(use: Use, text: tuple[str, str, str], characters: int) -> float:
    begin, run, end = text
    made = begin + run * (characters // len(run)) + end
    started = time.thread_time()
    _run(use, made)
    return time.thread_time() - started


def _grows(use: Use, text: tuple[str, str, str], tries: int) -> bool:
    """The shortest of some tries: what the machine does besides only makes it longer."""
    long_s = min(_cpu_s(use, text, LONG_TEXT) for _ in range(tries))
    short_s = min(_cpu_s(use, text, LONG_TEXT // 4) for _ in range(tries))
    return long_s > max(SURE_S, MOST_TIMES * short_s)


def slow_texts(use: Use) -> Iterator[str]:
    """The signs that a text has many of, where time grows with the square of its length."""
    pattern = use.pattern.pattern
    for text in _texts(pattern if isinstance(pattern, str) else pattern.decode("latin-1")):
        if _grows(use, text, 1) and _grows(use, text, 5):
            yield text[1]


def _made_patterns() -> Iterator[str]:
    """The files in which a function hands `re` what is no constant, or anything to re2."""
    for file, _, tree in _trees():
        constants = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                named = isinstance(call.func, ast.Attribute) and _is_re(call.func.value)
                if named and call.func.attr in METHODS | {"compile"}:
                    given = call.args[0]
                    constant = isinstance(given, ast.Name) and given.id in constants
                    if not constant and not isinstance(given, ast.Constant):
                        yield file


def test_what_is_no_constant_of_the_code_reaches_re_in_known_places_alone():
    assert set(_made_patterns()) == set(MADE)


def test_re2_is_asked_in_one_place():
    assert [file for file, _, tree in _trees() if "re2" in _imported(tree)] == [
        "edaphon_drivers/patterns.py"
    ]


@pytest.mark.parametrize(
    "glob", ["*a" * 120 + "b", "*[!b]" * 50 + "1", "*?" * 120 + "b", "[a-z]*" * 40]
)
def test_a_glob_of_many_stars_finds_nothing_at_once(glob, tmp_path):
    """Files that a source follows; Python's fnmatch never goes back to an earlier star."""
    for n in range(20):
        (tmp_path / f"{'a' * 250}{n}").touch()
    started = time.process_time()
    assert files_now(tmp_path / f"{glob}.dat") == ({}, None)
    assert time.process_time() - started < GLOB_S


ONCE = {(use.pattern, use.method): use for use in _uses()}
USES = {f"{use.file}:{use.line}-{use.method}": use for use in ONCE.values()}


@pytest.mark.parametrize("where", USES)
def test_no_text_makes_a_pattern_of_the_code_slow(where):
    slow = next(slow_texts(USES[where]), None)
    assert slow is None, f"{USES[where].pattern.pattern!r} on many of {slow!r}"
