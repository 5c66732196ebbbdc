"""What a technician asks of a line: who is there, what a question brings.

Talks run on the line's own Bus, between its measurements, and judge what came from bytes alone.
"""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple

from edaphon.acquire.bus import BusOwner, Finished
from edaphon_drivers.faults import Garbled
from edaphon_drivers.modbus.engine import Line
from edaphon_drivers.modbus.frame import Request, Shape, answers, parse_request
from edaphon_drivers.readings import Identity, Turn
from edaphon_drivers.sdi12.engine import ask_identity, change_address, last_identity
from edaphon_drivers.sdi12.parse import parse_identity
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing, Until

SILENT, ANSWERS, DUPLICATE = "silent", "answers", "duplicate suspected"
_TIMES = 3  # who answers is asked, to be sure
_DOUBTFUL = 2  # so many garbled answers are no accident
_WAIT_AGAIN_S = 0.2
_GIVE_UP_S = 10.0  # behind the deadline of a talk: the bus itself is stuck
_END = b"\r\n"
_ONE_REGISTER = Shape(2)
_numbers = itertools.count(1)


class Presence(NamedTuple):
    """Who is at an address: one of SILENT, ANSWERS, DUPLICATE, and why in words."""

    state: str
    identity: Identity | None = None
    words: str = ""


def hold(bus: BusOwner, talk: Talk[object], deadline_s: float) -> Finished:
    """The talk on that bus, waited for; raises AlreadyTalking when the bus has stopped."""
    ended = SimpleQueue[Finished]()
    bus.submit(f"bench {next(_numbers)}", talk, deadline_s, ended.put)
    try:
        return ended.get(timeout=deadline_s + _GIVE_UP_S)
    except Empty:
        fault = Garbled("the bus to end a talk at its deadline", where=bus.name)
        return Finished("", (), fault)


def when_free(busy: Callable[[], bool], talk: Talk[None]) -> Talk[None]:
    """The talk, once nobody is in the middle of measuring there: a question would end that."""
    while busy():
        yield Pause(_WAIT_AGAIN_S, hold_bus=False)
    return (yield from talk)


def noted(talk: Talk[None], stated: list[Turn]) -> Talk[None]:
    """The talk, with an empty turn in `stated` where nothing came to a question or in a pause."""
    answer: bytes | None = None
    try:
        while True:
            step = next(talk) if answer is None else talk.send(answer)
            answer = yield step
            if isinstance(step, Ask):
                stated.append(Turn(0, True, step.send))
            stated.append(Turn(0, False, answer))
    except StopIteration:
        return
    finally:
        talk.close()


def question(send: bytes, wait_s: float, gap_s: float, until: Until = bool) -> Talk[None]:
    """One question; listens until the line is silent for `gap_s` [s]."""
    if (yield Ask(send, until, wait_s)):
        yield from listen(gap_s)


def listen(gap_s: float) -> Talk[None]:
    while (yield Pause(gap_s, hold_bus=True, until=bool)):
        pass


# -- SDI-12 --------------------------------------------------------------------------------


def look_sdi12(address: str, timing: Timing) -> Talk[None]:
    """`a!` with the timing's tries; whoever answers is asked several times who it is."""
    for _ in range(timing.tries):
        if (yield Ask(f"{address}!".encode(), _END, timing.answer_s)):
            break
    else:
        return
    yield from listen(timing.gap_s)
    for _ in range(_TIMES):
        yield from question(f"{address}I!".encode(), timing.answer_s, timing.gap_s, _END)


def sdi12_presence(address: str, turns: Sequence[Turn]) -> Presence:
    """Two probes with one address answer together: lines that differ, or that nobody can read."""
    came = list(_questions(turns))
    if not any(answer for _, answer in came):
        return Presence(SILENT)
    lines = [_identities(address, answer) for sent, answer in came if sent.endswith(b"I!")]
    texts = {line for found in lines for line in found or ()}
    garbled = lines.count(None) + sum(
        answer not in {b"", address.encode() + _END} for sent, answer in came if sent[1:] == b"!"
    )
    line = last_identity(turns)
    identity = line and line.identity()
    if len(texts) > 1:
        stated = " and ".join(sorted(repr(text[1:]) for text in texts))
        return Presence(DUPLICATE, identity, f"two identities at one address: {stated}")
    if garbled >= _DOUBTFUL:
        words = f"{garbled} of {len(came)} answers are garbled: two probes with one address?"
        return Presence(DUPLICATE, identity, words)
    if not texts:
        return Presence(ANSWERS, None, "answers, and tells no identity")
    return Presence(ANSWERS, identity)


def _identities(address: str, answer: bytes) -> tuple[str, ...] | None:
    """The identities in an answer; None for one that is garbled."""
    lines = [line + _END for line in answer.split(_END) if line]
    if not answer.endswith(_END) and answer:
        return None
    try:
        parsed = [parse_identity(line) for line in lines if line != address.encode() + _END]
    except Garbled:
        return None
    if any(identity.address != address for identity in parsed):
        return None
    return tuple(f"{identity.address}{identity.text}" for identity in parsed)


def readdress(old: str, new: str, timing: Timing) -> Talk[None]:
    """A guarded change of address; the identity is asked before and after in the same talk."""
    yield from ask_identity(old, timing)
    yield from change_address(old, new, timing)
    yield from ask_identity(new, timing)


# -- Modbus --------------------------------------------------------------------------------


def look_modbus(unit: int, asking: Asking) -> Talk[None]:
    """Reads one register, which changes nothing; an exception is an answer too.

    Some instruments keep silent to a function that they don't have, so both reads are tried.
    """
    line = Line(unit, asking)
    for function in (3, 4):
        for _ in range(_TIMES):
            request = line.request(struct.pack(">BHH", function, 0, 1))
            whole = partial(_is_answer, request)
            frame = line.frame(request)
            came = yield Ask(frame, whole, asking.timing.answer_s, line.silence_s)
            if whole(came):
                return
            if not came:
                break


def _is_answer(request: Request, data: bytes) -> bool:
    return bool(answers(data, request, _ONE_REGISTER))


def modbus_presence(turns: Iterable[Turn]) -> Presence:
    garbled = 0
    for sent, answer in _questions(turns):
        request = parse_request(sent)
        if request and _is_answer(request, answer):
            return Presence(ANSWERS)
        garbled += bool(answer)
    if garbled >= _DOUBTFUL:
        return Presence(DUPLICATE, None, f"{garbled} garbled answers: two units with one address?")
    return Presence(SILENT)


def _questions(turns: Iterable[Turn]) -> Iterator[tuple[bytes, bytes]]:
    """What was sent, and all that came until the next question."""
    sent, came = b"", b""
    for turn in turns:
        if turn.sent:
            if sent:
                yield sent, came
            sent, came = turn.data, b""
        else:
            came += turn.data
    if sent:
        yield sent, came
