"""Asks scheduled sources at their slots and keeps what came, or why nothing did.

Slots lie on the wall grid and are waited for on the monotonic clock. Every slot ends in exactly
one record or one gap; what happened while the service was off is accounted for at its start. Slots
that a step of the clock leaps over were never due, and are taken back with all behind them when it
comes back. After any other step back the slots that had their turn are not due again: what is
measured until then is recorded without a slot, at its time of receipt.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

from edaphon.acquire.budget import ROW_BYTES
from edaphon.acquire.bus import AlreadyTalking, BusOwner, Finished
from edaphon.acquire.slots import (
    CLOCK_STEP,
    SERVICE_OFF,
    WITHDRAWN,
    Gap,
    Grid,
    Schedule,
    SlotAccount,
    Timekeeper,
)
from edaphon.acquire.switches import BranchSwitch, SupplySwitch, branched, powered
from edaphon.config import Bus, Configuration, HeardSource, ScheduledSource
from edaphon.journal import Entry, Journal, Kind, Purpose
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, PackageMissing
from edaphon_drivers.readings import Turn, pack_exchange
from edaphon_drivers.registry import engine
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Asking, Talk, Timing

_USUAL = Asking()
OVER_BUDGET = "above budget"  # why a slot has no record
SHORTEST_DEADLINE_S, LONGEST_DEADLINE_S = 5.0, 120.0


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One asked instrument: where it hangs, what it is, when it is due.

    `through` wraps each of its talks in what must happen to reach it: a supply, a multiplexer.
    `missing` is the part of a package that is not installed: it is not asked, and that is a gap.
    """

    path: str
    address: str
    sheet: Sheet
    schedule: Schedule
    deadline_s: float
    asking: Asking = _USUAL
    through: Callable[[Talk[None]], Talk[None]] = lambda talk: talk
    missing: str = ""

    @property
    def place(self) -> str:
        """The path without the bus: what it is known by on the line."""
        return self.path.partition("/")[2]


class _Source:
    """A scheduled source with its account and what it is doing."""

    def __init__(self, scheduled: Scheduled, account: SlotAccount, now_ns: int) -> None:
        self.scheduled = scheduled
        self.engine = None if scheduled.missing else engine(scheduled.sheet.engine)
        self.account = account
        self.next_ns = scheduled.schedule.next_after(now_ns)
        self.is_identified = False  # since a day at most
        self.begun_ns: int | None = None  # the newest slot that a measurement was begun for
        self.returns = 0  # how often the clock came back and slots were withdrawn
        self.kept_ns = 0  # the newest slot that the last of these left
        self.failing = False

    def measurement(self, asking: Asking, silent: bool = False) -> Talk[None]:
        """A probe that was silent at its last slot costs the bus one time-out, not all retries.

        Once it says anything it gets them all.
        """
        own = self.scheduled
        if self.engine is None:
            raise PackageMissing("the package of a part", own.missing, own.path)
        if silent:
            once = replace(asking, timing=replace(asking.timing, tries=1, sequences=1))
            with suppress(Garbled):
                return (yield from self.engine.measure(own.address, own.sheet, once))
        return (yield from self.engine.measure(own.address, own.sheet, asking))


