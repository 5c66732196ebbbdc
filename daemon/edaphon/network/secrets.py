"""Our own secrets in what others write: servers and proxies repeat them, whole or in part.

References: RFC 3986, section 2.1 (percent-encoding); HTML, "Character references"; RFC 8259,
section 7 (escapes of JSON); RFC 4648, sections 4 and 5 (base64); RFC 4616 (PLAIN of SMTP).
"""

import base64
import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

__all__ = ["Secrets"]

RUN = 6  # characters of a secret in a row that are shown nowhere
MASK = "***"
_SPELLED = re.compile(
    r"(?P<percent>(?:%(?:25)*[0-9a-f]{2})+)"
    r"|&(?:amp;)*(?P<entity>#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z][a-z0-9]{1,31});"
    r"|\\+u(?P<four>[0-9a-f]{4})|\\+x(?P<two>[0-9a-f]{2})|\\+"
    r"|(?P<blank>[\s+]+)",
    re.IGNORECASE,
)
_AGAIN = re.compile("(?<=%)(?:25)+(?=[0-9a-f]{2}(?:%|$))", re.IGNORECASE)


Spelling = tuple[int, int, str]  # first and last + 1 character, and what they mean


class Secrets:
    """What is hidden in a text: every run of RUN characters of a secret, however it is spelled.

    So no place at which a text is cut, by us or by a server, shows more of it. A secret shorter
    than that is hidden as a whole.
    """

    __slots__ = ("_runs",)

    def __init__(self, *secrets: str) -> None:
        shapes = {shape for secret in secrets if secret for shape in _shapes(secret)}
        ways = [way for shape in shapes for way in (_spellings(shape), _as_it_is(shape))]
        plain = ["".join(c for c, *_ in _letters(way)) for way in ways]
        hexed = [secret.encode("utf-8", "replace").hex() for secret in secrets]
        runs = (*_cut(plain, RUN), *_cut(hexed, 2 * RUN))
        self._runs = frozenset(runs) - {"", " "}

    def hide(self, text: str) -> str:
        """The same text with *** in place of what it holds of the secrets."""
        letters = list(_letters(_spellings(text)))
        plain = "".join(c for c, *_ in letters)
        shown, done = "", 0
        for first, last in self._found(plain):
            start, end = letters[first][1], letters[last][2]
            if start > done or not done:
                shown += text[done:start] + MASK
            done = max(done, end)
        return shown + text[done:]

    def excerpt(self, text: str, most: int) -> str:
        """At most so many characters of it, on one line."""
        return self.hide(" ".join(text[: 40 * most].split()))[:most]

    def _found(self, plain: str) -> Iterator[tuple[int, int]]:
        """First and last letter of every run of a secret, in order; they may overlap."""
        lengths = {len(run) for run in self._runs}
        for at in range(len(plain)):
            fits = [n for n in lengths if plain[at : at + n] in self._runs and at + n <= len(plain)]
            if fits:
                yield at, at + max(fits) - 1


def _cut(texts: Iterable[str], length: int) -> Iterator[str]:
    """Every run of so many characters; a shorter text as a whole."""
    for text in texts:
        yield from (text[at : at + length] for at in range(max(1, len(text) - length + 1)))


def _shapes(secret: str) -> Iterator[str]:
    """As it is, and what stands of it in the base64 of any text that holds it."""
    yield secret
    for ahead in range(3):
        data = bytes(ahead) + secret.encode("utf-8", "replace")
        whole = base64.b64encode(data).decode()[(0, 2, 3)[ahead] : len(data) * 8 // 6]
        if len(whole) >= RUN:
            yield whole
            yield whole.translate(str.maketrans("+/", "-_"))


def _letters(spellings: Iterator[Spelling]) -> Iterator[tuple[str, int, int]]:
    """Each letter in one spelling, with the first and last + 1 character it stands at.

    Small letters without backslashes; one blank for blanks and +; one mark for letters that are
    not ASCII, which another encoding turns into others.
    """
    last = ""
    for start, end, meant in spellings:
        for c in meant.casefold():
            letter = " " if c in " +" or c.isspace() else c if c.isascii() else "\ufffd"
            if letter == "\\":
                continue
            if letter != last or letter not in " \ufffd":
                yield letter, start, end
            last = letter


def _as_it_is(text: str) -> Iterator[Spelling]:
    """Nothing in it spells anything else."""
    return ((at, at + 1, c) for at, c in enumerate(text))


def _spellings(text: str) -> Iterator[Spelling]:
    done = 0
    for found in _SPELLED.finditer(text):
        yield from ((at, at + 1, text[at]) for at in range(done, found.start()))
        yield found.start(), found.end(), _meant(found)
        done = found.end()
    yield from ((at, at + 1, text[at]) for at in range(done, len(text)))


def _meant(found: re.Match[str]) -> str:
    if percent := found["percent"]:
        return unquote(_AGAIN.sub("", percent), errors="replace")
    if entity := found["entity"]:
        return html.unescape(f"&{entity};")
    if code := found["four"] or found["two"]:
        return chr(int(code, 16))
    return " " if found["blank"] else ""
