"""ASCII instruments, declared by a model sheet alone: how each is asked, and who it says it is."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from edaphon_drivers.ascii.lines import Fixed, Kind
from edaphon_drivers.ascii.sheet import AsciiFrame, IdentityTable, frame_of
from edaphon_drivers.ascii.sheet import sheet_errors as sheet_errors
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.readings import Identity, Reading, Turn
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing

_NS_PER_MS = 10**6


class ReadLine(NamedTuple):
    """A line that was understood: its named texts, its readings, the instrument's own time.

    `counts` is False for a line that proves nothing: a header, one of a kind that is not read.
    """

    texts: dict[str, str]
    readings: tuple[Reading, ...]
    time_ns: int | None = None
    counts: bool = True


_NEUTRAL = ReadLine({}, (), counts=False)
_CONTROLS = re.compile(r"[^\t -~\x80-\xff]|[\x80-\x9f]")


class _LineReader:
    """Reads one line after the other; a header line names the columns of those that follow."""

    def __init__(self, frame: AsciiFrame) -> None:
        self._frame = frame
        self._columns: tuple[str, ...] = ()

    def read(self, line: bytes) -> ReadLine:
        """Raises Garbled for a damaged line, Refused or NoAnswer where the instrument says no."""
        frame = self._frame
        if len(line) > frame.longest:
            raise Garbled(f"a line of at most {frame.longest} bytes", line)
        text = line.decode("latin-1")
        if frame.table.header and self._is_header(text):
            return _NEUTRAL
        bare = text.strip(" \x00")
        kind = self._kind(bare)
        if kind is not None:
            return self._read_as(kind, line, text if isinstance(kind.layout, Fixed) else bare)
        if frame.table.others == "ignore" and not _CONTROLS.search(text):
            return _NEUTRAL
        raise Garbled(f"a line of a kind that the sheet knows, {frame.looked_for}", line)

    def _read_as(self, kind: Kind, line: bytes, text: str) -> ReadLine:
        if kind.checksum:
            if not kind.checksum.is_right(line):
                raise Garbled("a line whose checksum is right", line)
            text = kind.checksum.bare(text)
        texts = kind.texts(text, self._columns)
        time_ns = kind.time.ns(texts) if kind.time else None
        readings = () if kind.ignore else kind.readings(texts, time_ns)
        return ReadLine(texts, readings, time_ns)

    def _kind(self, text: str) -> Kind | None:
        return next((kind for kind in self._frame.kinds if kind.is_of(text)), None)

    def _is_header(self, text: str) -> bool:
        columns = text.strip().split(self._frame.header_separator or None)
        if not columns or columns[0].strip(' "') != self._frame.table.header:
            return False
        names = tuple(column.strip(' "') for column in columns)
        if not self._frame.are_columns(names):
            raise Garbled("a header with the columns of the time", text)
        self._columns = names
        return True


def cut_lines(frame: AsciiFrame, data: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines without their ends, and what follows the last end; blank lines are dropped."""
    if frame.root:
        return _elements(frame.root, data)
    *lines, rest = data.split(frame.end[-1:])
    strange = b"\r\n" if frame.end[-1:] in b"\r\n" else b""
    whole = [line.strip(strange) if strange else line for line in lines]
    return [line for line in whole if line.strip()], rest.strip(strange) if strange else rest


def _elements(root: str, data: bytes) -> tuple[list[bytes], bytes]:
    small, mark = data.lower(), f"</{root}>".encode("latin-1")
    lines, at = [], 0
    while (end := small.find(mark, at)) >= 0:
        lines.append(data[at : end + len(mark)])
        at = end + len(mark)
    return lines, data[at:].strip()


def line_reader(sheet: Sheet) -> Callable[[bytes], ReadLine]:
    """Reads the lines of a stream one after the other, without their ends; raises a Fault."""
    return _LineReader(frame_of(sheet)).read