class Sampler:
    """The sources of one bus; `run` is the life of its thread."""

    def __init__(
        self,
        bus: BusOwner,
        sources: Iterable[Scheduled],
        accounts: Mapping[str, SlotAccount],
        journal: Journal,
        keeper: Timekeeper,
        on_state: Callable[[str, str | None], None] = lambda *_: None,
        takes: Callable[[str, int], bool] = lambda path, size: True,
    ) -> None:
        """`takes` says of a source and the length of a record whether its budget has room."""
        self._bus, self._takes = bus, takes
        self._journal, self._keeper, self._on_state = journal, keeper, on_state
        self._lock = threading.Lock()  # accounts are written by the bus's thread too
        self.taken = 0  # records handed to the journal
        self._steps = keeper.steps
        now = keeper.now_ns()
        self._sources = [
            _Source(s, accounts.get(s.path) or SlotAccount(s.path, None), now) for s in sources
        ]

    @property
    def accounts(self) -> dict[str, SlotAccount]:
        return {s.scheduled.path: s.account for s in self._sources}

    @property
    def scheduled(self) -> dict[str, Scheduled]:
        """The instruments of the line, by path."""
        return {s.scheduled.path: s.scheduled for s in self._sources}

    def saved_accounts(self) -> dict[str, dict[str, Any]]:
        """The accounts with the monotonic time up to which they know what was written."""
        with self._lock:
            mono_ns = self._keeper.mono_ns()
            return {
                path: {**account.to_json(), "mono_ns": mono_ns}
                for path, account in self.accounts.items()
            }

    def account_for_absence(self, alive_until_ns: int) -> None:
        """Call once before `run`: slots that passed since the last account get their gap."""
        now, mono = self._keeper.now_ns(), self._keeper.mono_ns()
        for source in self._sources:
            slots, account = source.scheduled.schedule, source.account
            source.next_ns = slots.next_after(now)
            self._keep_gaps(source, account.begin_life(slots, now, mono, alive_until_ns))
            self._anchor(account, now)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            due = min((s.next_ns for s in self._sources if s.next_ns is not None), default=None)
            if due is None:
                stop.wait()
                return
            if self._keeper.wait_until(due, stop):
                return
            if self._keeper.steps != self._steps:
                self._realign()
                continue
            for source in self._sources:
                if source.next_ns is not None and source.next_ns <= due:
                    self._begin(source, source.next_ns)

    def _realign(self) -> None:
        """After a step of the wall clock: the slots are those that lie ahead by the new time."""
        self._steps = self._keeper.steps
        now, mono = self._keeper.now_ns(), self._keeper.mono_ns()
        for source in self._sources:
            slots, account = source.scheduled.schedule, source.account
            with self._lock:
                gaps = account.clock_set(slots, now, mono, source.begun_ns)
                if withdrawn := [gap for gap in gaps if gap.state == WITHDRAWN]:
                    source.returns, source.begun_ns = source.returns + 1, None
                    source.kept_ns = withdrawn[0].first_ns - 1
                self._keep_gaps(source, gaps)
                self._anchor(account, now)
            source.next_ns = slots.next_after(now)

    def _anchor(self, account: SlotAccount, now_ns: int) -> None:
        if not account.has(now_ns):
            account.offset_ns = self._keeper.offset_ns

    def _begin(self, source: _Source, slot_ns: int) -> None:
        slots, account = source.scheduled.schedule, source.account
        now = self._keeper.now_ns()
        source.next_ns = slots.next_after(slot_ns)
        late = slots.between(max(slot_ns, account.last_ns or 0), now)
        slot = self._name(source, slot_ns)
        returns = source.returns
        silent = account.gap is not None and account.gap.cause == NoAnswer.cause
        talk = source.measurement(source.scheduled.asking, silent)
        try:
            self._submit(source, talk, partial(self._ended, source, slot, returns))
        except AlreadyTalking:
            self._missed(source, _run(slot), "overload", "the former measurement still runs")
        if late:  # the thread itself came late by whole intervals
            self._missed(source, late, "overload", "the slot had passed")
            source.next_ns = slots.next_after(late[-1])

    def _submit(
        self, source: _Source, talk: Talk[None], on_end: Callable[[Finished], None]
    ) -> None:
        own = source.scheduled
        self._bus.submit(own.place, own.through(talk), own.deadline_s, on_end)

    def _name(self, source: _Source, slot_ns: int) -> int | None:
        """The slot that a measurement begun now is of; None where that has its account already."""
        account = source.account
        if account.has(slot_ns):
            return None
        account.offset_ns = self._keeper.offset_ns
        if account.was_used(slot_ns):
            self._missed(source, (slot_ns,), CLOCK_STEP, "a record before the step has this slot")
            return None
        source.begun_ns = slot_ns
        return slot_ns

    def _ended(
        self, source: _Source, slot_ns: int | None, returns: int, finished: Finished
    ) -> None:
        if returns != source.returns and (slot_ns or 0) > source.kept_ns:
            slot_ns = None  # it was withdrawn
        fault = finished.fault
        if fault is not None:
            came = b"".join(turn.data for turn in finished.turns if not turn.sent)
            self._missed(source, _run(slot_ns), fault.cause, str(fault), came)
            if slot_ns is None:  # no gap shows it
                source.failing = True
                self._on_state(source.scheduled.path, str(fault))
            return
        payload = pack_exchange(finished.turns)
        if not self._takes(source.scheduled.path, len(payload) + ROW_BYTES):
            self._over_budget(source, slot_ns, payload)
            return
        with self._lock:
            returned = source.account.gap is not None or source.failing
            source.failing = False
            gaps = source.account.record(slot_ns) if slot_ns is not None else []
            entries = [*self._gap_entries(source, gaps), self._entry(source, payload, slot_ns)]
            self._journal.append(entries)
            self.taken += 1
        if returned:
            self._on_state(source.scheduled.path, None)
        if returned or not source.is_identified:
            self._identify(source)

    def _over_budget(self, source: _Source, slot_ns: int | None, payload: bytes) -> None:
        """An exchange that is not kept: its slot is missed; the gap has length and hash."""
        words = f"{len(payload)} bytes above the budget of the source were not kept"
        words += f"; SHA-256 {sha256(payload).hexdigest()}"
        self._missed(source, _run(slot_ns), OVER_BUDGET, words)

    def _missed(
        self, source: _Source, slots_ns: Sequence[int], cause: str, detail: str, came: bytes = b""
    ) -> None:
        with self._lock:
            gaps = source.account.miss_run(slots_ns, cause, detail, came)
            self._keep_gaps(source, gaps)
        if gaps and cause not in {SERVICE_OFF, CLOCK_STEP}:
            self._on_state(source.scheduled.path, detail)

    def identify_again(self) -> None:
        """Ask each instrument who it is after its next record."""
        for source in self._sources:
            source.is_identified = False

    def _identify(self, source: _Source) -> None:
        """Ask who answers there; a probe that won't say is measured all the same."""
        source.is_identified = True
        scheduled = source.scheduled
        if source.engine is None:
            return
        talk = source.engine.identify(scheduled.address, scheduled.sheet, scheduled.asking)
        if talk is None:
            return
        try:
            self._submit(source, talk, partial(self._identified, source))
        except AlreadyTalking:
            source.is_identified = False

    def _identified(self, source: _Source, finished: Finished) -> None:
        if finished.fault is None:
            payload = pack_exchange(finished.turns)
            self._journal.append([self._entry(source, payload, None, Kind.IDENTITY)])

    def _keep_gaps(self, source: _Source, gaps: list[Gap]) -> None:
        if gaps:
            self._journal.append(self._gap_entries(source, gaps))

    def _gap_entries(self, source: _Source, gaps: list[Gap]) -> list[Entry]:
        return [self._entry(source, gap.payload(), None, Kind.GAP) for gap in gaps]

    def _entry(
        self, source: _Source, payload: bytes, slot_ns: int | None, kind: Kind = Kind.RECORD
    ) -> Entry:
        return self._keeper.entry(kind, source.scheduled.path, payload, slot_ns)

    def read_now(
        self, path: str, purpose: Purpose, done: Callable[[tuple[Turn, ...], Fault | None], None]
    ) -> None:
        """Measure once between the slots and keep it; raises KeyError, or AlreadyTalking."""
        source = {s.scheduled.path: s for s in self._sources}[path]

        def ended(finished: Finished) -> None:
            if finished.fault is None:
                payload = pack_exchange(finished.turns)
                entry = self._keeper.entry(Kind.RECORD, path, payload, None, purpose)
                self._journal.append([entry])
                self.taken += 1
            done(tuple(finished.turns), finished.fault)

        talk = source.measurement(replace(source.scheduled.asking, concurrent=False))
        self._submit(source, talk, ended)


