"""Makers' payload formats: the codec that a sheet names, and what the codecs have in common.

A codec is in the registry: the typed frame of its sheets, which reads the bytes of an uplink.

A number's table: `output`, `at` (first byte, 0), `bytes` (2), then `signed`, `float`, `mask`,
`divide` (1) and `offset` (0, in the unit). `words` are the meanings of 0, 1, 2 ..; any other number
is invalid. `codes` are the bytes, as one hexadecimal number, that stand for a status, `frame.codes`
the same for every number of two bytes. `when` (at, mask, is) says that another byte decides whether
the number is there at all, `fails` (at, mask, codes) that it decides whether the number counts.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.lorawan.envelopes import has_data
from edaphon_drivers.readings import Reading, Status, reported, without_number
from edaphon_drivers.registry import CODECS
from edaphon_drivers.sheets import (
    ListOf,
    Number,
    Output,
    Sheet,
    StatusWord,
    Table,
    UnknownModel,
    frame_reader,
    listed,
    load_sheet,
    one_of,
    per_sheet,
    takes,
    that,
)

Order = Literal["big", "little"]
_FLOAT = {("big", 2): ">e", ("little", 2): "<e", ("big", 4): ">f", ("little", 4): "<f"}
_AT = "the number of a byte, from 0"
_CODES = f'a table of statuses such as {{ 7FFF = "failure" }}, each {one_of(Status)}'
Whole = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=223)]

codec_names = CODECS.names


def decode_uplink(uplink_data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings in an uplink's bytes; none where `has_data` says that there are none.

    Raises Garbled for bytes or a port that the sheet's frame does not allow, Incomplete where only
    some of its channels can be read, LookupError when the sheet names no codec.
    """
    if not has_data(uplink_data, f_port):
        return ()
    frame = _frame_of(sheet)
    frame.check_port(uplink_data, f_port, sheet)
    return frame.readings(uplink_data, f_port, sheet)


def known_ports(sheet: Sheet) -> tuple[int, ...]:
    """The ports that a sheet's uplinks come on, sorted; none where any will do."""
    return tuple(sorted(set(_frame_of(sheet).ports)))


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """One sentence for each; nothing for a sheet that its codec can work with."""
    codec = sheet.frame.get("codec")
    if codec not in codec_names():
        yield f"frame.codec is one of {', '.join(codec_names())}, not {codec!r}"
        return
    yield from _codec(codec)[1](sheet)


@per_sheet
def _frame_of(sheet: Sheet) -> "CodecFrame":
    return _codec(str(sheet.frame.get("codec")))[0](sheet)


@cache
def _codec(
    name: str,
) -> tuple[Callable[[Sheet], "CodecFrame"], Callable[[Sheet], Iterator[str]]]:
    frame: type[CodecFrame] = CODECS.load(name)
    return frame_reader(frame, frame.errors)


class CodecFrame(Table):
    """[frame] of a codec's sheets, and how the codec reads an uplink by it."""

    codec: str = takes("the name of a codec")

    @property
    def ports(self) -> tuple[int, ...]:
        """Those that its uplinks come on; () for any."""
        return ()

    def errors(self, sheet: Sheet) -> Iterator[str]:
        """What is wrong that single keys can't show."""
        raise NotImplementedError

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        """The readings of an uplink on one of the ports."""
        raise NotImplementedError

    def check_port(self, data: bytes, f_port: int, sheet: Sheet) -> None:
        """Garbled for a port that none of its uplinks come on."""
        if self.ports and f_port not in self.ports:
            ports = " or ".join(map(str, self.ports))
            raise Garbled(f"f_port {ports}, not {f_port}", data, sheet.model)


class Byte(Table):
    """Another byte, which decides."""

    at: Whole = takes(_AT)
    mask: int = takes("a whole number", 0xFF)


class Decider(Byte):
    """`when`: whether a number, or a block, is there."""

    values: ListOf[int] = takes("a list of whole numbers", alias="is")

    def applies(self, value: bytes) -> bool:
        return (value[self.at] & self.mask) in self.values


class Fails(Byte):
    """`fails`: whether a number counts."""

    codes: dict[str, StatusWord] = takes(_CODES)


