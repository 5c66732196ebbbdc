"""The time of this boot, the slots on it, and their account: one record, or one gap run, for each.

Slots lie on the wall grid. A clock that is set forward leaps over slots: those of the monotonic
time that passed are missed, the others were never due (`leapt`). When it is set back over that
leap, what was accounted behind it is taken back (`withdrawn`): the newest slot accounted for is
again the one before the leap.
"""

import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import orjson

from edaphon.clock import Clock
from edaphon.journal import Entry, EntryId, JournalReader, Kind, Purpose

SERVICE_OFF, CLOCK_STEP = "service off", "clock step"
FLOOD = "flood"  # items above a budget, see budget.py: no slots of a schedule
LEAPT, WITHDRAWN = "leapt", "withdrawn"  # states of gap entries that count no missed slot
RETURN_WITHIN_NS = 3_600_000_000_000  # how exactly a clock comes back to the time before a leap
MOST_LEAPS = 8
Saved = tuple[tuple[int, int], Mapping[str, Any], str]  # place, accounts, boot
STEP_NS = 500_000_000

LONGEST_WAIT_NS = 10_000_000_000


class Timekeeper:
    """Slots are kept on `now_ns`, which runs with the monotonic clock and jumps only on purpose."""

    def __init__(self, clock: Clock, boot: str) -> None:
        self._clock, self.mono_ns = clock, clock.mono_ns
        self.boot = boot
        self.steps = 0  # of the wall clock, since the start
        self._lock = threading.Lock()  # several threads watch for a step
        self.offset_ns = clock.wall_ns() - clock.mono_ns()  # wall time minus monotonic time

    def now_ns(self) -> int:
        return self.mono_ns() + self.offset_ns

    def wait_until(self, utc_ns: int, stop: threading.Event) -> bool:
        """True when stopped; returns early after a step of the clock, which `steps` counts."""
        before = self.steps
        while (ahead := utc_ns - self.now_ns()) > 0:
            pause = min(ahead, LONGEST_WAIT_NS)
            if self._clock.wait_until(self.mono_ns() + pause, stop):
                return True
            self.follow_step()
            if self.steps != before:
                break
        return stop.is_set()

    def follow_step(self) -> int:
        """Take a step of the wall clock over [ns], 0 if there was none worth the name."""
        with self._lock:
            step = self._clock.wall_ns() - self.mono_ns() - self.offset_ns
            if abs(step) <= STEP_NS:
                return 0
            self.offset_ns += step
            self.steps += 1
            return step

    def clock_entry(self, how: str, error_ns: int) -> Entry:
        """The entry that makes the time of this boot known."""
        table = {"offset_ns": self.offset_ns, "error_ns": error_ns, "how": how}
        return self.entry(Kind.CLOCK, "", orjson.dumps(table, option=orjson.OPT_SORT_KEYS))

    def entry(
        self,
        kind: Kind,
        source: str,
        payload: bytes,
        slot_ns: int | None = None,
        purpose: Purpose = Purpose.ROUTINE,
    ) -> Entry:
        wall, mono = self._clock.wall_ns(), self.mono_ns()
        return Entry(kind, wall, mono, self.boot, source, payload, slot_ns, purpose)


class Schedule(Protocol):
    """The instants [UTC ns] at which a source is due."""

    def next_after(self, time_ns: int) -> int | None:
        """The first slot after that time; None when there is none."""
        ...

    def between(self, after_ns: int, up_to_ns: int) -> Sequence[int]:
        """All slots in (after, up to]."""
        ...


