"""Hostile patterns by the hundred: `check` judges each at once, and what it takes runs in bounds.

A seeded grammar makes patterns that repeat, nest and overlap; others are known to hang engines that
go back. Each stands in a sheet of an owner, at one of the four doors for patterns.
EDAPHON_FAULTS=long (`./run faults`) tries 600 of them, else a tenth.
"""

import contextlib
import random
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.drivers.test_patterns import HOSTILE
from tests.stories.load import LONG, table

from edaphon.service.check import examine
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import Turn
from edaphon_drivers.registry import engine
from edaphon_drivers.sheets import Sheet, parse_sheet

COUNT = 600 if LONG else 60
AT_ONCE = 20  # sheets in one configuration
CHECK_CPU_S = 2.0
DECODE_CPU_S = 20.0  # of a payload, wherever CI runs
PAYLOAD = 65536 if LONG else 8192
HEAD = """
[logger]
id = "l1"
[site]
id = "s1"
[storage]
folder = "/var/lib/edaphon"
"""
SHEET = """
[model."own.m{number}"]
title = "a sheet from a stranger"
engine = "{engine}"
output = [{{ name = "v", quantity = "soil_temperature", unit = "degC" }}]
{command}[model."own.m{number}".frame]
{frame}
"""
READ = 'heard = true\nseparator = "blanks"\nfields = { v = 1 }\n'
IDENTITY = 'ask = "?"\nseparator = "blanks"\nfields = { v = 1 }\nidentity.ask = "W"\n'
SOURCED = {"checked": "unverified", "source": "a stranger"}
COMMAND = 'command = [{ send = "M", outputs = ["v"] }]\n'


class Stranger(NamedTuple):
    """A sheet of a stranger, by the lines of the configuration where it stands."""

    name: str
    pattern: str
    first: int
    last: int


def _atom(rng: random.Random) -> str:
    return rng.choice(
        ["a", "b", "ab", ".", r"\w", r"\d", r"\s", "[ab]", "[^b]", "[a-z]", "[^,]", " ", "é", "a?"]
    )


def _times(rng: random.Random) -> str:
    low, high = rng.choice([(0, 32), (1, 31), (0, 200), (2, 999), (0, 5), (1, 1000), (0, 2000)])
    return rng.choice(
        ["*", "+", "?", "*?", "+?", "", f"{{{low},{high}}}", f"{{{low},}}", f"{{{high}}}"]
    )


def made(rng: random.Random, depth: int) -> str:
    """A pattern of nested, repeated, alternative and overlapping parts."""
    if depth == 0:
        return _atom(rng) + _times(rng)
    parts = [made(rng, rng.randint(0, depth - 1)) for _ in range(rng.randint(1, 4))]
    form = rng.choice(["(?:{})", "({})", "(?i:{})", "{}", "(?=x)?{}", r"{}\1", "(?:{}|a|ab)"])
    inside = rng.choice(["", "|"]).join(parts)
    return form.format(inside) + (_times(rng) if form[0] == "(" else "")


def hostile(count: int) -> list[str]:
    rng = random.Random("hostile patterns")
    patterns = [*HOSTILE, "(?i)" + "a*" * 40 + "b", "(?P<x>a)" * 120, "[a" * 900, "a" * 5000]
    while len(patterns) < count:
        pattern = made(rng, rng.randint(1, 5))
        patterns.append(rng.choice(["", "^", ".*"]) + pattern + rng.choice(["", "$", "b", ";"]))
    return patterns[:count]


def _sheet(number: int, pattern: str) -> str:
    """At one of four doors; a text of TOML that takes every sign as it is."""
    text = f"'''{pattern}'''"
    frame, speaks, command = [
        (f"{READ}match = {text}", "ascii", ""),
        (f"heard = true\npattern = '''(?P<v>{pattern})'''", "ascii", ""),
        (f"{IDENTITY}identity.patterns = [{text}]", "ascii", ""),
        (f"identity = {text}", "sdi12", COMMAND),
    ][number % 4]
    return SHEET.format(number=number, engine=speaks, command=command, frame=frame)


def _configuration(patterns: list[str], first: int) -> tuple[str, list[Stranger]]:
    text, strangers = HEAD, []
    for number, pattern in enumerate(patterns, first):
        begun = text.count("\n") + 1
        text += _sheet(number, pattern)
        strangers.append(Stranger(f"own.m{number}", pattern, begun, text.count("\n")))
    return text, strangers


def _lines(rng: random.Random) -> Iterator[bytes]:
    """Payloads of lines as long as may be, and of short ones."""
    runs = rng.sample([b"ab", b"aab ", b"1", b"b", b"a,", b"\xe9a", b" "], 2)
    for run in (b"a", *runs):
        line = run * (1000 // len(run)) + b"\n"
        yield line * (PAYLOAD // len(line))
    yield b"a\n" * (PAYLOAD // 64)


def _decoded_s(sheet: Sheet) -> float:
    """The longest time [s of CPU] that a driver takes for a payload of hostile lines."""
    driver = engine(sheet.engine)
    longest = 0.0
    for data in _lines(random.Random(sheet.model)):
        started = time.process_time()
        turns = [Turn(0, True, b"W" if sheet.engine == "ascii" else b"0I!"), Turn(1, False, data)]
        with contextlib.suppress(Fault):
            driver.decode_identity(turns, sheet)
        with contextlib.suppress(Fault):
            driver.decode_exchange(turns, sheet)
        if sheet.frame.get("heard"):
            with contextlib.suppress(Fault):
                driver.decode_stream(turns[1:], sheet)
        longest = max(longest, time.process_time() - started)
    return longest


@pytest.mark.timeout(3600 if LONG else 120)
def test_hostile_patterns_are_judged_at_once_and_those_taken_run_in_bounds(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    patterns = hostile(COUNT)
    refused, checked_s, decoded_s = 0, [], []
    for first in range(0, COUNT, AT_ONCE):
        text, strangers = _configuration(patterns[first : first + AT_ONCE], first)
        (tmp_path / "edaphon.toml").write_text(text, "utf-8")
        started = time.process_time()
        found = examine([tmp_path / "edaphon.toml"])
        checked_s.append(time.process_time() - started)
        models = tomllib.loads(text)["model"]
        for stranger in strangers:
            lines = range(stranger.first, stranger.last + 1)
            if [c for c in found.config_errors if c.line in lines and c.came and c.right]:
                refused += 1
            else:
                sheet = parse_sheet(stranger.name, models[stranger.name] | SOURCED)
                decoded_s.append((_decoded_s(sheet), stranger.pattern))
        assert len(found.config_errors) == len({c.line for c in found.config_errors})
    taken = len(decoded_s)
    slowest_s, slowest = max(decoded_s)
    rows = [(f"{COUNT}", f"{refused}", f"{taken}", f"{max(checked_s):.3f}", f"{slowest_s:.3f}")]
    head = ("patterns", "refused", "taken", f"check of {AT_ONCE} [s]", f"{PAYLOAD} bytes [s]")
    table(capfd, f"hostile patterns, the slowest {slowest[:40]!r}", [head, *rows])
    assert taken > COUNT / 6
    assert refused > COUNT / 6
    assert max(checked_s) < CHECK_CPU_S
    assert slowest_s < DECODE_CPU_S
