"""SDI-12 as an asked engine: talks with probes on a shared line, and what their answers say.

Specification v1.4: 4.4 and 5 (measurements), 7.2 (retries), 4.4.13 (extended commands). Nobody else
may talk between the start of M and its last data, since a break aborts it; after C, HA and HB the
bus is free until the data are fetched, and R is answered at once. A command is asked at least three
times, then the whole sequence from its start at least twice more.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.patterns import compiled
from edaphon_drivers.readings import Identity, Reading, Turn, reported
from edaphon_drivers.sdi12.parse import (
    IdentityLine,
    Measurement,
    SentCommand,
    is_packet,
    is_text,
    measurement,
    parse_acknowledgement,
    parse_identity,
    parse_lines,
    parse_packet,
    parse_relayed,
    parse_values,
    read_start,
    sent_command,
    spelled,
    table_of,
)
from edaphon_drivers.sdi12.parse import sheet_errors as sheet_errors
from edaphon_drivers.sheets import Command, Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing, Until

END = b"\r\n"
USUAL = Timing()
_SETTLE_S = 1.0  # 4.4.4: leave a probe alone for a second after its address has changed

Result = TypeVar("Result")


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """All measurements of the sheet, one after the other; the numbers are in the exchange.

    What the sheet's frame says its probe can't do (`concurrent`, `crc`) is not asked for.
    """
    frame, timing = table_of(sheet), asking.timing
    concurrent, crc = asking.concurrent and frame.concurrent, asking.crc and frame.crc
    for n, command in enumerate(sheet.commands):
        kind = spelled(command.send, concurrent, crc)
        may_be_none = n > 0 and frame.fewer
        yield from persist(partial(_measurement, address, kind, timing, may_be_none), timing)


def _measurement(address: str, kind: str, timing: Timing, may_be_none: bool) -> Talk[None]:
    """`may_be_none`: a smaller probe has no values behind a later command of the sheet."""
    asked = measurement(kind)
    if asked is None or asked.letters == "R":
        yield from _at_once(address, kind, bool(asked and asked.crc), timing)
        return
    answer = yield from ask(address, kind, partial(read_start, address, kind), timing)
    start = read_start(address, kind, answer)
    if start.n and start.wait_s:
        wait_s = start.wait_s * timing.second_s
        if asked.concurrent:
            yield Pause(wait_s, hold_bus=False)
        else:
            yield Pause(wait_s + timing.late_s, hold_bus=True, until=address.encode() + END)
    if start.n:
        yield from _data(address, asked, start.n, timing)
    elif not may_be_none:
        raise Refused(f"values for {kind}; choose another command", where=f"address {address}")


def _at_once(address: str, kind: str, crc: bool, timing: Timing) -> Talk[None]:
    """R0..R9: the values are the answer itself (4.4.9)."""
    accept = partial(parse_values, address, crc=crc)
    answer = yield from ask(address, kind, accept, timing)
    if not accept(answer):
        raise Refused(f"values for {kind}; choose another command", answer, f"address {address}")


def ask(
    address: str,
    kind: str,
    accept: Callable[[bytes], object],
    timing: Timing,
    unlike: bytes = b"",
    until: Until = END,
) -> Talk[bytes]:
    """Sends until `accept` raises no Garbled; the answer.

    In doubt it listens longer before it judges: after silence, since the late answer and the one
    to the second try may both come; after a bare address, since that may be a service request in
    front of the data; and after the line before once more (`unlike`), which may be a doubled one:
    that counts only when it comes again to a second question, since the right one may be lost.
    """
    command = f"{address}{kind}!"
    fault: Fault | None = None
    silent = False
    tries = timing.tries
    while tries:
        tries -= 1
        came = yield Ask(command.encode(), until, timing.answer_s)
        came = yield from _rest(came, until, timing)
        alone = came == address.encode() + END and kind != ""
        if alone or silent or came == unlike or not _accepted(came, accept):
            wait_s = timing.answer_s if came else timing.gap_s
            came += yield Pause(wait_s, hold_bus=True, until=until)
        silent = not came
        if unlike and came == unlike:
            unlike, tries = b"", tries + 1
            continue
        try:
            accept(came)
            return came
        except Garbled as garbled:
            fault = garbled if came else fault
    raise fault or NoAnswer(f"an answer to {command}", where=f"address {address}")


def persist(sequence: Callable[[], Talk[Result]], timing: Timing) -> Talk[Result]:
    """Runs the whole sequence again after a failure; bytes that came outrank silence."""
    worst: Fault | None = None
    for again in range(timing.sequences):
        if again:
            yield Pause(timing.gap_s, hold_bus=False)
        try:
            return (yield from sequence())
        except (NoAnswer, Garbled) as fault:
            if isinstance(fault, Garbled) or not isinstance(worst, Garbled):
                worst = fault
    raise worst or NoAnswer("a sequence to be tried")


def _rest(came: bytes, until: Until, timing: Timing) -> Talk[bytes]:
    """Packets and texts of several lines take longer than one answer: as long as bytes come."""
    while came and callable(until) and not until(came):
        goes_on = partial(_is_whole, until, came)
        more = yield Pause(timing.answer_s, hold_bus=True, until=goes_on)
        if not more:
            break
        came += more
    return came


def _is_whole(until: Callable[[bytes], bool], came: bytes, more: bytes) -> bool:
    return until(came + more)


def _accepted(answer: bytes, accept: Callable[[bytes], object]) -> bool:
    try:
        accept(answer)
    except Garbled:
        return False
    return True


def _data(address: str, asked: Measurement, n: int, timing: Timing) -> Talk[None]:
    """Asks D0, D1 and so on until n values came."""
    accept = parser_of(address, asked)
    until = is_packet if asked.data == "DB" else END
    got, line = 0, b""
    for number in range(asked.last_data + 1):
        kind = f"{asked.data}{number}"
        line = yield from ask(address, kind, accept, timing, unlike=line, until=until)
        values = accept(line)
        if not values:
            raise Garbled(f"{n} values; the measurement was aborted", line, f"address {address}")
        got += len(values)
        if got >= n:
            break
    if got != n:
        last = f"{asked.data}{asked.last_data}"
        raise Garbled(f"{n} values in {asked.data}0..{last}, not {got}", line, f"address {address}")


def parser_of(address: str, asked: Measurement) -> Callable[[bytes], tuple[float, ...]]:
    """What reads one answer with data of that measurement; raises Garbled."""
    if asked.letters == "HB":
        return partial(parse_packet, address)
    return partial(parse_values, address, crc=asked.crc)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Asks aI!, then each setting that the sheet has a command for; an unknown one is silent."""
    yield from ask_identity(address, asking.timing)
    once = replace(asking.timing, sequences=1)
    for command in table_of(sheet).settings.values():
        with suppress(NoAnswer, Garbled):
            yield from extended(address, command, once)