@dataclass(frozen=True, slots=True)
class Grid:
    """Every whole multiple of the interval since 1970, as intervals divide a day."""

    interval_ns: int

    def next_after(self, time_ns: int) -> int | None:
        return (time_ns // self.interval_ns + 1) * self.interval_ns

    def between(self, after_ns: int, up_to_ns: int) -> Sequence[int]:
        first = (after_ns // self.interval_ns + 1) * self.interval_ns
        return range(first, up_to_ns + 1, self.interval_ns)  # years of slots cost nothing


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of slots without a record, all of one cause; it is open while it may grow.

    Leapt: no slot of it was due. Withdrawn: whatever was accounted from its first slot on is taken
    back; `n` of those slots were missed by that cause.
    """

    cause: str
    first_ns: int
    last_ns: int
    n: int
    state: str = "open"
    detail: str = ""
    garbled: str = ""  # hex: what came instead of an answer, at the first slot

    def payload(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def of_payload(cls, payload: bytes) -> "Gap":
        return cls(**orjson.loads(payload))


def is_flood(entry: Entry) -> bool:
    """Whether a gap entry counts items above a budget, which are no slots."""
    try:
        return bool(orjson.loads(entry.payload)["cause"] == FLOOD)
    except (ValueError, TypeError, KeyError):
        return False


@dataclass(slots=True)
class Leap:
    """Slots that passed at once, by a step of the clock or between two lives."""

    from_ns: int  # the newest slot accounted for before
    to_ns: int
    offset_ns: int | None  # wall time minus monotonic time before; None: another life
    mono_ns: int  # when, or the start of this life
    missed: dict[str, int] = field(default_factory=dict)  # slots of gaps closed since, by cause

    def undone_by(self, now_ns: int, mono_ns: int) -> bool:
        """Whether the clock is back where it would be without the leap."""
        if not self.from_ns + mono_ns - self.mono_ns - RETURN_WITHIN_NS <= now_ns < self.to_ns:
            return False
        if self.offset_ns is None:
            return now_ns >= self.from_ns
        return self.from_ns <= now_ns <= mono_ns + self.offset_ns + RETURN_WITHIN_NS


@dataclass(slots=True)
class SlotAccount:
    """What became of the slots of one source; it gives the gap entries to write."""

    source: str
    last_ns: int | None = None  # the latest slot that is accounted for
    gap: Gap | None = None
    leaps: list[Leap] = field(default_factory=list)
    used: list[tuple[int, int]] = field(default_factory=list)  # withdrawn slots of records
    offset_ns: int | None = None  # wall minus monotonic time of `last_ns`; None: another life

    def has(self, slot_ns: int) -> bool:
        """Whether that slot has its record or gap already: then the clock was set back."""
        return self.last_ns is not None and slot_ns <= self.last_ns

    def was_used(self, slot_ns: int) -> bool:
        """Whether a record of a withdrawn time may have that slot."""
        return any(first <= slot_ns <= last for first, last in self.used)

    def clock_set(
        self, slots: Schedule, now_ns: int, mono_ns: int, begun_ns: int | None = None
    ) -> list[Gap]:
        """After a step of the clock to `now_ns`: what it leapt over, or comes back from.

        The slots up to `begun_ns` were begun before and get their accounts by themselves.
        """
        gaps, before = self._come_back(now_ns, mono_ns), self.last_ns
        if before is None or now_ns <= before:
            return gaps
        if begun_ns is not None and not gaps:
            before = max(before, begun_ns)
        offset = self.offset_ns
        end_ns = now_ns if offset is None else min(now_ns, mono_ns + offset)
        if passed := slots.between(before, end_ns):
            if offset is None:  # they may be taken back, and a run is taken back as a whole
                gaps += self.close()
            gaps += self.miss_run(passed, CLOCK_STEP, "the clock was set")
            if offset is None:
                self._leap(Leap(before, now_ns, None, mono_ns))
            before = passed[-1]
        if leapt := slots.between(max(before, end_ns), now_ns):
            gaps += self.close()
            self._leap(Leap(before, now_ns, offset, mono_ns))
            self._reach(leapt[-1])
            words = "the clock was set forward; this time did not pass"
            gaps.append(Gap(CLOCK_STEP, leapt[0], leapt[-1], len(leapt), LEAPT, words))
        return gaps

    def begin_life(
        self, slots: Schedule, now_ns: int, mono_ns: int, alive_until_ns: int
    ) -> list[Gap]:
        """At a start: the slots since the last account; the clock may be back from a leap."""
        self.offset_ns = None
        for leap in self.leaps:
            leap.offset_ns, leap.mono_ns = None, mono_ns
        gaps = self._come_back(now_ns, mono_ns)
        if self.last_ns is None or not (passed := slots.between(self.last_ns, now_ns)):
            return gaps
        if self.gap is not None and self.gap.cause == SERVICE_OFF:
            gaps += self.close()
        from_ns = self.last_ns
        gaps += self.service_off(passed, alive_until_ns)
        self._leap(Leap(from_ns, now_ns, None, mono_ns))
        return gaps

    def _leap(self, leap: Leap) -> None:
        self.leaps = [*self.leaps, leap][-MOST_LEAPS:]

    def _come_back(self, now_ns: int, mono_ns: int) -> list[Gap]:
        """Take back what was accounted since the earliest leap that is undone."""
        undone = (leap for leap in self.leaps if leap.undone_by(now_ns, mono_ns))
        leap = next(undone, None) if self.has(now_ns) else None
        if leap is None:
            return []
        first, last = leap.from_ns + 1, self.last_ns or 0
        missed = leap.missed or {CLOCK_STEP: 0}
        words = "the clock was set back: this time had not passed"
        self._follow_withdrawn(leap.from_ns, last)
        return [Gap(cause, first, last, n, WITHDRAWN, words) for cause, n in missed.items()]

    def _follow_withdrawn(self, from_ns: int, last_ns: int) -> None:
        undone = next((leap for leap in self.leaps if leap.from_ns >= from_ns), None)
        if undone:
            self.offset_ns = undone.offset_ns
            if last_ns > undone.to_ns:
                self.used.append((undone.to_ns + 1, last_ns))
        self.leaps = [leap for leap in self.leaps if leap.from_ns < from_ns]
        self.gap, self.last_ns = None, from_ns

    def record(self, slot_ns: int) -> list[Gap]:
        """A record came: a gap that was open ends."""
        self._reach(slot_ns)
        return self.close()

    def miss_run(
        self, slots_ns: Sequence[int], cause: str, detail: str = "", garbled: bytes = b""
    ) -> list[Gap]:
        """No record came to slots in a row: a gap of that cause begins, or grows without a word."""
        if not slots_ns:
            return []
        first, last, n = slots_ns[0], slots_ns[-1], len(slots_ns)
        if self.has(last):  # it was begun before slots that are accounted for already
            return [Gap(cause, first, last, n, "closed", detail, garbled[:1024].hex())]
        self._reach(last)
        if self.gap is not None and self.gap.cause == cause:
            self.gap = replace(self.gap, last_ns=last, n=self.gap.n + n)
            return []
        ended = self.close()
        self.gap = Gap(cause, first, last, n, "open", detail, garbled[:1024].hex())
        return [*ended, self.gap]

    def close(self) -> list[Gap]:
        if self.gap is None:
            return []
        ended, self.gap = replace(self.gap, state="closed"), None
        self._count(ended)
        return [ended]

    def _count(self, ended: Gap) -> None:
        for leap in self.leaps:
            if ended.first_ns > leap.from_ns:
                leap.missed[ended.cause] = leap.missed.get(ended.cause, 0) + ended.n

    def follow(self, entry: Entry) -> None:
        """Take over what a kept entry of this source shows."""
        if entry.kind == Kind.GAP:
            self._follow_gap(Gap.of_payload(entry.payload))
        elif entry.slot_ns is not None:
            self._reach(entry.slot_ns)
            self.gap = None

    def _follow_gap(self, gap: Gap) -> None:
        if gap.state == WITHDRAWN:
            if self.has(gap.first_ns):  # one entry for each cause
                self._follow_withdrawn(gap.first_ns - 1, gap.last_ns)
            return
        new = self.gap is None or self.gap.first_ns != gap.first_ns
        if gap.state == LEAPT or (new and gap.cause in {SERVICE_OFF, CLOCK_STEP}):
            self._leap(Leap(gap.first_ns - 1, gap.last_ns, None, 0))
        if gap.state == "closed":
            self._count(gap)
        if gap.state == "open":
            self.gap = gap
        elif not new or gap.state == LEAPT:
            self.gap = None
        self._reach(gap.last_ns)

    def _reach(self, slot_ns: int) -> None:
        # A measurement may end after later slots were missed because of it.
        self.last_ns = slot_ns if self.last_ns is None else max(self.last_ns, slot_ns)
        self.used = [run for run in self.used if run[1] > self.last_ns]

    def to_json(self) -> dict[str, Any]:
        gap = self.gap and dict(sorted(asdict(self.gap).items()))
        table: dict[str, Any] = {"last_ns": self.last_ns, "gap": gap}
        if self.leaps or self.used:
            table |= {"leaps": [asdict(leap) for leap in self.leaps], "used": self.used}
        return table

    @classmethod
    def of_json(cls, source: str, table: Mapping[str, Any]) -> "SlotAccount":
        gap = table["gap"] and Gap(**table["gap"])
        leaps = [Leap(**leap) for leap in table.get("leaps", ())]
        used = [(first, last) for first, last in table.get("used", ())]
        return cls(source, table["last_ns"], gap, leaps, used)

    def service_off(self, slots_ns: Sequence[int], alive_until_ns: int) -> list[Gap]:
        """After a start: the slots since the last account, by whether the service still ran.

        While a gap was open and the service alive, the gap went on; later slots nobody served.
        """
        alive = 0
        if self.gap is not None and self.gap.cause != SERVICE_OFF:
            alive = bisect_right(slots_ns, alive_until_ns)
            self.miss_run(slots_ns[:alive], self.gap.cause)  # it grows without a word
        return self.miss_run(slots_ns[alive:], SERVICE_OFF)


def accounts_of(
    saved: Saved | None, journal: JournalReader, up_to: EntryId | None = None
) -> dict[str, SlotAccount]:
    """The accounts as they were saved, with what the journal has since, up to a place.

    Each account is saved with its own time: what was written before that, it knows.
    """
    place, tables, boot = saved or (None, {}, "")
    accounts = {path: SlotAccount.of_json(path, table) for path, table in tables.items()}
    start = EntryId(*place) if place is not None else None
    reported = journal.scan(kinds={Kind.RECORD, Kind.GAP}, start=start, on_damage=lambda _: None)
    for sequence, entry in reported:
        if up_to is not None and sequence > up_to:
            break
        if (entry.kind == Kind.GAP and not is_flood(entry)) or entry.slot_ns is not None:
            known = tables.get(entry.source)
            if known is None or entry.boot != boot or entry.mono_ns > known["mono_ns"]:
                account = accounts.setdefault(entry.source, SlotAccount(entry.source))
                account.follow(entry)
    return accounts
