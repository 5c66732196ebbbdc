"""What a technician asks of a line, or listens to: who is there, what a question brings.

Talks run on the line's own Bus, between its measurements, and judge what came from the bytes
alone. What an instrument that sends by itself says is the newest chunk of the journal, or the next
one; where nobody listens, the port is opened for some seconds, and what comes is kept as a test.
"""

import itertools
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from edaphon.acquire.bus import BusOwner, Finished, LineRefuses, Link, link_opener
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.stream import CHUNK_S, Chunk
from edaphon.config import Configuration, HeardSource
from edaphon.journal import Entry, Journal, Kind, Purpose
from edaphon.model import EntryId
from edaphon_drivers.ascii.engine import decode_stream, line_end, start_commands
from edaphon_drivers.faults import Fault, Garbled, LinkDown
from edaphon_drivers.modbus.engine import Line
from edaphon_drivers.modbus.frame import Request, Shape, answers, parse_request
from edaphon_drivers.readings import Identity, Reading, Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sdi12.engine import ask_identity, change_address, last_identity
from edaphon_drivers.sdi12.parse import parse_identity
from edaphon_drivers.talk import Ask, Asking, Pause, Talk, Timing

SILENT, ANSWERS, DUPLICATE = "silent", "answers", "duplicate suspected"
_TIMES = 3  # who answers is asked, to be sure
_DOUBTFUL = 2  # so many garbled answers are no accident
_WAIT_AGAIN_S = 0.2
_GIVE_UP_S = 10.0  # behind the deadline of a talk: the bus itself is stuck
_END = b"\r\n"
_ONE_REGISTER = Shape(2)
_numbers = itertools.count(1)
LONGEST_HEARD_S = 100.0
_USUAL_S, _LONGEST_USUAL_S = 10.0, 60.0
_INTERVALS = 2  # so that one whole line comes, wherever the first one was begun
_CLOSING_S = CHUNK_S + 2  # until the service hands over what came
_LOOKED_BACK = 2000  # entries
_SLICE_S = 0.2
_MIDST_S = 0.3  # bytes that come so soon after the port was opened may begin anywhere


class Presence(NamedTuple):
    """Who is at an address: one of SILENT, ANSWERS, DUPLICATE, and why in words."""

    state: str
    identity: Identity | None = None
    words: str = ""


def hold(bus: BusOwner, talk: Talk[object], deadline_s: float) -> Finished:
    """The talk on that bus, waited for; raises AlreadyTalking when the bus has stopped."""
    ended: list[Finished] = []
    done = threading.Event()

    def on_end(finished: Finished) -> None:
        ended.append(finished)
        done.set()

    bus.submit(f"bench {next(_numbers)}", talk, deadline_s, on_end)
    if not done.wait(deadline_s + _GIVE_UP_S):
        fault = Garbled("the bus to end a talk at its deadline", where=bus.name)
        return Finished("", (), fault)
    return ended[0]


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


def question(send: bytes, wait_s: float, gap_s: float) -> Talk[None]:
    """Bytes as a person typed them; listens until the line is silent for `gap_s` [s]."""
    if (yield Ask(send, bool, wait_s)):
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
        yield from _asked(f"{address}I!".encode(), timing)


def _asked(send: bytes, timing: Timing) -> Talk[None]:
    if (yield Ask(send, _END, timing.answer_s)):
        yield from listen(timing.gap_s)


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
    identity = _identity_in(turns)
    if len(texts) > 1:
        stated = " and ".join(sorted(repr(text[1:]) for text in texts))
        return Presence(DUPLICATE, identity, f"two identities at one address: {stated}")
    if garbled >= _DOUBTFUL:
        words = f"{garbled} of {len(came)} answers are garbled: two probes with one address?"
        return Presence(DUPLICATE, identity, words)
    if not texts:
        return Presence(ANSWERS, None, "answers, and tells no identity")
    return Presence(ANSWERS, identity)


def _identity_in(turns: Iterable[Turn]) -> Identity | None:
    columns = last_identity(turns)
    if columns is None:
        return None
    return Identity(columns.vendor, columns.model, columns.version, columns.extra)


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


