"""The technician's tools on one line, in the daemon between its measurements, or alone.

What answers is judged from its bytes alone. Every verb takes and gives JSON. Whatever comes in is
journalled, with its purpose.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import orjson

from edaphon.acquire.bus import (
    AlreadyTalking,
    BusBusy,
    BusOwner,
    Finished,
    LineRefuses,
    ServiceOff,
    link_opener,
)
from edaphon.acquire.sampler import Scheduled, not_asked, scheduled
from edaphon.acquire.slots import Timekeeper
from edaphon.acquire.stream import StreamListener, shown_exchange
from edaphon.acquire.switches import (
    BranchSwitch,
    NotSwitched,
    branch_switch,
    branched,
    supply_switches,
)
from edaphon.clock import SystemClock
from edaphon.config import Bus, Configuration, ScheduledSource
from edaphon.facts import Knowledge
from edaphon.facts.conflicts import contradictions, explanations
from edaphon.journal import Journal, Kind, Purpose
from edaphon.people import own_account
from edaphon_drivers.faults import Fault, Garbled, LinkDown, NoAnswer
from edaphon_drivers.modbus.engine import Line
from edaphon_drivers.modbus.frame import Request, Shape, answers, parse_request
from edaphon_drivers.readings import Identity, Reading, Turn, pack_exchange
from edaphon_drivers.registry import engine
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
            request = line.request(bytes((function, 0, 0, 0, 1)))
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


_SHORT = 0.5  # of a line's time for an answer, where silence is what is usually found
SDI12_KINDS = ("sdi12", "sdi12-uart")
MODBUS_KINDS = ("serial", "modbus-tcp")
TERM = "term"  # the address in the path of what was typed
LONGEST_S = 140.0
_DEADLINE_S = 30.0
_GAP_S = 0.2
_ADDRESS_COMMAND = re.compile(rb"[^0-9A-Za-z?*]*[0-9A-Za-z?*]A.", re.DOTALL)
_NOT_ASKED = (LinkDown, NotSwitched, BusBusy, ServiceOff)


@dataclass(frozen=True, slots=True)
class ToolLine:
    """A line with what the configuration says of it; `count` is called for each record kept."""

    table: Bus
    bus: BusOwner
    scheduled: Mapping[str, Scheduled]
    branches: BranchSwitch | None
    timing: Timing
    count: Callable[[], None] = lambda: None

    @property
    def short(self) -> Timing:
        return replace(self.timing, answer_s=self.timing.answer_s * _SHORT, tries=1)

    def busy(self, address: str) -> bool:
        """Whether that instrument is measuring, behind whatever switch it hangs."""
        places = {s.place for s in self.scheduled.values() if s.address == address}
        return any(self.bus.is_talking(place) for place in places)


def own_line(config: Configuration, name: str) -> ToolLine:
    table = config.buses[name]
    branches, supplies = branch_switch(table), supply_switches(config)
    own = [
        scheduled(s, table, config.sheet(s), None, None, supplies, branches)
        for s in config.sources
        if isinstance(s, ScheduledSource) and s.bus == name
    ]
    bus = BusOwner(name, link_opener(table), SystemClock())
    bus.start()
    timing = Timing(answer_s=table.answer_s)
    return ToolLine(table, bus, {s.path: s for s in own}, branches, timing)


class LineTools:
    """Answers the verbs of a line; `line` gives a line by name and raises KeyError."""

    def __init__(
        self,
        config: Configuration,
        journal: Journal,
        keeper: Timekeeper,
        line: Callable[[str], ToolLine],
        knowledge: Callable[[], Knowledge],
        listening: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._config, self._journal, self._keeper = config, journal, keeper
        self._line_of, self._knowledge = line, knowledge
        self._listener = StreamListener(config, journal, keeper, listening)

    def answer(self, verb: str, words: Mapping[str, Any]) -> dict[str, Any]:
        """Raises LineRefuses, and KeyError for a verb that is none of these tools."""
        return VERBS[verb](self, words)

    def _buses(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"buses": list(self._config.buses)}

    def _line(self, name: str) -> ToolLine:
        if self._is_stream(name):
            words = f"bus {name} talks by itself: nobody is asked there"
            raise LineRefuses(f"{words}; `edaphon term {name}` shows what comes")
        return self._line_of(name)

    def _is_stream(self, name: str) -> bool:
        table = self._config.buses.get(name)
        if table is None:
            known = ", ".join(self._config.buses) or "none in the configuration"
            raise LineRefuses(f"expected the name of a bus ({known}), got {name!r}")
        return table.kind == "stream"

    def _held(
        self, line: ToolLine, address: str, talk: Talk[None], deadline_s: float = _DEADLINE_S
    ) -> Finished:
        """Held once that address is free; raises LineRefuses where the line can't be used."""
        try:
            finished = hold(line.bus, when_free(partial(line.busy, address), talk), deadline_s)
        except AlreadyTalking as error:
            raise LineRefuses(str(error)) from None
        if isinstance(finished.fault, _NOT_ASKED):
            raise LineRefuses(str(finished.fault))
        return finished

    def _keep(self, kind: Kind, path: str, turns: tuple[Turn, ...], purpose: Purpose) -> None:
        """Silence is kept of a question that a person typed, and not of a look around."""
        if kind != Kind.IDENTITY or any(not turn.sent for turn in turns):
            payload = pack_exchange(turns)
            self._journal.append([self._keeper.entry(kind, path, payload, None, purpose)])

    # -- who is there ----------------------------------------------------------------------

    def _probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Who answers at these addresses; a row for each way by which they can be reached."""
        name, addresses = str(request["bus"]), [str(a) for a in request["addresses"]]
        line = self._line(name)
        rows = [row for address in addresses for row in self._at(name, line, address)]
        return {"rows": rows}

    def _at(self, name: str, line: ToolLine, address: str) -> Iterator[dict[str, Any]]:
        own = [s for s in line.scheduled.values() if s.address == address]
        for source in own:
            finished = self._held(line, address, self._look_there(source))
            yield self._row(source.path, address, finished, self._presence(source, finished))
        taken = {source.path.partition("@")[2].partition("+")[0] for source in own}
        looked = self._look(line, address)
        if looked is None:
            return
        switch = self._config.buses[name].multiplexer
        for branch in tuple(switch.ports) if switch else ("",):
            if branch in taken or (own and not branch):
                continue
            talk = looked()
            if branch and line.branches:
                talk = branched(talk, line.branches, branch)
            finished = self._held(line, address, talk)
            path = f"{name}/{address}" + (f"@{branch}" if branch else "")
            is_sdi12 = line.table.kind in SDI12_KINDS
            turns = finished.turns
            seen = sdi12_presence(address, turns) if is_sdi12 else modbus_presence(turns)
            yield self._row(path, address, finished, seen)

    def _look(self, line: ToolLine, address: str) -> Callable[[], Talk[None]] | None:
        """What asks for anybody at an address; None where nobody knows how to."""
        if line.table.kind in SDI12_KINDS and sdi12_address(address):
            return partial(look_sdi12, address, line.short)
        if line.table.kind in MODBUS_KINDS and address.isdecimal() and 0 < int(address) < 256:
            tcp = line.table.kind == "modbus-tcp"
            asking = Asking(line.short, baud=line.table.baud, tcp=tcp)
            return partial(look_modbus, int(address), asking)
        return None

    def _look_there(self, source: Scheduled) -> Talk[None]:
        """A configured instrument is asked in its own way, with all retries."""
        spoken = engine(source.sheet.engine)
        asking = replace(source.asking, concurrent=False)
        if source.sheet.engine == "sdi12":
            talk: Talk[None] | None = look_sdi12(source.address, asking.timing)
        else:
            talk = spoken.identify(source.address, source.sheet, asking)
        return source.through(talk or spoken.measure(source.address, source.sheet, asking))

    def _presence(self, source: Scheduled, finished: Finished) -> Presence:
        if source.sheet.engine == "sdi12":
            seen = sdi12_presence(source.address, finished.turns)
        else:
            seen = _ended(finished.fault)
        return seen._replace(identity=_decoded_identity(source, finished) or seen.identity)

    def _row(self, path: str, address: str, finished: Finished, seen: Presence) -> dict[str, Any]:
        self._keep(Kind.IDENTITY, path, finished.turns, Purpose.SCAN)
        row = {"path": path, "address": address, "state": seen.state}
        return {**row, "identity": _identity_row(seen.identity), "words": seen.words}

    def _contradictions(self, request: Mapping[str, Any]) -> dict[str, Any]:
        reported = {str(path): str(serial) for path, serial in request["told"].items()}
        found = contradictions(reported, self._knowledge(), self._keeper.now_ns())
        rows = [{**one._asdict(), "words": one.words} for one in found]
        return {"rows": rows, "explanations": explanations(found)}

    # -- one measurement, one question -----------------------------------------------------

    def _measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One measurement with every turn of it, empty ones too, and who answered."""
        path = str(request["source"])
        if why_not := not_asked(self._config, path):
            raise LineRefuses(why_not)
        line = self._line(path.partition("/")[0])
        source = line.scheduled[path]
        identity = self._identity(line, source)
        stated: list[Turn] = []
        spoken = engine(source.sheet.engine)
        asking = replace(source.asking, concurrent=False)
        talk = noted(spoken.measure(source.address, source.sheet, asking), stated)
        finished = self._held(line, source.address, source.through(talk), LONGEST_S - 20)
        fault = finished.fault
        readings: tuple[Reading, ...] = ()
        if fault is None:
            self._keep(Kind.RECORD, path, finished.turns, Purpose.TEST)
            line.count()
            try:
                readings = spoken.decode_exchange(finished.turns, source.sheet)
            except Fault as wrong:
                fault = wrong
        head = {"model": source.sheet.model, "identity": _identity_row(identity)}
        return {**head, **shown_exchange(stated, fault, readings)}

    def _hear_stream(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What an instrument that talks by itself says; `seconds` None: the newest, or as usual."""
        name, seconds = str(request["bus"]), request.get("seconds")
        if not self._is_stream(name):
            raise LineRefuses(f"expected a line that talks by itself, bus {name} is asked")
        return self._listener.receive(name, float(seconds) if seconds else None)

    def _identity(self, line: ToolLine, source: Scheduled) -> Identity | None:
        spoken = engine(source.sheet.engine)
        talk = spoken.identify(source.address, source.sheet, source.asking)
        if talk is None:
            return None
        finished = self._held(line, source.address, source.through(talk))
        if finished.fault is not None:
            return None
        self._keep(Kind.IDENTITY, source.path, finished.turns, Purpose.TEST)
        return _decoded_identity(source, finished)

    def _say(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One question as a person typed it, and all that came."""
        name, data = str(request["bus"]), bytes.fromhex(request["data"])
        line = self._line(name)
        if line.table.kind in {"w1", "i2c"}:
            raise LineRefuses(f"expected a serial line, bus {name} is a {line.table.kind} bus")
        if line.table.kind in SDI12_KINDS and changes_address(data):
            words = "an address is changed by `edaphon sensor address BUS OLD NEW`, which checks"
            raise LineRefuses(f"{words} that the new one is free")
        talk = question(data, line.timing.answer_s, _GAP_S)
        finished = self._held(line, data[:1].decode("latin-1"), talk)
        self._keep(Kind.RECORD, f"{name}/{TERM}", finished.turns, Purpose.TEST)
        line.count()
        return {"came": b"".join(t.data for t in finished.turns if not t.sent).hex()}

    # -- a new address ---------------------------------------------------------------------

    def _readdress(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name, old, new, who = (str(request[key]) for key in ("bus", "old", "new", "who"))
        line = self._line(name)
        if line.table.kind not in SDI12_KINDS:
            raise LineRefuses(f"expected an SDI-12 line, bus {name} is {line.table.kind}")
        if new in {s.address for s in line.scheduled.values()}:
            raise LineRefuses(f"{name}/{new} is a source of the configuration; choose another")
        before = self._one_identity(name, line, old)
        if before is None:
            raise LineRefuses(f"expected an identity from {name}/{old}, got none")
        finished = self._held(line, old, readdress(old, new, line.timing), 4 * _DEADLINE_S)
        after = last_identity(finished.turns)
        self._keep(Kind.IDENTITY, f"{name}/{new}", finished.turns, Purpose.VISIT)
        good = finished.fault is None and after is not None and after.address == new
        what = f"address of {name}/{old} changed to {new}" if good else str(finished.fault)
        note = {"what": what, "who": who, "serial": before.extra, "source": f"{name}/{old}"}
        note |= {"account": request.get("account") or own_account()}
        payload = orjson.dumps(note, option=orjson.OPT_SORT_KEYS)
        note_entry = self._keeper.entry(Kind.NOTE, f"{name}/{new}", payload, None, Purpose.VISIT)
        self._journal.append([note_entry])
        if not good or after is None:
            raise LineRefuses(f"{what}; look for it with `edaphon scan {name}`")
        if after.text != before.text:
            raise LineRefuses(f"{name}/{new} is {after.text!r}, {old} was {before.text!r}")
        return {"text": after.text, "change": self._to_change(name, line, old, new)}

    def _one_identity(self, name: str, line: ToolLine, address: str) -> Any:
        """The columns of an address's identity; refuses two probes with one address."""
        finished = self._held(line, address, look_sdi12(address, line.timing))
        self._keep(Kind.IDENTITY, f"{name}/{address}", finished.turns, Purpose.VISIT)
        seen = sdi12_presence(address, finished.turns)
        if seen.state == DUPLICATE:
            raise LineRefuses(f"{name}/{address}: {seen.words}; unplug all but one")
        return last_identity(finished.turns)

    def _to_change(self, name: str, line: ToolLine, old: str, new: str) -> list[str]:
        """What no longer fits in the configuration and among the deployments."""
        own = [path for path, s in line.scheduled.items() if s.address == old]
        now = self._keeper.now_ns()
        found = [f'in the [[source]] of {path}: address = "{new}"' for path in own]
        for deployment in self._knowledge().deployments:
            if deployment.source in own and deployment.covers(now):
                path = f"{name}/{new}" + deployment.source[len(f"{name}/{old}") :]
                found.append(
                    f'deployment {deployment.id}: end it with `to`, go on with source = "{path}"'
                )
        return found


VERBS: dict[str, Callable[[LineTools, Mapping[str, Any]], dict[str, Any]]] = {
    "bench": LineTools._buses,
    "probe": LineTools._probe,
    "contradictions": LineTools._contradictions,
    "measure": LineTools._measure,
    "hear": LineTools._hear_stream,
    "say": LineTools._say,
    "readdress": LineTools._readdress,
}


def sdi12_address(text: str) -> bool:
    return re.fullmatch("[0-9A-Za-z]", text) is not None


def changes_address(data: bytes) -> bool:
    """Whether SDI-12 probes would take a new address from it, whatever is in front."""
    return any(_ADDRESS_COMMAND.fullmatch(part) for part in data.split(b"!"))


def _ended(fault: Fault | None) -> Presence:
    if isinstance(fault, NoAnswer):
        return Presence(SILENT)
    if isinstance(fault, Garbled):
        words = f"{fault}: two instruments with one address, or a bad cable?"
        return Presence(DUPLICATE, None, words)
    return Presence(ANSWERS, None, str(fault or ""))


def _decoded_identity(source: Scheduled, finished: Finished) -> Identity | None:
    """Who it says it is; None where that can't be read."""
    try:
        return engine(source.sheet.engine).decode_identity(finished.turns, source.sheet)
    except Fault:
        return None


def _identity_row(identity: Identity | None) -> dict[str, Any] | None:
    return asdict(replace(identity, settings=dict(identity.settings))) if identity else None
