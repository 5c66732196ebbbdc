"""Two lines that fit one SMS, in the alphabet GSM 03.38, with parts left out until they fit.

Source: 3GPP TS 23.038 V18.0.0, 6.2.1 (GSM 7 bit default alphabet) and 6.2.1.1 (its extension).
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from edaphon.alerts.language import chosen, one_line

__all__ = ["MOST", "fitted", "gsm", "length"]

MOST = 160  # septets of one SMS
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # each takes an escape before it
_NEAR = {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "…": "...", "µ": "u"}
_NEAR |= {"°": " deg ", "ẞ": "SS", "×": "x", "·": ".", "`": "'"}


def gsm(text: str) -> str:
    """The same text in the alphabet of an SMS: accents that it lacks are dropped, else "?"."""
    return one_line("".join(map(_gsm, text)))


def _gsm(c: str) -> str:
    if c in _BASIC or c in _EXTENSION or c.isspace():
        return c
    if c in _NEAR:
        return _NEAR[c]
    plain = "".join(p for p in unicodedata.normalize("NFKD", c) if p in _BASIC)
    return plain or ("" if unicodedata.combining(c) else "?")


def length(text: str) -> int:
    """How many septets a text of the alphabet takes."""
    return len(text) + sum(c in _EXTENSION for c in text)


def fitted(names: Sequence[Mapping[str, str]], first: Sequence[str], second: Sequence[str]) -> str:
    """The fullest two lines that fit; whole parts are left out, no name is cut.

    `names` are what the texts need, with ever shorter names; the last texts with the last names
    must fit.
    """
    last = ""
    for last in _lines(names, first, second):
        if length(last) <= MOST:
            return last
    return last


def _lines(
    names: Sequence[Mapping[str, str]], first: Sequence[str], second: Sequence[str]
) -> Iterator[str]:
    choices = product(range(len(first)), range(len(names)), range(len(second)))
    for one, n, two in sorted(choices, key=sum):  # of equals the first: the site stays longest
        lines = [gsm(chosen(first[one], names[n])), gsm(chosen(second[two], names[n]))]
        if all(lines):
            yield "\n".join(lines)