@dataclass(frozen=True, slots=True)
class StreamListener:
    """`listening`: by path "" while the service reads it, its problem, or None: nobody does."""

    config: Configuration
    journal: Journal
    keeper: Timekeeper
    listening: Callable[[str], str | None] = lambda _: None

    def receive(self, bus: str, seconds: float | None) -> dict[str, Any]:
        """Lines with the readings in them; raises LineRefuses."""
        source = next((s for s in _pushed_sources(self.config) if s.bus == bus), None)
        path = source.path if source else f"{bus}/term"
        problem = self.listening(path)
        if problem:
            raise LineRefuses(problem)
        if source is None or problem is None:
            entry = self._listen(bus, source, path, seconds or _usual_s(source))
        else:
            entry = self._from_service(source, seconds)
        return self._identity_stated(source, path, entry)

    def _from_service(self, source: HeardSource, seconds: float | None) -> Entry:
        start = self.journal.last
        if seconds is None and start is not None:
            fresh_s = max(_LONGEST_USUAL_S, _INTERVALS * source.expect_ns / 1e9)
            newest = self._newest(source.path, start, fresh_s)
            if newest is not None:
                return newest
        within_s = (seconds or _usual_s(source)) + _CLOSING_S
        found = self._next(source.path, start, within_s)
        if found is None:
            words = f"a whole line from {source.path} within {within_s:.0f} s, nothing came"
            raise LineRefuses(f"expected {words}; with the daemon off `record` shows any bytes")
        return found

    def _newest(self, path: str, last: EntryId, fresh_s: float) -> Entry | None:
        start = EntryId(last.file, max(0, last.n - _LOOKED_BACK))
        found = self.journal.scan([path], [Kind.RECORD], start, on_damage=lambda _: None)
        own = (entry for _, entry in found if entry.purpose == Purpose.ROUTINE)
        newest = max(own, key=lambda e: e.received_ns, default=None)
        old = newest and self.keeper.now_ns() - newest.received_ns > (fresh_s + CHUNK_S) * 1e9
        return None if old else newest

    def _next(self, path: str, behind: EntryId | None, within_s: float) -> Entry | None:
        end = time.monotonic() + within_s
        while (left_s := end - time.monotonic()) > 0 and self.journal.wait_newer(behind, left_s):
            for place, entry in self.journal.after(behind, 100):
                behind = place
                if entry.source == path and entry.kind == Kind.RECORD:
                    return entry
        return None

    def _listen(self, bus: str, source: HeardSource | None, path: str, seconds: float) -> Entry:
        sheet = self.config.sheet(source) if source else None
        chunk = Chunk(line_end(sheet) if sheet else b"\n")
        try:
            link = link_opener(self.config.buses[bus])()
            _fill(chunk, link, start_commands(sheet) if sheet else (), seconds)
        except LinkDown as lost:
            raise LineRefuses(str(lost)) from None
        if not chunk.turns:
            raise LineRefuses(f"expected bytes from {bus} within {seconds:g} s, nothing came")
        now = self.keeper.entry(Kind.RECORD, path, pack_exchange(chunk.turns), None, Purpose.TEST)
        received_ns = now.received_ns - (now.mono_ns - chunk.first_ns)
        entry = now._replace(received_ns=received_ns, mono_ns=chunk.first_ns)
        self.journal.append([entry])
        return entry

    def _identity_stated(
        self, source: HeardSource | None, path: str, entry: Entry
    ) -> dict[str, Any]:
        turns = unpack_exchange(entry.payload)
        readings: tuple[Reading, ...] = ()
        fault: Fault | None = None
        try:
            readings = decode_stream(turns, self.config.sheet(source)) if source else ()
            if source and not readings:
                came = b"".join(turn.data for turn in turns)
                fault = Garbled("a whole line with a reading", came, path)
        except Fault as wrong:
            fault = wrong
        return {
            "model": source.model if source else "",
            "identity": None,
            "time_ns": entry.received_ns,
            "turns": [[turn.sent, turn.data.hex()] for turn in turns],
            "cause": fault.cause if fault else "",
            "fault": str(fault or ""),
            "readings": [[r.quantity, r.number, r.unit, str(r.status)] for r in readings],
        }


def _fill(chunk: Chunk, link: Link, start: Iterable[bytes], seconds: float) -> None:
    """Raises LinkDown."""
    end, begun = time.monotonic() + seconds, False
    try:
        for command in start:
            link.write(command)
        while (left_s := end - time.monotonic()) > 0:
            if data := link.read(min(left_s, _SLICE_S)):
                chunk.midst = chunk.midst or (not begun and left_s > seconds - _MIDST_S)
                begun = True
                chunk.take(data, time.monotonic_ns())
        chunk.finish(time.monotonic_ns())
    finally:
        link.close()


def _pushed_sources(config: Configuration) -> Iterator[HeardSource]:
    return (source for source in config.sources if isinstance(source, HeardSource))


def _usual_s(source: HeardSource | None) -> float:
    if source is None:
        return _USUAL_S
    return min(_INTERVALS * source.expect_ns / 1e9, _LONGEST_USUAL_S)
