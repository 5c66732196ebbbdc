"""A record for a person: where it stands, when it came, and its bytes, cut when there are many."""

from collections.abc import Iterator
from typing import Any

from edaphon.journal import Entry, Kind, Purpose
from edaphon.model import EntryId
from edaphon.toml_input.values import instant_text
from edaphon_drivers.faults import Fault
from edaphon_drivers.payloads import unpack_exchange, unpack_message, unpack_piece

__all__ = ["record_of", "shown_bytes"]

LONGEST_BYTES = 400
MOST_TURNS = 24
_ESCAPED = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}


def record_of(place: EntryId, entry: Entry, kind: str) -> dict[str, Any]:
    """`kind` is the name of the source's kind, which says what its payload is."""
    return {
        "place": str(place),
        "received": instant_text(entry.received_ns),
        "slot": None if entry.slot_ns is None else instant_text(entry.slot_ns),
        "source": entry.source,
        "purpose": Purpose(entry.purpose).name.lower(),
        "kind": Kind(entry.kind).name.lower(),
        "bytes": len(entry.payload),
        "payload": list(_payload(entry.payload, kind)),
    }


def shown_bytes(data: bytes) -> str:
    """Text with escapes where most of it can be read, else hexadecimal."""
    part = data[:LONGEST_BYTES]
    readable = sum(0x20 <= byte < 0x7F or byte in {0x0D, 0x0A, 0x09} for byte in part)
    text = _escaped(part) if readable * 10 >= len(part) * 8 else part.hex(" ").upper()
    return text if len(part) == len(data) else f"{text} ... ({len(data)} bytes in all)"


def _escaped(data: bytes) -> str:
    return "".join(
        _ESCAPED.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02X}")
        for byte in data
    )


def _payload(payload: bytes, kind: str) -> Iterator[str]:
    try:
        if kind in {"LorawanSource", "JsonSource"}:
            yield from _message(payload)
        elif kind == "FileSource":
            yield from _piece(payload)
        else:
            yield from _exchange(payload)
    except Fault:
        yield shown_bytes(payload)


def _exchange(payload: bytes) -> Iterator[str]:
    turns = unpack_exchange(payload)
    for turn in turns[:MOST_TURNS]:
        yield f"{turn.ms:6d} ms {'>' if turn.sent else '<'} {shown_bytes(turn.data)}"
    if len(turns) > MOST_TURNS:
        yield f"... ({len(turns)} turns in all)"


def _message(payload: bytes) -> Iterator[str]:
    message = unpack_message(payload)
    marks = f"QoS {message.qos}{', retained' if message.retain else ''}"
    yield f"topic {message.topic} ({marks})"
    yield shown_bytes(message.data)


def _piece(payload: bytes) -> Iterator[str]:
    piece = unpack_piece(payload)
    yield f"file {piece.name} from byte {piece.offset} on"
    if piece.header:
        yield f"header {shown_bytes(piece.header)}"
    yield shown_bytes(piece.data)
