"""Patterns of sheets: linear in the text, refused in words, and meaning what they mean in `re`."""

import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from tests.drivers.good_frames import TRANSCRIPTS, good_samples
from tests.drivers.mutations import SEED, mutated, random_of
from tests.drivers.patterns_in_re import Slow, slow

from edaphon_drivers.ascii import sheet as frames
from edaphon_drivers.faults import Fault
from edaphon_drivers.patterns import (
    LONGEST_PATTERN,
    MOST_GROUPS,
    MOST_STEPS,
    Expression,
    WrongPattern,
    compiled,
)
from edaphon_drivers.sdi12 import engine as sdi12
from edaphon_drivers.sheets import load_sheet, model_names

LONG = os.environ.get("EDAPHON_FAULTS") == "long"
CPU_S = 10.0  # wherever CI runs; `re` takes years
TEXT = 65536 if LONG else 16384  # characters; a line has at most 4096

HOSTILE = [
    r"(a+)+$",
    r"(a|aa)+$",
    r"(a|a)*$",
    r"(?:ab|ab)*;",
    r"(?i:a*)(?i:a*)..b",
    r"([a-zA-Z]+)*$",
    r"(.*a){30}$",
    r"(?:(?:a{0,32}){0,31})c",
    r"a*a*a*a*a*a*a*b",
    r"(?:a?){500}a{500}",
    r"(?:.*)*(?:.*)*=",
    r"(\w+\s?)*$",
    r"^(?:a|b|ab)*c$",
    r".*.*.*.*=.*",
    r"(?:a*)*",
    "|".join(["a" * n + "b" for n in range(1, 40)]),
    r"[ab]*a[ab]{900}$",
    "(?:" * 300 + "a*" + ")*" * 300,
]


# --- the same meaning


_SIGNS = "ab A1 é É \n ( ( ) ) ) | * + ? ^ . [ ] { } - # $ Ω A [ab] [^a] [a-c1] [é-ü] [Z-b] []a]"
_ESCAPES = r"\d \w \s \S \b \Z \A \n \x41 \/ \_ \060 \0 [^\W] [\b\-x] [\1]"
_GROUPS = "(?: (?P<g> (?P<h> (?i: (?s: (?-i: (?m: (?x: (?#x) (?i) (?x) (?s)"
_TIMES = "{2} {1,3} {,2} *? +? {x {2 ?? {1,2}?"
_PIECES = f"{_SIGNS} {_ESCAPES} {_GROUPS} {_TIMES}".split(" ")
_LETTERS = "abABc1 \né_É"


def _made(rng: random.Random) -> str:
    return "".join(rng.choice(_PIECES) for _ in range(rng.randint(1, 12)))


def _line(rng: random.Random) -> str:
    """Without a line end behind it, where $ may mean two places in `re`."""
    text = "".join(rng.choice(_LETTERS) for _ in range(rng.randint(0, 7)))
    return text.rstrip("\n")


def _in_re(pattern: str, how: dict[str, bool]) -> Slow | None:
    try:
        return slow(pattern, **how)
    except (re.error, OverflowError):
        return None


def _in_ours(pattern: str, how: dict[str, bool]) -> Expression | str:
    try:
        return compiled(pattern, **how)
    except WrongPattern as wrong:
        return str(wrong)


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_a_pattern_is_taken_if_re_takes_it_and_fits_what_it_fits_there():
    rng = random_of("patterns")
    taken = 0
    for _ in range(100_000 if LONG else 4000):
        pattern = _made(rng)
        how = {name: rng.random() < 0.3 for name in ("ignore_case", "lines", "whole")}
        before, now = _in_re(pattern, how), _in_ours(pattern, how)
        if isinstance(now, str):
            assert before is None or "never gives back" in now, (pattern, how, now)
            continue
        assert before is not None, (pattern, how)
        taken += 1
        for text in (_line(rng) for _ in range(6)):
            what = (pattern, how, text, SEED)
            if how["whole"]:
                assert now.in_whole(text) == before.in_whole(text) or _empty(before, text), what
            else:
                assert now.is_in(text) == before.is_in(text), what
                assert now.in_part(text) == before.in_part(text) or _empty(before, text), what
    assert taken > 800


def _empty(before: Slow, text: str) -> bool:
    """`(?P<g>a*)+` keeps in `re` the last, empty repetition of its group, in RE2 the one before."""
    found = {**(before.in_part(text) or {}), **(before.in_whole(text) or {})}
    return ")+" in before.pattern and "" in found.values()


