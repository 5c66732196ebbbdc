"""What the tools of the bench ask of a line: in the daemon between its measurements, or alone.

Every verb takes and gives JSON. Whatever comes in is journalled, with its purpose.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import orjson

from edaphon.acquire.bus import AlreadyTalking, BusBusy, Finished, ServiceOff
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.sampler import Scheduled
from edaphon.acquire.scanning import (
    ANSWERS,
    DUPLICATE,
    SILENT,
    Presence,
    hold,
    look_modbus,
    look_sdi12,
    modbus_presence,
    noted,
    question,
    readdress,
    sdi12_presence,
    when_free,
)
from edaphon.acquire.switches import NotSwitched, branched
from edaphon.config import Configuration
from edaphon.facts import Knowledge
from edaphon.facts.swaps import contradictions, explanations
from edaphon.journal import Journal, Kind, Purpose
from edaphon.people import own_account
from edaphon.service.line_tools.line import BenchLine, not_asked
from edaphon.service.line_tools.listen import Ear
from edaphon.storage.client import DaemonRefuses
from edaphon_drivers import sdi12
from edaphon_drivers.engines import engine
from edaphon_drivers.faults import Fault, Garbled, LinkDown, NoAnswer
from edaphon_drivers.payloads import Turn, pack_exchange
from edaphon_drivers.readings import Identity, Reading
from edaphon_drivers.talk import Asking, Talk

__all__ = ["LONGEST_S", "SDI12_KINDS", "TERM", "Bench", "changes_address", "sdi12_address"]

SDI12_KINDS = ("sdi12", "sdi12-uart")
MODBUS_KINDS = ("serial", "modbus-tcp")
TERM = "term"  # the address in the path of what was typed
LONGEST_S = 140.0
_DEADLINE_S = 30.0
_GAP_S = 0.2
_ADDRESS_COMMAND = re.compile(rb"[^0-9A-Za-z?*]*[0-9A-Za-z?*]A.", re.DOTALL)
_NOT_ASKED = (LinkDown, NotSwitched, BusBusy, ServiceOff)


class Bench:
    """Answers the bench's verbs; `line` gives a line by name and raises KeyError."""

    def __init__(
        self,
        config: Configuration,
        journal: Journal,
        keeper: Timekeeper,
        line: Callable[[str], BenchLine],
        knowledge: Callable[[], Knowledge],
        listening: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._config, self._journal, self._keeper = config, journal, keeper
        self._line_of, self._knowledge = line, knowledge
        self._ear = Ear(config, journal, keeper, listening)

    def verb(self, name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]] | None:
        """What answers that verb; None for a verb that is not the bench's."""
        verbs = ("bench", "probe", "contradictions", "measure", "hear", "say", "readdress")
        return getattr(self, f"_on_{name}") if name in verbs else None

    def ask(self, name: str, **words: Any) -> Any:
        """As the daemon would be asked; raises DaemonRefuses."""
        verb = self.verb(name)
        return orjson.loads(orjson.dumps(verb(words))) if verb else None

    def _on_bench(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"buses": list(self._config.buses)}

    def _line(self, name: str) -> BenchLine:
        if self._is_stream(name):
            words = f"bus {name} talks by itself: nobody is asked there"
            raise DaemonRefuses(f"{words}; `edaphon term {name}` shows what comes")
        return self._line_of(name)

    def _is_stream(self, name: str) -> bool:
        table = self._config.buses.get(name)
        if table is None:
            known = ", ".join(self._config.buses) or "none in the configuration"
            raise DaemonRefuses(f"expected the name of a bus ({known}), got {name!r}")
        return table.kind == "stream"

    def _held(self, line: BenchLine, talk: Talk[None], deadline_s: float) -> Finished:
        """Raises DaemonRefuses where the line itself is in trouble."""
        try:
            finished = hold(line.bus, talk, deadline_s)
        except AlreadyTalking as error:
            raise DaemonRefuses(str(error)) from None
        if isinstance(finished.fault, _NOT_ASKED):
            raise DaemonRefuses(str(finished.fault))
        return finished

    def _keep(self, kind: Kind, path: str, turns: tuple[Turn, ...], purpose: Purpose) -> None:
        """Silence is kept of a question that a person typed, and not of a look around."""
        if kind != Kind.IDENTITY or any(not turn.sent for turn in turns):
            payload = pack_exchange(turns)
            self._journal.append([self._keeper.entry(kind, path, payload, None, purpose)])

    # -- who is there ----------------------------------------------------------------------

    def _on_probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Who answers at these addresses; a row for each way by which they can be reached."""
        name, addresses = str(request["bus"]), [str(a) for a in request["addresses"]]
        line = self._line(name)
        rows = [row for address in addresses for row in self._at(name, line, address)]
        return {"rows": rows}

    def _at(self, name: str, line: BenchLine, address: str) -> Iterator[dict[str, Any]]:
        own = [s for s in line.scheduled.values() if s.address == address]
        for source in own:
            finished = self._held(line, self._look_there(line, source), _DEADLINE_S)
            yield self._row(source.path, address, finished, self._presence(line, source, finished))
        taken = {source.path.partition("@")[2].partition("+")[0] for source in own}
        looked = self._look(line, address)
        if looked is None:
            return
        for branch in self._branches(name):
            if branch in taken or (own and not branch):
                continue
            talk = looked()
            if branch and line.branches:
                talk = branched(talk, line.branches, branch)
            finished = self._held(line, talk, _DEADLINE_S)
            path = f"{name}/{address}" + (f"@{branch}" if branch else "")
            yield self._row(path, address, finished, _seen(line.table.kind, address, finished))

    def _branches(self, name: str) -> tuple[str, ...]:
        switch = self._config.buses[name].multiplexer
        return tuple(switch.ports) if switch else ("",)

    def _look(self, line: BenchLine, address: str) -> Callable[[], Talk[None]] | None:
        """What asks for anybody at an address; None where nobody knows how to."""
        busy = partial(line.busy, address)
        if line.table.kind in SDI12_KINDS and sdi12_address(address):
            return lambda: when_free(busy, look_sdi12(address, line.short))
        if line.table.kind in MODBUS_KINDS and address.isdecimal() and 0 < int(address) < 256:
            tcp = line.table.kind == "modbus-tcp"
            asking = Asking(line.short, baud=line.table.baud, tcp=tcp)
            return lambda: when_free(busy, look_modbus(int(address), asking))
        return None

    def _look_there(self, line: BenchLine, source: Scheduled) -> Talk[None]:
        """A configured instrument is asked in its own way, with all retries."""
        spoken = engine(source.sheet.engine)
        asking = replace(source.asking, concurrent=False)
        if source.sheet.engine == "sdi12":
            talk: Talk[None] | None = look_sdi12(source.address, asking.timing)
        else:
            talk = spoken.identify(source.address, source.sheet, asking)
        talk = talk or spoken.measure(source.address, source.sheet, asking)
        return when_free(partial(line.busy, source.address), source.through(talk))

    def _presence(self, line: BenchLine, source: Scheduled, finished: Finished) -> Presence:
        if source.sheet.engine == "sdi12":
            seen = sdi12_presence(source.address, finished.turns)
        else:
            seen = _ended(finished.fault)
        return seen._replace(identity=_told(source, finished) or seen.identity)

    def _row(self, path: str, address: str, finished: Finished, seen: Presence) -> dict[str, Any]:
        self._keep(Kind.IDENTITY, path, finished.turns, Purpose.SCAN)
        identity = _identity_row(seen.identity)
        return {
            "path": path,
            "address": address,
            "state": seen.state,
            "identity": identity,
            "words": seen.words,
        }

    def _on_contradictions(self, request: Mapping[str, Any]) -> dict[str, Any]:
        reported = {str(path): str(serial) for path, serial in request["reported"].items()}
        found = contradictions(reported, self._knowledge(), self._keeper.now_ns())
        rows = [{**one._asdict(), "words": one.words} for one in found]
        return {"rows": rows, "explanations": explanations(found)}

    # -- one measurement, one question -----------------------------------------------------

    def _on_measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One measurement with every turn of it, empty ones too, and who answered."""
        path = str(request["source"])
        source, line = self._scheduled(path)
        identity = self._identity(line, source)
        stated: list[Turn] = []
        spoken = engine(source.sheet.engine)
        asking = replace(source.asking, concurrent=False)
        talk = noted(spoken.measure(source.address, source.sheet, asking), stated)
        busy = partial(line.busy, source.address)
        finished = self._held(line, when_free(busy, source.through(talk)), LONGEST_S - 20)
        if finished.fault is None:
            self._keep(Kind.RECORD, path, finished.turns, Purpose.TEST)
            line.count()
        fault = finished.fault
        readings: tuple[Reading, ...] = ()
        try:
            readings = spoken.decode_exchange(finished.turns, source.sheet) if not fault else ()
        except Fault as wrong:
            fault = wrong
        return {
            "model": source.sheet.model,
            "identity": _identity_row(identity),
            "turns": [[turn.sent, turn.data.hex()] for turn in stated],
            "cause": fault.cause if fault else "",
            "fault": str(fault or ""),
            "readings": [[r.quantity, r.number, r.unit, str(r.status)] for r in readings],
        }

    def _on_hear(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What an instrument that talks by itself says; `seconds` None: the newest, or as usual."""
        name, seconds = str(request["bus"]), request.get("seconds")
        if not self._is_stream(name):
            raise DaemonRefuses(f"expected a line that talks by itself, bus {name} is asked")
        return self._ear.hear(name, float(seconds) if seconds else None)

    def _scheduled(self, path: str) -> tuple[Scheduled, BenchLine]:
        if why_not := not_asked(self._config, path):
            raise DaemonRefuses(why_not)
        line = self._line(path.partition("/")[0])
        return line.scheduled[path], line

    def _identity(self, line: BenchLine, source: Scheduled) -> Identity | None:
        spoken = engine(source.sheet.engine)
        talk = spoken.identify(source.address, source.sheet, source.asking)
        if talk is None:
            return None
        busy = partial(line.busy, source.address)
        finished = self._held(line, when_free(busy, source.through(talk)), _DEADLINE_S)
        if finished.fault is not None:
            return None
        self._keep(Kind.IDENTITY, source.path, finished.turns, Purpose.TEST)
        return _told(source, finished)

    def _on_say(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One question as a person typed it, and all that came."""
        name, data = str(request["bus"]), bytes.fromhex(request["data"])
        line = self._line(name)
        if line.table.kind in {"w1", "i2c"}:
            raise DaemonRefuses(f"expected a serial line, bus {name} is a {line.table.kind} bus")
        if line.table.kind in SDI12_KINDS and changes_address(data):
            words = "an address is changed by `edaphon sensor address BUS OLD NEW`, which checks"
            raise DaemonRefuses(f"{words} that the new one is free")
        talk = question(data, line.timing.answer_s, _GAP_S)
        address = data[:1].decode("latin-1")
        finished = self._held(line, when_free(partial(line.busy, address), talk), _DEADLINE_S)
        self._keep(Kind.RECORD, f"{name}/{TERM}", finished.turns, Purpose.TEST)
        line.count()
        return {"came": b"".join(t.data for t in finished.turns if not t.sent).hex()}

    # -- a new address ---------------------------------------------------------------------

    def _on_readdress(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name, old, new, who = (str(request[key]) for key in ("bus", "old", "new", "who"))
        line = self._line(name)
        if line.table.kind not in SDI12_KINDS:
            raise DaemonRefuses(f"expected an SDI-12 line, bus {name} is {line.table.kind}")
        if new in {s.address for s in line.scheduled.values()}:
            raise DaemonRefuses(f"{name}/{new} is a source of the configuration; choose another")
        before = self._told_by(name, line, old)
        if before is None:
            raise DaemonRefuses(f"expected an identity from {name}/{old}, got none")
        talk = readdress(old, new, line.timing)
        finished = self._held(line, when_free(partial(line.busy, old), talk), 4 * _DEADLINE_S)
        after = sdi12.decode_identity(finished.turns)
        self._keep(Kind.IDENTITY, f"{name}/{new}", finished.turns, Purpose.VISIT)
        good = finished.fault is None and after is not None and after.address == new
        what = f"address of {name}/{old} changed to {new}" if good else str(finished.fault)
        note = {"what": what, "who": who, "serial": before.extra, "source": f"{name}/{old}"}
        note |= {"account": request.get("account") or own_account()}
        payload = orjson.dumps(note, option=orjson.OPT_SORT_KEYS)
        note_entry = self._keeper.entry(Kind.NOTE, f"{name}/{new}", payload, None, Purpose.VISIT)
        self._journal.append([note_entry])
        if not good or after is None:
            raise DaemonRefuses(f"{what}; look for it with `edaphon scan {name}`")
        if after.text != before.text:
            raise DaemonRefuses(f"{name}/{new} tells {after.text!r}, {old} told {before.text!r}")
        return {"text": after.text, "change": self._to_change(name, line, old, new)}

    def _told_by(self, name: str, line: BenchLine, address: str) -> Any:
        """The columns of an address's identity; refuses two probes with one address."""
        talk = when_free(partial(line.busy, address), look_sdi12(address, line.timing))
        finished = self._held(line, talk, _DEADLINE_S)
        self._keep(Kind.IDENTITY, f"{name}/{address}", finished.turns, Purpose.VISIT)
        seen = sdi12_presence(address, finished.turns)
        if seen.state == DUPLICATE:
            raise DaemonRefuses(f"{name}/{address}: {seen.words}; unplug all but one")
        return sdi12.decode_identity(finished.turns)

    def _to_change(self, name: str, line: BenchLine, old: str, new: str) -> list[str]:
        """What no longer fits in the configuration and among the deployments."""
        own = [path for path, s in line.scheduled.items() if s.address == old]
        if not own:
            return []
        now = self._keeper.now_ns()
        found = [f'in the [[source]] of {path}: address = "{new}"' for path in own]
        for deployment in self._knowledge().deployments:
            if deployment.source in own and deployment.covers(now):
                path = f"{name}/{new}" + deployment.source[len(f"{name}/{old}") :]
                found.append(
                    f'deployment {deployment.id}: end it with `to`, go on with source = "{path}"'
                )
        return found


def sdi12_address(text: str) -> bool:
    return re.fullmatch("[0-9A-Za-z]", text) is not None


def changes_address(data: bytes) -> bool:
    """Whether SDI-12 probes would take a new address from it, whatever stands in front."""
    return any(_ADDRESS_COMMAND.fullmatch(part) for part in data.split(b"!"))


def _seen(kind: str, address: str, finished: Finished) -> Presence:
    if kind in SDI12_KINDS:
        return sdi12_presence(address, finished.turns)
    return modbus_presence(finished.turns)


def _ended(fault: Fault | None) -> Presence:
    if isinstance(fault, NoAnswer):
        return Presence(SILENT)
    if isinstance(fault, Garbled):
        words = f"{fault}: two instruments with one address, or a bad cable?"
        return Presence(DUPLICATE, None, words)
    return Presence(ANSWERS, None, str(fault or ""))


def _told(source: Scheduled, finished: Finished) -> Identity | None:
    """Who it says it is; None where that can't be read."""
    try:
        return engine(source.sheet.engine).decode_identity(finished.turns, source.sheet)
    except Fault:
        return None


def _identity_row(identity: Identity | None) -> dict[str, Any] | None:
    return asdict(replace(identity, settings=dict(identity.settings))) if identity else None