def ask_identity(address: str, timing: Timing) -> Talk[None]:
    """Asks aI!, until a line comes that begins with that address."""

    def accept(answer: bytes) -> None:
        if parse_identity(answer).address != address:
            raise Garbled("an answer that begins with its address", answer, f"address {address}")

    yield from persist(partial(ask, address, "I", accept, timing), timing)


def extended(address: str, command: str, timing: Timing) -> Talk[tuple[str, ...]]:
    """The lines that a maker's own command gives, such as "XHELP", without address and STX."""
    accept = partial(parse_lines, address)
    sequence = partial(ask, address, command, accept, timing, until=is_text)
    return accept((yield from persist(sequence, timing)))


def acknowledge(address: str, timing: Timing = USUAL) -> Talk[str]:
    """The address that answers a!; `?` asks the only probe on a line for its address."""

    def accept(answer: bytes) -> None:
        if address not in {"?", parse_acknowledgement(answer)}:
            raise Garbled(f"the address {address}", answer)

    answer = yield from persist(partial(ask, address, "", accept, timing), timing)
    return parse_acknowledgement(answer)


def change_address(old: str, new: str, timing: Timing = USUAL) -> Talk[None]:
    """Gives the probe at `old` the address `new`; Refused when that one is taken or none.

    An answer that gets lost leaves the probe at the new address all the same, so the new one is
    asked in any case.
    """
    if not re.fullmatch("[0-9A-Za-z]", new) or old == new:
        raise Refused("another address, one of 0-9, A-Z and a-z", new, f"address {old}")
    yield from acknowledge(old, timing)
    if (yield from _somebody(new, replace(timing, sequences=1))):
        raise Refused(f"nobody at address {new}; choose a free one", where=f"address {new}")
    accept = partial(_expect_address, new)
    with suppress(NoAnswer, Garbled):
        yield from ask(old, f"A{new}", accept, replace(timing, tries=1))
    yield Pause(_SETTLE_S * timing.second_s, hold_bus=True)
    if not (yield from _somebody(new, timing)):
        raise NoAnswer(f"the probe at its new address {new}; look for it at {old}")


