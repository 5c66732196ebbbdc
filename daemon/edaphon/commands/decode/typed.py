"""Bytes as a person pastes them: hex in any spelling, base64, text with escapes, a file, JSON."""

import base64
import binascii
import re
from pathlib import Path
from typing import NoReturn

import orjson

from edaphon.toml_input.lines import read_bytes
from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import Uplink, envelope_kinds, read_envelope

__all__ = ["TEXTS", "Unclear", "enveloped", "plain_bytes"]

TEXTS = {
    "ascii": "the lines that it sends",
    "sdi12": "the lines that the probe answered, such as 0+1.60+25.7",
    "w1": "the text of its w1_slave file",
    "file": "the rows of the file, with their header",
    "message": "the message, such as JSON",
}
_ESCAPE = re.compile(rb"\\(r|n|t|\\|x[0-9A-Fa-f]{2})")
_PLAIN = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}
_AS_PRINTED = {"<CR>": "\r", "<LF>": "\n", "<TAB>": "\t"}  # how manuals print them
_MARK = re.compile(r"^[<>] ")
# Between the digits of lists in C, of Wireshark, of terminals and of network servers.
_BETWEEN = re.compile(r"0[xX]|[\s:,;{}\[\]()\"'-]")
_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*["}]')
_LEAST_DIGITS = 8  # of which all but one are hex: a slip, and no base64
LARGEST_PAYLOAD_BYTES = 256 << 20
_URL_SAFE = str.maketrans("-_", "+/")


class Unclear(ValueError):
    """What was typed is not enough to say what the bytes are: expected and came, in words."""


def plain_bytes(payload: str, spoken: str) -> bytes:
    """The bytes of a payload; @ stands before the name of a file that holds it.

    Raises Unclear, and OSError for a file that can't be read.
    """
    if payload.startswith("@"):
        data = _of_file(payload)
        if spoken in TEXTS:
            return data
        found = _digits(data.decode("latin-1"), spoken) if data.isascii() else None
        return data if found is None else found
    if spoken in {"message", "file"}:  # a message has escapes of its own
        text = payload.encode("utf-8", "surrogateescape")
        return text if spoken == "message" else _unescaped(text)
    found = _digits(payload, spoken)
    if found is not None and (spoken not in TEXTS or spoken == "sdi12" or found[-1:] in b"\r\n"):
        return found
    if spoken not in TEXTS:
        if _ESCAPE.search(payload.encode("utf-8", "surrogateescape")):  # a line of `record`
            return _unescaped(_MARK.sub("", payload).encode("utf-8", "surrogateescape"))
        _refuse(payload, spoken)
    for name, character in _AS_PRINTED.items():
        payload = payload.replace(name, character)
    return _unescaped(payload.encode("utf-8", "surrogateescape"))


def _of_file(payload: str) -> bytes:
    return read_bytes(Path(payload[1:]), LARGEST_PAYLOAD_BYTES)


def enveloped(payload: str) -> Uplink | None:
    """The uplink in a network server's message, typed or in a file; None for anything else.

    Raises Unclear for JSON that is no uplink, and OSError for a file that can't be read.
    """
    data = _of_file(payload) if payload.startswith("@") else payload.encode()
    if not _OBJECT.match(data):
        return None
    for kind in envelope_kinds():
        try:
            uplink = read_envelope(kind, "", data)
        except Garbled:
            continue
        if uplink is not None:
            return uplink
    known = ", ".join(envelope_kinds())
    raise Unclear(f"expected bytes, or an uplink as JSON of {known}, got {payload[:60]!r}")


def _digits(text: str, spoken: str) -> bytes | None:
    """The bytes of digits in the usual spellings; None where there are none."""
    if (listed := _listed(text)) is not None:
        return listed
    plain = _BETWEEN.sub("", text)
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", plain):
        return binascii.unhexlify(plain)
    if spoken != "lorawan" or _slips(plain) <= 1 and len(plain) >= _LEAST_DIGITS:
        return None
    try:
        return base64.b64decode("".join(text.split()).translate(_URL_SAFE), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _listed(text: str) -> bytes | None:
    """Decimal numbers in brackets, as JavaScript shows bytes."""
    try:
        numbers = orjson.loads(text) if text.lstrip().startswith("[") else None
    except orjson.JSONDecodeError:
        return None
    whole = isinstance(numbers, list) and all(type(n) is int and 0 <= n < 256 for n in numbers)
    return bytes(numbers) if whole and numbers else None


def _slips(digits: str) -> int:
    return len(re.sub("[0-9A-Fa-f]", "", digits))


def _refuse(payload: str, spoken: str) -> NoReturn:
    plain = _BETWEEN.sub("", payload)
    if plain and not _slips(plain):
        words = "expected hex digits in pairs"
        raise Unclear(f"{words}, got {len(plain)} digits: {payload[:60]!r}")
    if _slips(plain) == 1 and len(plain) >= _LEAST_DIGITS:
        (slip,) = re.findall("[^0-9A-Fa-f]", plain)
        at = plain.index(slip) + 1
        raise Unclear(f"expected hex digits, got {slip!r} as digit {at} of {payload[:60]!r}")
    digits = "hex, base64" if spoken == "lorawan" else "hex"
    words = f"expected the bytes as {digits} or \\xNN, or @ and a file's name"
    raise Unclear(f"{words}, got {payload[:60]!r}")


def _unescaped(text: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        return _PLAIN.get(found[1]) or bytes((int(found[1][1:], 16),))

    return _ESCAPE.sub(plain, text)
