"""What a decoder gets and returns: payloads in, numbers or the reason for none out."""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from edaphon_drivers.faults import Garbled

if TYPE_CHECKING:
    from edaphon_drivers.sheets import Output


# Stands for a time that the sender gave and nobody can read: the reading gets the time of receipt,
# and is suspect. No sender's own time lies before 1970.
UNREADABLE_NS = -1


class Status(StrEnum):
    """What the instrument says of a reading; everything but OK comes without a number."""

    OK = "ok"
    FAILURE = "failure"  # the instrument's own failure code
    NOT_CONNECTED = "not connected"
    OVER_RANGE = "over range"
    UNDER_RANGE = "under range"
    WARMING_UP = "warming up"
    LOW_SUPPLY = "low supply"
    INVALID = "invalid"  # sent, but not a number of this output
    IMPOSSIBLE = "impossible"  # a number beyond what physics allows its quantity


class Origin(StrEnum):
    """Who made the number."""

    REPORTED = "reported"  # as measured: counts, volts, a factory-calibrated temperature
    CONVERTED = "converted"  # made inside the instrument from another quantity
    INHERITED = "inherited"  # made by a network server or logger in between


class Reading(NamedTuple):
    """One output of one instrument at one time.

    `number` is in `unit` and is None exactly when `status` is not OK. `time_ns` is the sender's
    own time [UTC ns], None when it sent none, UNREADABLE_NS for one that can't be read; `start_ns`
    begins the support of a mean or sum.
    Without a time of its own it was measured `after_ns` after its record's time of receipt.
    """

    output: str
    quantity: str
    number: float | None
    unit: str
    status: Status = Status.OK
    origin: Origin = Origin.REPORTED
    time_ns: int | None = None
    start_ns: int | None = None
    after_ns: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """What an instrument tells of itself; "" for what it can't tell.

    `settings` are what changes its numbers inside: averaging, compensation, a soil's coefficients.
    """

    vendor: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def reported(output: "Output", number: float, time_ns: int | None = None) -> Reading:
    """The reading of a number in the output's unit; one the sheet excludes becomes a status."""
    status = _status(output, number)
    if status is not Status.OK:
        return without_number(output, status, time_ns)
    return Reading(
        output.name, output.quantity, number, output.unit, origin=output.origin, time_ns=time_ns
    )


def without_number(output: "Output", status: Status, time_ns: int | None = None) -> Reading:
    """The reading of an output that the instrument could not give."""
    return Reading(output.name, output.quantity, None, output.unit, status, output.origin, time_ns)


def _status(output: "Output", number: float) -> Status:
    if number in output.failure:
        return Status.FAILURE
    if number in output.low_supply:
        return Status.LOW_SUPPLY
    if output.lowest is not None and number < output.lowest:
        return Status.UNDER_RANGE
    if output.highest is not None and number > output.highest:
        return Status.OVER_RANGE
    return Status.OK


LARGEST_MESSAGE_BYTES = 65536
CUT_TO_BYTES = 4096

_VERSION = 1
_TURN = struct.Struct("<IBH")
_HEAD = struct.Struct("<BBH")
_CUT = struct.Struct("<Q32s")
_PIECE = struct.Struct("<BQHI")
_LINES = struct.Struct("<IIIB")
_PIECE_WITH_LINES = 2
_CUT_FLAG = 0x10


class Turn(NamedTuple):
    """One side's bytes in an exchange; `sent` is False for what the instrument sent."""

    ms: int
    sent: bool
    data: bytes


class Message(NamedTuple):
    """One MQTT message; `whole_bytes` is its length on the wire, more than len(data) when cut."""

    topic: str
    data: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    whole_bytes: int = 0
    sha256: bytes = b""


class Follows(IntEnum):
    """What a piece of a followed file is to the pieces of the same name before it."""

    ON = 0  # it goes on where the last one ended
    BEGINS = 1  # another file stands under the name, or the first one
    AGAIN = 2  # it repeats the last line, which had no end when it was taken
    CHANGED = 3  # what was taken before is no longer in the file: it is read from its start


class Piece(NamedTuple):
    """Whole records of a followed file, from `offset` on, with the header that explains them.

    Version 1 ends with `data`: its `copy` is 0. `line` is the number in the file, from 1, of the
    first line that is counted here, `lines` how many there are, as counted when the piece was cut:
    those of the data, and those of the header where it stands directly before them (`headed`).
    `copy` counts from 1 how often a file was begun under this name. `unended`: the last line had
    no line end when it was taken. The header of a UTF-16 file begins with its byte order mark; the
    mark alone is a header without lines, and is never `headed`. A piece with BEGINS and an offset
    above its header goes on with a file that was followed under another name. `lines` is 0 where
    the data are the rest of a line that was counted before, longer than a piece may be, or a run of
    NUL bytes: no row is in them.
    """

    name: str
    offset: int
    header: bytes
    data: bytes
    line: int = 0
    lines: int = 0
    copy: int = 0
    follows: Follows = Follows.ON
    headed: bool = False
    unended: bool = False


