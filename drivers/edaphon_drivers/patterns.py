r"""Patterns that others wrote, in sheets and configurations, run in time linear in the text.

The engine is RE2 (google-re2): no pattern makes it search again and again, as those that `re` runs
can for ever. What a pattern may cost is bounded when it is read: its length, its groups, and the
steps of its program, of which each character of a text takes at most all. Reference: R. Cox,
"Regular Expression Matching in the Wild" (2010), swtch.com/~rsc/regexp/regexp3.html.

The two differ in what $, \s, \Z, {,n}, classes in classes and letters beyond ASCII mean. So
a pattern is read sign by sign, as re.ASCII reads it, and written again in the few signs that mean
the same to both: sets of the 256 characters of Latin-1, groups, repetitions, anchors. What RE2
can't do in linear time (looking around, referring back) has no spelling there and is refused.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import re2

MOST_TIMES = 1000  # what RE2 counts to, for one repetition or those inside each other

_ALL = frozenset(range(256))
_DIGIT = frozenset(b"0123456789")
_LETTER = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WORD = _DIGIT | _LETTER | {ord("_")}
_BLANK = frozenset(b"\t\n\v\f\r ")
_CLASSES = {
    "d": _DIGIT,
    "D": _ALL - _DIGIT,
    "w": _WORD,
    "W": _ALL - _WORD,
    "s": _BLANK,
    "S": _ALL - _BLANK,
}
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_ANCHORS = {"A": r"\A", "b": r"\b", "B": r"\B", "Z": r"\z", "z": r"\z"}

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(0[0-7]{0,2}|[1-3][0-7]{2})|(.))",
    re.DOTALL,
)
_OCTAL_IN_SET = re.compile(r"\\([0-3]?[0-7]{1,2})")
_TIMES = re.compile(r"[*+?]|\{(\d{1,9})\}|\{(\d{0,9}),(\d{0,9})\}", re.ASCII)
_GROUP = re.compile(r"\((?:\?P<(\w{1,60})>|\?([aimsx]*)(?:-([imsx]+))?(:|\)))?", re.ASCII)
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_VERBOSE = re.compile(r"\s+|#[^\n]*", re.ASCII)
_NOT_LINEAR = {
    "(?=": "looks ahead",
    "(?!": "looks ahead",
    "(?<=": "looks back",
    "(?<!": "looks back",
    "(?P=": "refers back to a group",
    "(?(": "asks whether a group was found",
    "(?>": "has a group that never gives back",
}


class WrongPattern(ValueError):
    """What is wrong with a pattern, and what to write."""


class _Flags(NamedTuple):
    ignore_case: bool = False
    lines: bool = False
    dot_all: bool = False
    verbose: bool = False

    def changed(self, on: str, off: str) -> "_Flags":
        keys = {"i": "ignore_case", "m": "lines", "s": "dot_all", "x": "verbose"}
        new = {keys[letter]: True for letter in on if letter in keys}
        return self._replace(**new, **{keys[letter]: False for letter in off})


class _PatternReader:
    """Reads a pattern once from left to right; `_repeats` is whether * may stand there.

    `whole` for a pattern that must fit all of a text, not a part of it.
    """

    def __init__(self, pattern: str, flags: _Flags, whole: bool) -> None:
        self._pattern = pattern
        self._flags = flags
        self._end = r"\z" if whole else r"(?:\n?\z)"
        self._at = 0
        self._outer: list[_Flags] = []
        self._out: list[str] = []
        self._names: list[str] = []
        self._repeats = False

    def read(self) -> tuple[str, tuple[str, ...]]:
        """The pattern for RE2 in Latin-1, and its groups in order; raises WrongPattern."""
        while self._at < len(self._pattern):
            if self._flags.verbose and (skipped := _VERBOSE.match(self._pattern, self._at)):
                self._at = skipped.end()
            elif times := _TIMES.match(self._pattern, self._at):
                self._repeat(times)
            else:
                self._sign(self._pattern[self._at])
        if self._outer:
            raise WrongPattern("has a ( without its ); write \\( for the sign itself")
        return "".join(self._out), tuple(self._names)

    def _sign(self, sign: str) -> None:
        if sign == "(":
            self._open()
        elif sign == "\\":
            self._escaped()
        elif sign == "[":
            self._one_of(*self._set())
        elif sign == "|":
            self._put("|", False)
        elif sign == ")":
            self._close()
        elif sign == "^":
            self._put("(?m:^)" if self._flags.lines else r"\A", False)
        elif sign == "$":
            self._put("(?m:$)" if self._flags.lines else self._end, False)
        elif sign == ".":
            self._one_of(_ALL if self._flags.dot_all else _ALL - {10}, 1)
        else:
            self._one_of({ord(sign)}, 1)

    def _put(self, text: str, repeats: bool, length: int = 1) -> None:
        self._out.append(text)
        self._repeats = repeats
        self._at += length

    def _one_of(self, codes: Iterable[int], length: int) -> None:
        known = set(codes)
        if self._flags.ignore_case:
            known |= _other_case(known)
        self._put(_set_text(known & _ALL), True, length)

    def _repeat(self, times: re.Match[str]) -> None:
        if not self._repeats:
            raise WrongPattern(
                f"has {times[0]} with nothing in front to repeat; write \\{times[0]}"
            )
        least, most = times[1] or times[2] or "0", times[1] or times[3] or ""
        text = times[0] if len(times[0]) == 1 else f"{{{least},{most}}}"
        if len(text) > 1 and max(int(least), int(most or 0)) > MOST_TIMES:
            raise WrongPattern(
                f"has {times[0]}: write at most {MOST_TIMES}, or * or + for any number"
            )
        if len(text) > 1 and most and int(most) < int(least):
            raise WrongPattern(f"has {times[0]}: write the smaller number first")
        self._put(text, False, len(times[0]))
        after = self._pattern[self._at : self._at + 1]
        if after == "?":
            self._put("?", False)
        elif after == "+":
            raise WrongPattern(f"has {times[0]}+, which never gives back; write {times[0]}")

    def _open(self) -> None:
        pattern, at = self._pattern, self._at
        if comment := _COMMENT.match(pattern, at):
            self._at = comment.end()
            return
        for sign, does in _NOT_LINEAR.items():
            if pattern.startswith(sign, at):
                raise WrongPattern(f"{does} with {sign}, which can take for ever; {_INSTEAD}")
        found = _GROUP.match(pattern, at)
        if (
            found is None
            or found[0] == "(?)"
            or (found[0] == "(" and pattern[at + 1 : at + 2] == "?")
        ):
            raise WrongPattern(f"has {pattern[at : at + 6]!r}; known are (?:, (?P<name> and (?i:")
        if found[4] == ")":
            self._whole_flags(found)
            return
        self._outer.append(self._flags)
        if found[4]:
            self._flags = self._flags.changed(found[2] or "", found[3] or "")
        if found[1]:
            self._name(found[1])
        self._put("(" if found[1] else "(?:", False, len(found[0]))

    def _whole_flags(self, found: re.Match[str]) -> None:
        if found[3] or self._out or self._outer:
            raise WrongPattern(f"has {found[0]} inside; write it at the very beginning")
        self._flags = self._flags.changed(found[2], "")
        self._at = found.end()

    def _name(self, name: str) -> None:
        if name[0].isdigit():
            raise WrongPattern(f"names a group {name!r}; a name begins with a letter")
        if name in self._names:
            raise WrongPattern(f"has two groups {name!r}; give each its own name")
        self._names.append(name)

    def _close(self) -> None:
        if not self._outer:
            raise WrongPattern("has a ) without its (; write \\) for the sign itself")
        self._flags = self._outer.pop()
        self._put(")", True)

    def _escaped(self) -> None:
        found = self._escape()
        letter = found[5] or ""
        if letter in _ANCHORS:
            self._put(_ANCHORS[letter], False, 2)
        else:
            self._one_of(_escape_codes(found, letter), len(found[0]))

    def _escape(self) -> re.Match[str]:
        found = _ESCAPE.match(self._pattern, self._at)
        if found is None:
            raise WrongPattern("ends with a single \\; write \\\\ for the sign itself")
        return found

    def _set(self) -> tuple[set[int], int]:
        """The codes of a [...] and its length."""
        start = self._at
        self._at += 1
        negated = self._pattern.startswith("^", self._at)
        self._at += negated
        codes: set[int] = set()
        first = True
        while first or not self._pattern.startswith("]", self._at):
            codes |= self._range()
            first = False
        length, self._at = self._at + 1 - start, start
        if negated:
            return set(
                _ALL - (codes | _other_case(codes) if self._flags.ignore_case else codes)
            ), length
        return codes, length

    def _range(self) -> set[int]:
        first = self._in_set()
        upto = self._pattern[self._at : self._at + 2]
        if len(upto) < 2 or upto[0] != "-" or upto[1] == "]":
            return set(first)
        self._at += 1
        last = self._in_set()
        if len(first) != 1 or len(last) != 1 or min(last) < min(first):
            raise WrongPattern(
                "has a [...] with a range from high to low or of a class; put - last"
            )
        return set(range(min(first), min(max(last), 255) + 1)) | set(first)

    def _in_set(self) -> Collection[int]:
        """The codes of the next sign inside [...]."""
        sign = self._pattern[self._at : self._at + 1]
        if not sign:
            raise WrongPattern("has a [ without its ]; write \\[ for the sign itself")
        if sign != "\\":
            self._at += 1
            return {ord(sign)}
        if octal := _OCTAL_IN_SET.match(self._pattern, self._at):
            self._at = octal.end()
            return {int(octal[1], 8)}
        found = self._escape()
        self._at = found.end()
        return {8} if found[5] == "b" else _escape_codes(found, found[5] or "")


_INSTEAD = "match the text itself and name what is wanted with (?P<name>...)"


def _escape_codes(found: re.Match[str], letter: str) -> Collection[int]:
    """The codes that an escape stands for."""
    if letter in _CLASSES:
        return _CLASSES[letter]
    if letter in _CONTROLS:
        return {_CONTROLS[letter]}
    if letter.isascii() and letter.isdigit():
        raise WrongPattern(f"refers back with \\{letter}, which can take for ever; {_INSTEAD}")
    if letter and letter.isascii() and letter.isalpha():
        raise WrongPattern(f"has \\{letter}, which is no escape; write {letter}, or \\\\ for a \\")
    hexadecimal = found[1] or found[2] or found[3]
    if hexadecimal:
        return {int(hexadecimal, 16)}
    return {int(found[4], 8) if found[4] else ord(letter)}


def _other_case(codes: Iterable[int]) -> set[int]:
    """The ASCII letters among the codes in the other case; re.ASCII knows no others."""
    return {code ^ 32 for code in codes if code in _LETTER}


def _set_text(codes: Iterable[int]) -> str:
    """As RE2 reads it; nothing fits an empty set, such as that of a letter beyond Latin-1."""
    ordered = sorted(codes)
    if len(ordered) == 1:
        return _code_text(ordered[0])
    if len(ordered) == 256:
        return "(?s:.)"
    if not ordered:
        return r"[^\x00-\xff]"
    ranges: list[list[int]] = []
    for code in ordered:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return f"[{''.join(_range_text(*pair) for pair in ranges)}]"


def _range_text(first: int, last: int) -> str:
    return _code_text(first) + (f"-{_code_text(last)}" if last > first else "")


def _code_text(code: int) -> str:
    return chr(code) if code in _WORD else f"\\x{code:02x}"


LONGEST_PATTERN = 2000  # characters
MOST_GROUPS = 100
MOST_STEPS = 3000  # of RE2's program, for one character of a text
_MEMORY_BYTES = 1 << 19  # for the program and the states that RE2 keeps of one pattern
_KEPT = 128


class Expression:
    """A pattern that was read: `pattern` as its owner wrote it, `names` of its groups in order.

    It runs on texts of Latin-1, in which each byte of a line is one character.
    """

    __slots__ = ("_run", "names", "pattern", "steps")

    def __init__(self, pattern: str, names: tuple[str, ...], run: Any) -> None:
        self.pattern = pattern
        self.names = names
        self.steps = int(run.programsize)
        self._run = run

    def is_in(self, text: str) -> bool:
        """Whether some part of the text fits."""
        return self._run.search(_bytes(text)) is not None

    def in_part(self, text: str) -> dict[str, str] | None:
        """The groups of the first part that fits, without those that took no part in it."""
        return self._groups(self._run.search(_bytes(text)))

    def in_whole(self, text: str) -> dict[str, str] | None:
        """The groups of a text that fits as a whole, without those that took no part in it."""
        return self._groups(self._run.fullmatch(_bytes(text)))

    def _groups(self, found: Any) -> dict[str, str] | None:
        if found is None:
            return None
        pairs = zip(self.names, found.groups(), strict=True)
        return {name: data.decode("latin-1") for name, data in pairs if data is not None}


@lru_cache(maxsize=_KEPT)
def compiled(
    pattern: str, *, ignore_case: bool = False, lines: bool = False, whole: bool = False
) -> Expression:
    """The pattern ready to run; raises WrongPattern, in words that follow its key.

    `lines`: ^ and $ stand at each line; `whole`: only `in_whole` will be asked for.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise WrongPattern(
            f"has {len(pattern)} characters, at most {LONGEST_PATTERN} can be used; take fixed"
            " columns or a separator for a line of many values"
        )
    text, names = _PatternReader(pattern, _Flags(ignore_case, lines), whole).read()
    if len(names) > MOST_GROUPS:
        raise WrongPattern(f"has {len(names)} groups, at most {MOST_GROUPS} can be used")
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        expression = Expression(pattern, names, re2.compile(text.encode("ascii"), options))
    except re2.error:
        raise WrongPattern(_TOO_LARGE) from None
    if expression.steps > MOST_STEPS:
        raise WrongPattern(f"{_TOO_LARGE} (it takes {expression.steps} steps, {MOST_STEPS} can be)")
    return expression


_TOO_LARGE = (
    "repeats so much that each character would cost too much time; write smaller numbers in {},"
    " in all at most 1000, or * or +"
)


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")