def _run(slot_ns: int | None) -> tuple[int, ...]:
    return () if slot_ns is None else (slot_ns,)


def scheduled(
    source: ScheduledSource,
    bus: Bus,
    sheet: Sheet,
    schedule: Schedule | None = None,
    timing: Timing | None = None,
    supplies: Mapping[str, SupplySwitch] | None = None,
    branches: BranchSwitch | None = None,
    missing: str = "",
) -> Scheduled:
    """An asked instrument of a line, behind the switches that must be set to reach it."""
    interval_s = source.interval_ns / 1e9
    supply = (supplies or {}).get(source.supply or "")

    def through(talk: Talk[None]) -> Talk[None]:
        if branches is not None and source.branch is not None:
            talk = branched(talk, branches, source.branch)
        return powered(talk, supply, sheet.warm_up_s) if supply is not None else talk

    return Scheduled(
        path=source.path,
        address=source.address,
        sheet=sheet,
        schedule=schedule or Grid(source.interval_ns),
        deadline_s=min(max(interval_s, SHORTEST_DEADLINE_S), LONGEST_DEADLINE_S),
        asking=Asking(
            timing=timing or Timing(answer_s=bus.answer_s),
            concurrent=source.concurrent,
            crc=source.crc,
            baud=bus.baud,
            tcp=bus.kind == "modbus-tcp",
        ),
        through=through,
        missing=missing,
    )


def not_asked(config: Configuration, path: str) -> str:
    """Why a source can't be asked, and what to do instead; "" for one that can."""
    source = next((s for s in config.sources if s.path == path), None)
    if isinstance(source, ScheduledSource):
        return ""
    if isinstance(source, HeardSource):
        shown = f"`edaphon record {path}` shows what it says"
        return f"{path} talks by itself: nobody asks it. {shown}, `edaphon query` its values"
    if source is not None:
        return f"{path} sends when it wants: nobody asks it. `edaphon query` shows its values"
    asked = [s.path for s in config.sources if isinstance(s, ScheduledSource)]
    known = ", ".join(asked) or "the configuration has none"
    return f"expected a source that can be asked ({known}), got {path!r}"
