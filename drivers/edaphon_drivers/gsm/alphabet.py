"""The GSM 7 bit alphabet, and how other characters are written in it.

Reference: 3GPP TS 23.038 (GSM 03.38), section 6.2.1. The characters of its extension ([ ] { } and
so on, two septets each) need the escape 0x1B, which ends the entry of a text in a modem's text mode
(3GPP TS 27.005, section 3.5.1), as 0x1A sends it; so both are left out and written otherwise.
"""

import unicodedata

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_CODES = {c: n for n, c in enumerate(_BASIC) if c not in "\x1b\rΞ"}
_OTHERWISE = {
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "\\": "/",
    "|": "/",
    "^": "'",
    "~": "-",
    "€": "EUR",
    "`": "'",
    "\f": "\n",
    "\t": " ",
    "ç": "c",
    "°": "",
    "±": "+-",
    "×": "x",
    "·": ".",
    "•": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "‘": "'",
    "’": "'",
    "‚": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "µ": "u",
    "μ": "u",
    "ı": "i",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "Th",
    "œ": "oe",
    "Œ": "OE",
    "ẞ": "SS",
    "Ξ": "X",
}
_GERMANIC = {
    "ä": "ae",
    "ö": "oe",
    "ü": "ue",
    "Ä": "Ae",
    "Ö": "Oe",
    "Ü": "Ue",
    "ß": "ss",
    "å": "aa",
    "Å": "Aa",
    "æ": "ae",
    "Æ": "Ae",
    "ø": "oe",
    "Ø": "Oe",
}
_MORE = "..."


def fitted(text: str, most: int = 160) -> str:
    """The text in the alphabet's own characters, at most `most` of them; "..." ends a cut one."""
    written = "".join(_written(c) for c in unicodedata.normalize("NFC", text).strip())
    return written if len(written) <= most else written[: most - len(_MORE)].rstrip() + _MORE


def encoded(text: str) -> bytes:
    """A fitted text, one byte for each septet."""
    return bytes(_CODES[c] for c in text)


def ascii_text(text: str, most: int = 160) -> str:
    """A fitted text for a modem that takes ASCII alone."""
    long = "".join(c if c.isascii() else _GERMANIC.get(c) or _plain(c) for c in text)
    kept = "".join(c for c in long if c.isascii())
    return kept[:most]


def _written(character: str) -> str:
    if character in _CODES:
        return character
    if (known := _OTHERWISE.get(character)) is not None:
        return known
    if unicodedata.category(character) in {"Cc", "Cf", "Mn"}:
        return ""
    if unicodedata.category(character) == "Zs":
        return " "
    return "".join(c for c in _plain(character) if c in _CODES) or "?"


def _plain(character: str) -> str:
    """Without accents; ligatures and superscripts as the letters that they stand for."""
    parts = unicodedata.normalize("NFKD", character)
    return "".join(_OTHERWISE.get(c, c) for c in parts if not unicodedata.combining(c))