def pack_exchange(turns: Iterable[Turn]) -> bytes:
    parts = [bytes((_VERSION,))]
    for turn in turns:
        for start in range(0, len(turn.data), 0xFFFF):
            piece = turn.data[start : start + 0xFFFF]
            mark = 0x3E if turn.sent else 0x3C
            parts.append(_TURN.pack(min(turn.ms, 0xFFFFFFFF), mark, len(piece)))
            parts.append(piece)
    return b"".join(parts)


def unpack_exchange(payload: bytes) -> tuple[Turn, ...]:
    """Raises Garbled when the payload is not an exchange of a known version."""
    _expect_version(payload, "an exchange")
    turns, at = [], 1
    while at < len(payload):
        try:
            ms, mark, length = _TURN.unpack_from(payload, at)
        except struct.error:
            raise Garbled("a whole turn of an exchange", payload[at:]) from None
        at += _TURN.size
        if mark not in {0x3E, 0x3C} or at + length > len(payload):
            raise Garbled("a whole turn of an exchange", payload[at:])
        turns.append(Turn(ms, mark == 0x3E, payload[at : at + length]))
        at += length
    return tuple(turns)


class CutBytes(bytes):
    """The first CUT_TO_BYTES of data that was never in memory as a whole."""

    whole: int  # bytes of all of it
    digest: bytes  # SHA-256 of all of it


def pack_message(topic: str, data: bytes, qos: int, retain: bool, dup: bool) -> bytes:
    """A message above LARGEST_MESSAGE_BYTES keeps its length, SHA-256 and first CUT_TO_BYTES."""
    name = topic.encode("utf-8", "surrogateescape")[:0xFFFF]
    flags = qos | retain << 2 | dup << 3
    if isinstance(data, CutBytes):
        cut = _CUT.pack(data.whole, data.digest)
    elif len(data) <= LARGEST_MESSAGE_BYTES:
        return _HEAD.pack(_VERSION, flags, len(name)) + name + data
    else:
        cut = _CUT.pack(len(data), hashlib.sha256(data).digest())
    return _HEAD.pack(_VERSION, flags | _CUT_FLAG, len(name)) + name + cut + data[:CUT_TO_BYTES]


def unpack_message(payload: bytes) -> Message:
    """Raises Garbled when the payload is not a message of a known version."""
    try:
        version, flags, length = _HEAD.unpack_from(payload)
        if version != _VERSION:
            _expect_version(payload, "a message")
        at = _HEAD.size + length
        topic = payload[_HEAD.size : at].decode("utf-8", "surrogateescape")
        whole, digest = len(payload) - at, b""
        if flags & _CUT_FLAG:
            whole, digest = _CUT.unpack_from(payload, at)
            at += _CUT.size
    except struct.error:
        _expect_version(payload, "a message")
        raise Garbled("a whole message", payload) from None
    retain, dup = flags & 4 != 0, flags & 8 != 0
    # Each message of ten years passes here; the named constructor takes twice the time.
    return tuple.__new__(Message, (topic, payload[at:], flags & 3, retain, dup, whole, digest))


def pack_piece(piece: Piece) -> bytes:
    """Version 1 for a piece whose lines nobody counted."""
    name = piece.name.encode("utf-8", "surrogateescape")[:0xFFFF]
    version = _PIECE_WITH_LINES if piece.copy else _VERSION
    head = _PIECE.pack(version, piece.offset, len(name), len(piece.header))
    if piece.copy:
        flags = piece.follows | piece.headed << 2 | piece.unended << 3
        head += _LINES.pack(piece.line, piece.lines, piece.copy, flags)
    return head + name + piece.header + piece.data


def unpack_piece(payload: bytes) -> Piece:
    """Raises Garbled when the payload is not a piece of a known version."""
    with_lines = payload[:1] == bytes((_PIECE_WITH_LINES,))
    if not with_lines:
        _expect_version(payload, "a piece of a file")
    try:
        _, offset, named, headed = _PIECE.unpack_from(payload)
        counted = _LINES.unpack_from(payload, _PIECE.size) if with_lines else (0, 0, 0, 0)
    except struct.error:
        raise Garbled("a whole piece of a file", payload) from None
    start = _PIECE.size + with_lines * _LINES.size
    if len(payload) < start + named + headed:
        raise Garbled("a whole piece of a file", payload)
    name = payload[start : start + named].decode("utf-8", "surrogateescape")
    start += named
    header, data = payload[start : start + headed], payload[start + headed :]
    line, lines, copy, flags = counted
    own = line, lines, copy, Follows(flags & 3), flags & 4 != 0, flags & 8 != 0
    return Piece(name, offset, header, data, *own)


def _expect_version(payload: bytes, what: str) -> None:
    if payload[:1] != bytes((_VERSION,)):
        raise Garbled(f"{what} of version {_VERSION}", payload[:1])
