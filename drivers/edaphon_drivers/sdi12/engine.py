"""SDI-12 as an asked engine: measurements, identity, what is wrong with an address; decoding."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from edaphon_drivers.faults import Garbled, NoAnswer
from edaphon_drivers.patterns import compiled
from edaphon_drivers.readings import Identity, Reading, Turn, reported
from edaphon_drivers.sdi12 import talk
from edaphon_drivers.sdi12.parse import (
    IdentityLine,
    Measurement,
    SentCommand,
    is_packet,
    measurement,
    parse_identity,
    parse_lines,
    parse_packet,
    parse_relayed,
    read_start,
    sent_command,
    table_of,
)
from edaphon_drivers.sdi12.parse import sheet_errors as sheet_errors
from edaphon_drivers.sdi12.talk import parser_of
from edaphon_drivers.sheets import Command, Sheet
from edaphon_drivers.talk import Asking, Talk


class _Asked(NamedTuple):
    """A command and the pieces that came before the next one was sent."""

    sent: SentCommand
    came: tuple[bytes, ...]


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """Readings of the sheet's commands that are complete in the exchange, in the sheet's order.

    Raises NoAnswer or Garbled when no measurement is complete, Garbled when one has another number
    of values than the sheet knows outputs for.
    """
    asked = tuple(_asked(turns))
    readings: list[Reading] = []
    for command in sheet.commands:
        values = _last_values(asked, command)
        if values:
            readings += _readings(command, values, sheet)
    if not readings:
        raise _nothing(asked)
    return tuple(readings)


def last_identity(turns: Iterable[Turn]) -> IdentityLine | None:
    """The last identity that the asked address gave; None when the exchange has none."""
    identity = None
    for sent, came in _asked(turns):
        if sent.kind == "I":
            identity = _identity(sent, b"".join(came)) or identity
    return identity


def decode_settings(turns: Iterable[Turn], commands: Mapping[str, str]) -> dict[str, str]:
    """What each command (by the setting's name) was answered; without those that weren't."""
    found: dict[str, str] = {}
    for sent, came in _asked(turns):
        for name, command in commands.items():
            if sent.kind == command:
                found[name] = _text(sent, b"".join(came)) or found.get(name, "")
    return {name: text for name, text in found.items() if text}


def _text(sent: SentCommand, answer: bytes) -> str:
    """The lines as one text; "" for an answer that is none."""
    try:
        return " ".join(parse_lines(sent.address, answer)).strip()
    except Garbled:
        return ""


def _identity(sent: SentCommand, answer: bytes) -> IdentityLine | None:
    try:
        identity = parse_identity(answer)
    except Garbled:
        return None
    return identity if identity.address == sent.address else None


def _asked(turns: Iterable[Turn]) -> Iterator[_Asked]:
    sent: SentCommand | None = None
    came: list[bytes] = []
    for turn in turns:
        if not turn.sent:
            came.append(turn.data)
            continue
        if sent:
            yield _Asked(sent, tuple(came))
        sent, came = sent_command(turn.data), []
    if sent:
        yield _Asked(sent, tuple(came))


def _last_values(asked: tuple[_Asked, ...], command: Command) -> tuple[float, ...]:
    """() when the command has no complete measurement."""
    wanted = measurement(command.send)
    values: tuple[float, ...] = ()
    for at, (sent, _) in enumerate(asked):
        kind = measurement(sent.kind)
        if kind and wanted and kind.same_values(wanted):
            values = _complete_values(asked[at:], kind) or values
    return values


def _complete_values(asked: tuple[_Asked, ...], kind: Measurement) -> tuple[float, ...]:
    """The values of the measurement that the first command started; () unless all n are there."""
    (sent, came), *after = asked
    parse = parser_of(sent.address, kind)
    if kind.letters == "R":
        return _values(parse, b"".join(came))
    n = _announced(sent, came)
    lines: dict[str, tuple[float, ...]] = {}
    for data, answer in after:
        if data.address != sent.address or not re.fullmatch(rf"{kind.data}\d+", data.kind):
            break
        lines[data.kind] = _values(parse, b"".join(answer)) or lines.get(data.kind, ())
    in_order = [lines.get(f"{kind.data}{number}", ()) for number in range(len(lines))]
    values = tuple(value for line in in_order for value in line)
    return values if len(values) == n and all(in_order) else ()


def _announced(sent: SentCommand, came: tuple[bytes, ...]) -> int:
    """How many values the answer promised; a service request may follow it. 0 without an answer."""
    for pieces in range(1, len(came) + 1):
        try:
            return read_start(sent.address, sent.kind, b"".join(came[:pieces])).n
        except Garbled:
            continue
    return 0


def _values(parse: Callable[[bytes], tuple[float, ...]], answer: bytes) -> tuple[float, ...]:
    try:
        return parse(answer)
    except Garbled:
        return ()


def _readings(command: Command, values: tuple[float, ...], sheet: Sheet) -> Iterator[Reading]:
    """A shorter probe of the same kind may give `fewer` values, if the sheet says so."""
    missing = len(command.outputs) - len(values)
    if missing < 0 or (missing and not table_of(sheet).fewer):
        raise Garbled(
            f"{len(command.outputs)} values of {sheet.model} to {command.send}",
            " ".join(map(str, values)),
        )
    for name, value in zip(command.outputs, values, strict=False):
        if name != "-":
            yield reported(sheet.outputs[name], value)


def _nothing(asked: tuple[_Asked, ...]) -> NoAnswer | Garbled:
    came = b"".join(piece for _, pieces in asked for piece in pieces)
    where = f"address {asked[0].sent.address}" if asked else ""
    if came:
        return Garbled("a complete measurement", came, where)
    return NoAnswer("a measurement", where=where)


_ECHO = re.compile(rb"[0-9A-Za-z?](?:[A-Z][ -~]*?)?!")
# A service request, or atttn and its longer forms: the answer that only announces values.
_NO_VALUES = re.compile(rb"[0-9A-Za-z](?:[0-9]{4,6})?")


def decode_answers(data: bytes, sheet: Sheet) -> tuple[Reading, ...]:
    """The values as those of the sheet's command that gives so many, else of all in their order.

    Commands that a terminal echoed, announcements and service requests are passed over; CRCs are
    taken off. Raises Garbled.
    """
    values = tuple(_terminal_values(data))
    whole = [command for command in sheet.commands if len(command.outputs) == len(values)]
    commands = whole[:1] or sheet.commands
    ends = tuple(accumulate(len(command.outputs) for command in commands))
    fewer = table_of(sheet).fewer and 0 < len(values) < ends[-1]
    if len(values) not in ends and not fewer:
        counts = " or ".join(map(str, ends))
        raise Garbled(f"{counts} values of {sheet.model}, such as 0+1.60+25.7", data)
    names = [name for command in commands for name in command.outputs]
    pairs = zip(names, values, strict=False)
    return tuple(reported(sheet.outputs[name], value) for name, value in pairs if name != "-")


def _terminal_values(data: bytes) -> Iterator[float]:
    if is_packet(data):
        yield from parse_packet(data[:1].decode("latin-1"), data)
        return
    address = ""
    for line in data.splitlines():
        text = line.strip()
        while echo := _ECHO.match(text):
            text = text[echo.end() :].strip()
        if not text or _NO_VALUES.fullmatch(text):
            continue
        of, values = parse_relayed(text)
        if of != (address or of):
            raise Garbled(f"answers of one probe, of address {address}", line)
        address = of
        yield from values


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """All measurements of the sheet, one after the other."""
    yield from talk.measure(address, sheet, asking.concurrent, asking.crc, asking.timing)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Asks aI!, then each setting that the sheet has a command for."""
    return _identify(address, sheet, asking)


def _identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    yield from talk.identify(address, asking.timing, table_of(sheet).settings)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """Who answered, and the settings it gave; None when nobody did."""
    answered = tuple(turns)
    columns = last_identity(answered)
    if columns is None:
        return None
    table = table_of(sheet)
    parts = {"vendor": columns.vendor, "model": columns.model, "version": columns.version}
    parts["serial"] = columns.extra
    pattern = table.identity
    found = compiled(pattern, whole=True).in_whole(columns.text) if pattern else None
    if found:
        parts |= {name: text.strip() for name, text in found.items() if text}
    return Identity(**parts, settings=decode_settings(answered, table.settings))


def address_error(address: str) -> str:
    """ "" or what would be right."""
    if re.fullmatch("[0-9A-Za-z]", address):
        return ""
    return "one character 0-9, A-Z or a-z"