def decode_stream(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """Readings of the lines that came by themselves, each turn one or more whole lines.

    A line that says no time of its own was measured when its turn came. What has no line end is
    cut off and gives nothing. Raises a Fault only if no line is good and some line is bad.
    """
    frame = frame_of(sheet)
    reader = _LineReader(frame)
    readings: list[Reading] = []
    fault: Fault | None = None
    good = False
    for turn in turns:
        if turn.sent:
            continue
        for line in _tried(reader, frame, turn.data):
            if isinstance(line, Fault):
                fault = line
                continue
            good = good or line.counts
            readings += _after(line.readings, turn.ms * _NS_PER_MS)
    if fault and not good:
        raise fault
    return tuple(readings)


def _after(readings: tuple[Reading, ...], after_ns: int) -> tuple[Reading, ...]:
    if not after_ns or not readings or readings[0].time_ns is not None:
        return readings
    return tuple(reading._replace(after_ns=after_ns) for reading in readings)


def _tried(reader: _LineReader, frame: AsciiFrame, data: bytes) -> Iterator[ReadLine | Fault]:
    lines, rest = cut_lines(frame, data)
    for line in lines:
        try:
            yield reader.read(line)
        except (Garbled, Refused, NoAnswer) as fault:
            yield fault
    if rest:
        yield Garbled(f"a line that ends with {frame.end!r}", rest)


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The last good readings to each command; bytes that came outrank silence.

    Raises Refused, Garbled or NoAnswer when no line gives a reading.
    """
    frame = frame_of(sheet)
    readings: dict[str, Reading] = {}
    faults: list[Fault] = []
    for sent, came in exchanges(turns):
        for line in answer_lines(frame, sent, came):
            if isinstance(line, Fault):
                faults.append(line)
            else:
                readings.update((reading.output, reading) for reading in line.readings)
    if not readings:
        raise _worst(faults)
    return tuple(readings.values())


def exchanges(turns: Iterable[Turn]) -> Iterator[tuple[bytes, bytes]]:
    """What was sent and all that came before the next was sent."""
    sent, came = b"", b""
    for turn in turns:
        if not turn.sent:
            came += turn.data
            continue
        if sent or came:
            yield sent, came
        sent, came = turn.data, b""
    if sent or came:
        yield sent, came


def answer_lines(frame: AsciiFrame, sent: bytes, came: bytes) -> Iterator[ReadLine | Fault]:
    """Each line of an answer, the echo of the command apart; another's address is Garbled."""
    whole = came if frame.root else _without_echo(frame, sent, came)
    address = _sent_to(frame.table.ask, sent)
    for line in _tried(_LineReader(frame), frame, whole):
        other = isinstance(line, ReadLine) and address and line.texts.get("address", address)
        if other and other != address:
            yield Garbled(f"an answer from address {address}", came)
        else:
            yield line


def _without_echo(frame: AsciiFrame, sent: bytes, came: bytes) -> bytes:
    """An echo is a line of its own, or stands with its own end in front of the answer."""
    echo = sent.strip()
    if not echo:
        return came
    lines, rest = cut_lines(frame, came)
    kept = []
    for line in lines:
        while line.startswith(sent):
            line = line.removeprefix(sent)
        if line.strip() and line.strip() != echo:
            kept.append(line + frame.end)
    return b"".join(kept) + rest.removeprefix(sent)


def _sent_to(asks: Sequence[str], sent: bytes) -> str | None:
    """The address that a command was sent to, "" for one without; None for none of these."""
    text = sent.decode("latin-1")
    for ask in asks:
        before, place, after = ask.partition("{address}")
        if place and text.startswith(before) and text.endswith(after):
            return text[len(before) : len(text) - len(after)]
    return "" if text in asks else None


def _worst(faults: list[Fault]) -> Fault:
    for kind in (Refused, Garbled):
        for fault in reversed(faults):
            if isinstance(fault, kind):
                return fault
    return faults[-1] if faults else NoAnswer("a line with a reading")


_LONGEST_ANSWER = 4096
_LONGEST_LINE = 256
_NAMED = frozenset({"vendor", "model", "version", "serial"})


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """None when the exchange asked for no identity or no pattern was found in the answers."""
    identity = frame_of(sheet).table.identity
    if identity is None:
        return None
    found: dict[str, str] = {}
    for sent, came in exchanges(turns):
        if _sent_to(identity.ask, sent) is not None:
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


def _found(identity: IdentityTable, answer: str) -> dict[str, str]:
    groups: dict[str, str] = {}
    for line in answer.replace("\r", "\n").split("\n"):
        for pattern in identity.expressions:
            found = pattern.in_part(line[:_LONGEST_LINE]) or {}
            groups |= {name: text.strip() for name, text in found.items()}
    return groups


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Sends each command of the sheet until it is answered well; numbers are in the exchange."""
    frame = frame_of(sheet)
    if not frame.table.ask:
        raise Refused("a sheet with frame.ask; this instrument sends by itself", where=sheet.model)
    for ask in frame.table.ask:
        yield from _asked(frame, _spelled(ask, address), asking.timing, address)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """None for a sheet without frame.identity."""
    identity = frame_of(sheet).table.identity
    return _identity_stated(identity, address, asking.timing) if identity else None


def _asked(frame: AsciiFrame, command: bytes, timing: Timing, address: str) -> Talk[None]:
    """A late answer may come with the next one, so any good line among all that came will do."""
    where = f"address {address}" if address else ""
    fault: Fault = NoAnswer(f"an answer to {ascii(command)[2:-1]}", where=where)
    for again in range(timing.tries):
        if again:
            yield Pause(timing.gap_s, hold_bus=True)
        wait_s = max(frame.table.wait_s, timing.answer_s)
        came = yield Ask(command, partial(_is_whole, frame, command), wait_s)
        lines = list(answer_lines(frame, command, came))
        if any(isinstance(one, ReadLine) and one.readings for one in lines):
            return
        fault = next((one for one in reversed(lines) if isinstance(one, Fault)), fault)
        if isinstance(fault, Refused):
            raise fault
        if came and not lines:
            fault = Garbled(f"a line that ends with {frame.end!r}", came, where)
    raise fault


def _is_whole(frame: AsciiFrame, command: bytes, came: bytes) -> bool:
    """Whether all lines that say something have come; an echo or a prompt says nothing."""
    if not came.endswith(frame.end[-1:]) and not frame.root:
        return False
    count = sum(1 for one in answer_lines(frame, command, came) if _ends_it(one))
    return count >= frame.table.lines


def _ends_it(one: ReadLine | Fault) -> bool:
    if isinstance(one, ReadLine):
        return bool(one.readings)
    return not isinstance(one, Garbled)


def _identity_stated(identity: IdentityTable, address: str, timing: Timing) -> Talk[None]:
    came_at_all = False
    for ask in identity.ask:
        wait_s = max(identity.wait_s, timing.answer_s)
        came = yield Ask(_spelled(ask, address), b"", wait_s)
        came_at_all = came_at_all or bool(came)
    if not came_at_all:
        raise NoAnswer("an answer to who it is", where=f"address {address}" if address else "")


def _spelled(command: str, address: str) -> bytes:
    return command.replace("{address}", address).encode("latin-1")


_LONGEST_ADDRESS = 16


def address_error(address: str) -> str:
    """ "" for an address; many instruments have none."""
    if len(address) <= _LONGEST_ADDRESS and all("!" <= c <= "~" for c in address):
        return ""
    return f"up to {_LONGEST_ADDRESS} letters or digits without blanks, or nothing at all"


def line_end(sheet: Sheet) -> bytes:
    """What ends each line of a stream; lines are kept with it."""
    return frame_of(sheet).end


def start_commands(sheet: Sheet) -> tuple[bytes, ...]:
    """What must be sent to make the instrument stream; mostly nothing."""
    return frame_of(sheet).start