class NumberTable(Table):
    """A number in the bytes of an uplink."""

    output: str = takes("the name of an [[output]]")
    at: Whole = takes(_AT, 0)
    n_bytes: Annotated[int, Field(ge=1, le=8)] = takes(
        "a whole number from 1 to 8", 2, alias="bytes"
    )
    signed: bool = takes("true or false", False)
    is_float: bool = takes("true or false", False, alias="float")
    mask: int = takes("a whole number", -1)
    divide: Annotated[Number, that(bool)] = takes("a number other than 0", 1)
    offset: Number = takes("a number", 0)
    words: ListOf[str] | None = takes("a list of texts", None)
    codes: dict[str, StatusWord] = takes(_CODES, {})
    when: Decider | None = takes("a table { at, mask, is }", None)
    fails: Fails | None = takes("a table { at, mask, codes }", None)

    def number(self, raw: bytes, order: Order) -> float:
        if self.is_float:
            return float(struct.unpack(_FLOAT[order, len(raw)], raw)[0]) / self.divide
        integer = int.from_bytes(raw, order, signed=self.signed)
        return (integer & self.mask) / self.divide + self.offset

    def status(self, raw: bytes, value: bytes, order: Order, codes: dict[str, Status]) -> Status:
        if self.fails:
            decided = str(value[self.fails.at] & self.fails.mask)
            if decided in self.fails.codes:
                return self.fails.codes[decided]
        unsigned = int.from_bytes(raw, order)
        if self.codes or codes:
            text = f"{unsigned:0{2 * len(raw)}X}"
            everywhere = codes.get(text) if len(raw) == 2 else None
            if found := self.codes.get(text, everywhere):
                return found
        if self.words is not None and unsigned & self.mask >= len(self.words):
            return Status.INVALID
        if self.is_float and not math.isfinite(self.number(raw, order)):
            return Status.INVALID
        return Status.OK


class PortsFrame(CodecFrame):
    """What the frames of several codecs have: their ports, and codes for every number."""

    f_port: Annotated[ListOf[Port], BeforeValidator(listed)] = takes(
        "a port from 1 to 223, or a list of such; none: any", ()
    )
    codes: dict[str, StatusWord] = takes(_CODES, {})

    @property
    def ports(self) -> tuple[int, ...]:
        return self.f_port


class ChannelRow(Table):
    """A tag and what follows it; one without numbers is passed over."""

    id: Annotated[int, Field(ge=0, le=255)] = takes("a whole number from 0 to 255")
    n_bytes: Whole = takes("a whole number from 0 on", alias="bytes")
    number: ListOf[NumberTable] = takes("a list of tables", ())


class TypedRow(ChannelRow):
    """A channel that is known by its id and type."""

    type: Annotated[int, Field(ge=0, le=255)] = takes("a whole number from 0 to 255")

    @property
    def tag(self) -> bytes:
        return bytes((self.id, self.type))


class RelayedTable(Table):
    """A `probe` whose sheet names the values of SDI-12 answers, or their `outputs` in order."""

    probe: str | None = takes("the name of an SDI-12 model sheet", None)
    outputs: ListOf[str] | None = takes("a list of names of outputs", None)


