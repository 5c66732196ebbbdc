"""Conversations with asked ASCII instruments, as generators without a wire."""

from functools import partial

from edaphon_drivers.ascii.decode import Said, said_lines
from edaphon_drivers.ascii.frames import Frame, Identification, frame_of
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Sends each command of the sheet until it is answered well; numbers are in the exchange."""
    frame = frame_of(sheet)
    if not frame.asks:
        raise Refused("a sheet with frame.ask; this instrument is heard", where=sheet.model)
    for ask in frame.asks:
        yield from _asked(frame, _spelled(ask, address), asking.timing, address)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """None for a sheet without frame.identity."""
    identity = frame_of(sheet).identity
    return _told(identity, address, asking.timing) if identity else None


def _asked(frame: Frame, command: bytes, timing: Timing, address: str) -> Talk[None]:
    """A late answer may come with the next one, so any good line among all that came will do."""
    where = f"address {address}" if address else ""
    fault: Fault = NoAnswer(f"an answer to {ascii(command)[2:-1]}", where=where)
    for again in range(timing.tries):
        if again:
            yield Pause(timing.gap_s, hold_bus=True)
        wait_s = max(frame.wait_s, timing.answer_s)
        came = yield Ask(command, partial(_is_whole, frame, command), wait_s)
        said = list(said_lines(frame, command, came))
        if any(isinstance(one, Said) and one.readings for one in said):
            return
        fault = next((one for one in reversed(said) if isinstance(one, Fault)), fault)
        if isinstance(fault, Refused):
            raise fault
        if came and not said:
            fault = Garbled(f"a line that ends with {frame.end!r}", came, where)
    raise fault


def _is_whole(frame: Frame, command: bytes, came: bytes) -> bool:
    """Whether all lines that say something have come; an echo or a prompt says nothing."""
    if not came.endswith(frame.end[-1:]) and not frame.root:
        return False
    said = sum(1 for one in said_lines(frame, command, came) if _ends_it(one))
    return said >= frame.lines


def _ends_it(one: Said | Fault) -> bool:
    if isinstance(one, Said):
        return bool(one.readings)
    return not isinstance(one, Garbled)


def _told(identity: Identification, address: str, timing: Timing) -> Talk[None]:
    came_at_all = False
    for ask in identity.asks:
        wait_s = max(identity.wait_s, timing.answer_s)
        came = yield Ask(_spelled(ask, address), b"", wait_s)
        came_at_all = came_at_all or bool(came)
    if not came_at_all:
        raise NoAnswer("an answer to who it is", where=f"address {address}" if address else "")


def _spelled(command: str, address: str) -> bytes:
    return command.replace("{address}", address).encode("latin-1")