@pytest.mark.filterwarnings("ignore:Possible nested set")
@pytest.mark.parametrize("code", range(256))
def test_every_class_has_the_members_that_re_gives_it(code):
    text = chr(code)
    for pattern in (
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\W",
        r"\S",
        ".",
        "[é-ÿ]",
        r"[^\s\d]",
        "[[:a]",
        "µ",
    ):
        for how in ({}, {"ignore_case": True}):
            assert compiled(pattern, **how).is_in(text) == slow(pattern, **how).is_in(text), pattern


@pytest.mark.parametrize("text", ["OK", "OK\n", "OK\n\n", "OK\nx", "OK\r\n", ""])
def test_the_end_is_found_before_a_line_end_too_but_a_whole_line_has_none(text):
    assert compiled("OK$").is_in(text) == slow("OK$").is_in(text)
    assert compiled("OK$", whole=True).in_whole(text) == slow("OK$").in_whole(text)
    assert compiled("OK$", lines=True).is_in(text) == slow("OK$", lines=True).is_in(text)


def test_groups_that_took_no_part_are_left_out_and_the_others_are_text_of_the_line():
    found = compiled("(?P<a>é)?(?P<b>[à-ü]*)(?:(?P<c>x)|(y))", whole=True)
    assert found.names == ("a", "b", "c")
    assert found.in_whole("éüy") == {"a": "é", "b": "ü"}
    assert found.in_whole("z") is None


# --- the sheets


@cache
def _patterns() -> dict[str, list[tuple[str, dict[str, bool]]]]:
    """Of each sheet, the patterns in it and how they are compiled."""
    models = (name for name in model_names() if load_sheet(name).engine in {"ascii", "sdi12"})
    return {model: found for model in models if (found := list(_of_sheet(model)))}


def _of_sheet(model: str) -> Iterator[tuple[str, dict[str, bool]]]:
    frame = load_sheet(model).frame
    identity = frame.get("identity", "")
    if isinstance(identity, str):
        yield from [(identity, {"whole": True})] if identity else []
    else:
        yield from ((pattern, {"lines": True}) for pattern in identity["patterns"])
    for row in [frame, *frame.get("record", [])]:
        if "match" in row:
            yield row["match"], {"ignore_case": True}
        if "pattern" in row:
            yield row["pattern"], {"whole": True}


@cache
def _lines() -> tuple[str, ...]:
    """All lines of all transcripts and good frames, and spoilt ones."""
    rng = random_of("lines")
    data = [path.read_bytes() for path in sorted(TRANSCRIPTS.rglob("*.txt"))]
    texts = [line.lstrip(b"<>").strip() for part in data for line in part.splitlines()]
    for sample in good_samples("ascii"):
        texts += sample.frames
        texts += _spoilt(rng, sample.frames)
    cut = {part for text in texts for part in re.split(rb"[\r\n]|\\r|\\n", text)}
    return tuple(sorted(part.decode("latin-1") for part in cut | set(texts)))


def _spoilt(rng: random.Random, good: Sequence[bytes]) -> list[bytes]:
    return [mutated(rng, rng.choice(good), rng.choice(good))[1] for _ in range(8)]


@pytest.mark.parametrize("model", sorted(_patterns()))
def test_each_pattern_of_a_sheet_fits_the_recorded_lines_that_it_fits_in_re(model):
    for pattern, how in _patterns()[model]:
        before, now = slow(pattern, **how), compiled(pattern, **how)
        assert now.names == before.names
        for line in _lines():
            if how.get("whole"):
                assert now.in_whole(line) == before.in_whole(line), (pattern, line)
            else:
                assert now.is_in(line) == before.is_in(line), (pattern, line)
                assert now.in_part(line) == before.in_part(line), (pattern, line)


def test_all_good_frames_give_the_same_readings_with_both_engines(monkeypatch):
    now = list(_readings())
    frames.frame_of.cache_clear()
    monkeypatch.setattr(frames, "compiled", slow)
    monkeypatch.setattr(sdi12, "compiled", slow)
    before = list(_readings())
    frames.frame_of.cache_clear()
    assert len(now) > 200
    assert now == before