class TaggedFrame(PortsFrame):
    """A frame of (tag, value)*, whose tags have a row each; Incomplete by an unknown one."""

    tag_bytes: ClassVar[int] = 2
    order: ClassVar[Order] = "big"

    @property
    def rows(self) -> Mapping[bytes, ChannelRow]:
        """The rows of the sheet by tag."""
        raise NotImplementedError

    def length(self, tag: bytes, rest: bytes) -> int | None:
        """The bytes of a tag's value; None for an unknown tag."""
        row = self.rows.get(tag)
        return row.n_bytes if row else None

    def of_tag(self, tag: bytes, value: bytes, sheet: Sheet) -> Iterable[Reading]:
        """The readings of one value; Garbled costs itself alone."""
        row = self.rows.get(tag)
        return read_numbers(value, row.number, self.order, sheet, self.codes) if row else ()

    def readings(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
        return tagged_readings(data, self.tag_bytes, self.length, self.of_tag, sheet)


def epoch_ns(value: bytes, order: Order) -> int:
    """A time of its own: four bytes, seconds since 1970 UTC."""
    return int.from_bytes(value, order) * 1_000_000_000


def read_numbers(
    value: bytes,
    numbers: Iterable[NumberTable],
    order: Order,
    sheet: Sheet,
    codes: dict[str, Status],
    time_ns: int | None = None,
) -> Iterator[Reading]:
    """The readings of the numbers that are there; `codes` are those of the whole frame."""
    for number in numbers:
        if number.when is None or number.when.applies(value):
            raw = value[number.at : number.at + number.n_bytes]
            status = number.status(raw, value, order, codes)
            output = sheet.outputs[number.output]
            if status is not Status.OK:
                yield without_number(output, status, time_ns)
            else:
                yield reported(output, number.number(raw, order), time_ns)


def number_errors(
    where: str, numbers: Iterable[NumberTable], room: int, sheet: Sheet
) -> Iterator[str]:
    """What is wrong with the numbers in a value of `room` bytes."""
    for number in numbers:
        yield from output_errors(where, [number.output], sheet)
        end = number.at + number.n_bytes
        if end > room:
            yield f"{where}: {number.output} ends at byte {end} of {room}"
        if number.is_float and number.n_bytes not in {2, 4}:
            yield f"{where}: {number.output} is a float of 2 or 4 bytes, not {number.n_bytes}"
        places = [number.when.at] if number.when else []
        places += [number.fails.at] if number.fails else []
        for at in places:
            if at >= room:
                yield f"{where}: byte {at}, which decides, lies behind {room} bytes"


def row_errors(name: str, rows: Iterable[ChannelRow], sheet: Sheet) -> Iterator[str]:
    for n, row in enumerate(rows, 1):
        yield from number_errors(f"frame.{name} {n}", row.number, row.n_bytes, sheet)


def output_errors(where: str, names: Iterable[str], sheet: Sheet) -> Iterator[str]:
    for name in names:
        if name not in sheet.outputs:
            yield f"{where}: no [[output]] is named {name!r}"


def relayed_errors(where: str, named: RelayedTable, sheet: Sheet) -> Iterator[str]:
    if named.probe is None:
        if named.outputs is None:
            yield f"{where} needs probe, the name of an SDI-12 model sheet, or outputs"
        yield from output_errors(where, named.outputs or (), sheet)
        return
    try:
        commands = load_sheet(named.probe).commands
    except UnknownModel:
        yield f"{where}: probe is the name of an SDI-12 model sheet, not {named.probe!r}"
        return
    if not commands:
        yield f"{where}: {named.probe} has no SDI-12 command that would name values"
        return
    used = [name for name in commands[0].outputs if name != "-"]
    yield from output_errors(f"{where}, probe {named.probe}", used, sheet)


Length = Callable[[bytes, bytes], int | None]


def tagged_readings(
    data: bytes,
    tag_bytes: int,
    length: Length,
    read: Callable[[bytes, bytes, Sheet], Iterable[Reading]],
    sheet: Sheet,
) -> tuple[Reading, ...]:
    """What `read` makes of each value, in order.

    Raises Incomplete when only some of them can be read: a value that `read` refuses costs itself,
    an unknown tag or a cut value all that stands behind it. Garbled when none can be read.
    """
    readings: list[Reading] = []
    unread: list[_Unread] = []
    known = 0
    try:
        for tag, value in split_tagged(data, tag_bytes, length, sheet):
            try:
                readings.extend(read(tag, value, sheet))
                known += 1
            except Garbled as fault:
                unread.append(_Unread(f"channel {_hex(tag)} without {fault.expected}", fault))
    except _Unread as fault:
        unread.append(fault)
    if unread and not known:
        raise unread[0]
    if unread:
        detail = "; ".join(one.detail for one in unread)
        names = tuple(one.what for one in unread)
        raise Incomplete(tuple(readings), names, detail, data, sheet.model)
    return tuple(readings)


def split_tagged(
    data: bytes, tag_bytes: int, length: Length, sheet: Sheet
) -> Iterator[tuple[bytes, bytes]]:
    """Tags and values in order; `length(tag, rest)` is the value's, None for an unknown tag.

    Raises Garbled for an unknown tag or a cut value: nothing behind it can be found any more.
    """
    if not data:
        raise Garbled("at least one value", data, sheet.model)
    at = 0
    while at < len(data):
        tag, rest = data[at : at + tag_bytes], data[at + tag_bytes :]
        n_bytes = length(tag, rest) if len(tag) == tag_bytes else None
        if n_bytes is None or len(rest) < n_bytes:
            cut = n_bytes is not None or len(tag) < tag_bytes
            what = f"{'cut' if cut else 'unknown'} channel {_hex(tag)}"
            fault = Garbled(f"a whole known channel at byte {at}", data, sheet.model)
            raise _Unread(what, fault, f" at byte {at}: {len(data) - at} bytes not read")
        yield tag, rest[:n_bytes]
        at += tag_bytes + n_bytes


class _Unread(Garbled):
    """A channel that can't be read, `what` of it is alike in every frame, and where it stands."""

    def __init__(self, what: str, fault: Garbled, place: str = "") -> None:
        super().__init__(fault.expected, fault.came, fault.where)
        self.what, self.detail = what, what + place


def _hex(tag: bytes) -> str:
    return tag.hex(" ").upper()


def relayed_readings(
    texts: Sequence[bytes], named: RelayedTable, sheet: Sheet, time_ns: int | None = None
) -> Iterator[Reading]:
    """The values of SDI-12 answers that came as text in an uplink, one after another.

    A probe's sheet names them by the outputs of its first command, so their number must be right;
    of `outputs` the first ones are used. No value at all is a failure of every output. Garbled for
    a text that is no SDI-12 answer.
    """
    from edaphon_drivers.sdi12.parse import parse_relayed  # only such a codec needs it

    values = [value for text in texts for value in parse_relayed(text)[1]]
    known = _outputs(named, sheet)
    if values and named.probe is not None and len(values) != len(known):
        raise Garbled(f"{len(known)} values of {named.probe}", b"\r\n".join(texts), sheet.model)
    if not values:
        yield from (without_number(o, Status.FAILURE, time_ns) for o in known if o is not None)
    for output, value in zip(known, values, strict=False):
        if output is not None:
            yield reported(output, value, time_ns)


def _outputs(named: RelayedTable, sheet: Sheet) -> list[Output | None]:
    """In order; None for a value that is read and not used."""
    if named.probe is None:
        return [sheet.outputs.get(name) for name in named.outputs or ()]
    probe = load_sheet(named.probe)
    outputs = {**probe.outputs, **sheet.outputs}
    return [outputs.get(name) for name in probe.commands[0].outputs]
