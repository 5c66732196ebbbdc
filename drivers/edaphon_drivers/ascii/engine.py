"""ASCII instruments, declared by a model sheet alone: how each is asked, and who it says it is."""

from collections.abc import Iterable, Mapping
from functools import partial

from edaphon_drivers.ascii.decode import ReadLine, answer_lines, exchanges
from edaphon_drivers.ascii.decode import decode_exchange as decode_exchange
from edaphon_drivers.ascii.decode import decode_stream as decode_stream
from edaphon_drivers.ascii.sheet import AsciiFrame, IdentityTable, frame_of
from edaphon_drivers.ascii.sheet import sheet_errors as sheet_errors
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Identity
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing

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


def _asks(identity: IdentityTable, sent: bytes) -> bool:
    text = sent.decode("latin-1")
    for ask in identity.ask:
        before, place, after = ask.partition("{address}")
        if text == ask or (place and text.startswith(before) and text.endswith(after)):
            return True
    return False


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
    if not frame.asks:
        raise Refused("a sheet with frame.ask; this instrument sends by itself", where=sheet.model)
    for ask in frame.asks:
        yield from _asked(frame, _spelled(ask, address), asking.timing, address)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """None for a sheet without frame.identity."""
    identity = frame_of(sheet).identity
    return _identity_stated(identity, address, asking.timing) if identity else None


def _asked(frame: AsciiFrame, command: bytes, timing: Timing, address: str) -> Talk[None]:
    """A late answer may come with the next one, so any good line among all that came will do."""
    where = f"address {address}" if address else ""
    fault: Fault = NoAnswer(f"an answer to {ascii(command)[2:-1]}", where=where)
    for again in range(timing.tries):
        if again:
            yield Pause(timing.gap_s, hold_bus=True)
        wait_s = max(frame.wait_s, timing.answer_s)
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
    return count >= frame.lines


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


def line_texts(data: bytes, sheet: Sheet) -> tuple[Mapping[str, str], int | None]:
    """The named texts of the first good line and the time it says [UTC ns]; raises a Fault."""
    frame = frame_of(sheet)
    fault: Fault | None = None
    for line in answer_lines(frame, b"", data):
        if isinstance(line, ReadLine) and line.counts:
            return line.texts, line.time_ns
        if isinstance(line, Fault):
            fault = fault or line
    if fault:
        raise fault
    return {}, None
