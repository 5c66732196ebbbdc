"""Patterns of sheets run by Python's own `re`: what they meant before RE2 ran them."""

import re

__all__ = ["Slow", "slow"]


class Slow:
    """An `Expression` that `re` runs."""

    steps = 0

    def __init__(self, pattern: str, flags: re.RegexFlag) -> None:
        self.pattern = pattern
        self._run = re.compile(pattern, flags | re.ASCII)
        self.names = tuple(self._run.groupindex)

    def is_in(self, text: str) -> bool:
        return self._run.search(text) is not None

    def in_part(self, text: str) -> dict[str, str] | None:
        return _named(self._run.search(text))

    def in_whole(self, text: str) -> dict[str, str] | None:
        return _named(self._run.fullmatch(text))


def _named(found: re.Match[str] | None) -> dict[str, str] | None:
    groups = found.groupdict() if found else None
    return groups and {name: text for name, text in groups.items() if text is not None}


def slow(
    pattern: str, *, ignore_case: bool = False, lines: bool = False, whole: bool = False
) -> Slow:
    flags = (re.IGNORECASE if ignore_case else re.NOFLAG) | (re.M if lines else re.NOFLAG)
    return Slow(pattern, flags)