def _somebody(address: str, timing: Timing) -> Talk[bool]:
    """Whether anything at all comes back from that address."""
    try:
        with suppress(Garbled):
            yield from acknowledge(address, timing)
    except NoAnswer:
        return False
    return True


def _expect_address(new: str, answer: bytes) -> None:
    if parse_acknowledgement(answer) != new:
        raise Garbled(f"the new address {new}", answer)


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
        found = _tried(parse_identity, b"".join(came)) if sent.kind == "I" else None
        if found and found.address == sent.address:
            identity = found
    return identity


def decode_settings(turns: Iterable[Turn], commands: Mapping[str, str]) -> dict[str, str]:
    """What each command (by the setting's name) was answered; without those that weren't."""
    found: dict[str, str] = {}
    for sent, came in _asked(turns):
        text = " ".join(_tried(parse_lines, sent.address, b"".join(came)) or ()).strip()
        if text:
            found |= {name: text for name, command in commands.items() if sent.kind == command}
    return found


def _tried(parse: Callable[..., Result], *words: Any) -> Result | None:
    """What it reads; None for what is garbled."""
    try:
        return parse(*words)
    except Garbled:
        return None


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
        return _tried(parse, b"".join(came)) or ()
    n = _announced(sent, came)
    lines: dict[str, tuple[float, ...]] = {}
    for data, answer in after:
        if data.address != sent.address or not re.fullmatch(rf"{kind.data}\d+", data.kind):
            break
        lines[data.kind] = _tried(parse, b"".join(answer)) or lines.get(data.kind, ())
    in_order = [lines.get(f"{kind.data}{number}", ()) for number in range(len(lines))]
    values = tuple(value for line in in_order for value in line)
    return values if len(values) == n and all(in_order) else ()


def _announced(sent: SentCommand, came: tuple[bytes, ...]) -> int:
    """How many values the answer promised; a service request may follow it. 0 without an answer."""
    for pieces in range(1, len(came) + 1):
        if start := _tried(read_start, sent.address, sent.kind, b"".join(came[:pieces])):
            return start.n
    return 0


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


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """Who answered, and the settings it gave; None when nobody did."""
    answered = tuple(turns)
    columns = last_identity(answered)
    if columns is None:
        return None
    frame = table_of(sheet)
    identity = columns.identity(decode_settings(answered, frame.settings))
    found = frame.identity and compiled(frame.identity, whole=True).in_whole(columns.text)
    named: dict[str, Any] = {k: text.strip() for k, text in (found or {}).items() if text}
    return replace(identity, **named)


def address_error(address: str) -> str:
    """ "" or what would be right."""
    if re.fullmatch("[0-9A-Za-z]", address):
        return ""
    return "one character 0-9, A-Z or a-z"
