"""Patterns that others wrote, in sheets and configurations, run in time linear in the text.

The engine is RE2 (google-re2): no pattern makes it search again and again, as those that `re` runs
can for ever. What a pattern may cost is bounded when it is read: its length, its groups, and the
steps of its program, of which each character of a text takes at most all. Reference: R. Cox,
"Regular Expression Matching in the Wild" (2010), swtch.com/~rsc/regexp/regexp3.html.
"""

from functools import lru_cache
from typing import Any

import re2

from edaphon_drivers.pattern_syntax import WrongPattern as WrongPattern
from edaphon_drivers.pattern_syntax import rewritten

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
    text, names = rewritten(pattern, ignore_case=ignore_case, lines=lines, whole=whole)
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