def _readings() -> Iterator[object]:
    rng = random_of("readings")
    for name in ("ascii", "sdi12"):
        for sample in good_samples(name):
            for data in [*sample.frames, *_spoilt(rng, sample.frames)]:
                try:
                    yield sample.sheet.model, data, tuple(sample.decode(data))
                except Fault as fault:
                    yield sample.sheet.model, data, str(fault)


def test_no_sheet_of_the_package_comes_near_what_a_pattern_may_cost():
    for found in _patterns().values():
        steps = [compiled(pattern, **how).steps for pattern, how in found]
        assert max(steps) < MOST_STEPS / 3


# --- bounds


@pytest.mark.parametrize("pattern", HOSTILE, ids=lambda pattern: pattern[:24])
@pytest.mark.parametrize(
    "text", ["a" * TEXT, "ab" * (TEXT // 2), "aaaaaaab \t=" * (TEXT // 11)], ids=len
)
def test_a_hostile_pattern_takes_time_that_grows_with_the_text_alone(pattern, text):
    started = time.process_time()
    for how in ({}, {"ignore_case": True}, {"lines": True}):
        compiled(pattern, **how).is_in(text)
        compiled(pattern, **how).in_part(text)
    compiled(pattern, whole=True).in_whole(text)
    assert time.process_time() - started < CPU_S


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"(?=a)", "looks ahead with (?=, which can take for ever; match the text itself"),
        (r"(?!a)", "looks ahead with (?!"),
        (r"(?<=a)b", "looks back with (?<="),
        (r"(?<!a)b", "looks back with (?<!"),
        (r"(a)\1", r"refers back with \1, which can take for ever"),
        (r"(?P<a>.)(?P=a)", "refers back to a group with (?P="),
        (r"(a)?(?(1)b|c)", "asks whether a group was found with (?("),
        (r"(?>a)", "has a group that never gives back with (?>"),
        (r"a*+", "has *+, which never gives back; write *"),
        (r"a{1,2}+", "write {1,2}"),
        (r"(?<n>a)", "has '(?<n>a'; known are (?:, (?P<name> and (?i:"),
        (r"a(?i)", "has (?i) inside; write it at the very beginning"),
        (r"(?P<1>a)", "names a group '1'; a name begins with a letter"),
        (r"(?P<a>.)(?P<a>.)", "has two groups 'a'"),
        (r"[b-a]", "a range from high to low"),
        (r"[a", r"has a [ without its ]; write \[ for the sign itself"),
        (r"(a", r"has a ( without its ); write \( for the sign itself"),
        (r"a)", r"has a ) without its ("),
        (r"*a", r"has * with nothing in front to repeat; write \*"),
        (r"^*", "with nothing in front to repeat"),
        (r"a**", "with nothing in front to repeat"),
        ("a\\", r"ends with a single \; write \\ for the sign itself"),
        (r"\q", r"has \q, which is no escape; write q"),
        (r"\pL", r"has \p, which is no escape"),
        (r"a{1001}", "has {1001}: write at most 1000, or * or + for any number"),
        (r"a{2,1}", "has {2,1}: write the smaller number first"),
        (r"(?:a{33}){33}", "repeats so much that each character would cost too much time"),
        (r"(?:[a-z]{1000}){1}" * 4, f"steps, {MOST_STEPS} can be"),
        ("(?P<a>" * 1 + "".join(f"(?P<g{n}>.)" for n in range(MOST_GROUPS)) + ")", "101 groups"),
        ("a" * (LONGEST_PATTERN + 1), f"has {LONGEST_PATTERN + 1} characters, at most"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said_with_what_to_write(pattern, words):
    with pytest.raises(WrongPattern) as wrong:
        compiled(pattern)
    assert words in str(wrong.value)


@pytest.mark.parametrize(
    "pattern",
    [
        *(sign * 2000 for sign in ("(", "[", "{")),
        *(sign * 650 for sign in ("a|", "(?:", "(?#", "[^")),
        *(sign * 400 for sign in ("(?i)", "(?x:", "(?P<")),
        "\\" * 1999,
        "[\\0-\\xff]" * 200,
        "\\U0010ffff" * 200,
    ],
    ids=lambda pattern: pattern[:8],
)
def test_a_pattern_of_any_form_is_judged_at_once(pattern):
    started = time.process_time()
    for how in ({}, {"ignore_case": True}, {"whole": True}):
        _in_ours(pattern, how)
    assert time.process_time() - started < CPU_S / 5
