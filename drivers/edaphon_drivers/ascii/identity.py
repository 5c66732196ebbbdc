"""Who an instrument says it is: the named groups of the sheet's patterns in what it answered."""

from collections.abc import Iterable

from edaphon_drivers.ascii.decode import exchanges
from edaphon_drivers.ascii.frames import Identification, frame_of
from edaphon_drivers.identity import Identity
from edaphon_drivers.payloads import Turn
from edaphon_drivers.sheets import Sheet

_LONGEST_ANSWER = 4096
_LONGEST_LINE = 256
_NAMED = frozenset({"vendor", "model", "version", "serial"})


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """None when the exchange asked for no identity or no pattern was found in the answers."""
    identity = frame_of(sheet).identity
    if identity is None:
        return None
    found: dict[str, str] = {}
    for sent, came in exchanges(turns):
        if _asks(identity, sent):
            found |= _found(identity, came[:_LONGEST_ANSWER].decode("latin-1"))
    if not found:
        return None
    return Identity(
        vendor=found.get("vendor", identity.vendor),
        model=found.get("model", identity.model),
        version=found.get("version", ""),
        serial=found.get("serial", ""),
        settings={name: text for name, text in found.items() if name not in _NAMED},
    )


def _asks(identity: Identification, sent: bytes) -> bool:
    text = sent.decode("latin-1")
    for ask in identity.asks:
        before, place, after = ask.partition("{address}")
        if text == ask or (place and text.startswith(before) and text.endswith(after)):
            return True
    return False


def _found(identity: Identification, answer: str) -> dict[str, str]:
    groups: dict[str, str] = {}
    for line in answer.replace("\r", "\n").split("\n"):
        for pattern in identity.patterns:
            found = pattern.in_part(line[:_LONGEST_LINE]) or {}
            groups |= {name: text.strip() for name, text in found.items()}
    return groups
