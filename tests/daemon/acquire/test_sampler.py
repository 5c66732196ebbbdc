"""The sampler with a bus that answers by script: records, gaps, overload, identities."""

import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest
from tests.instants import Instants

from edaphon.acquire.budget import ROW_BYTES
from edaphon.acquire.bus import AlreadyTalking, Finished
from edaphon.acquire.sampler import Sampler, Scheduled, _Source
from edaphon.acquire.slots import Gap, SlotAccount, Timekeeper
from edaphon.journal import Journal, Kind, Purpose
from edaphon_drivers.faults import NoAnswer
from edaphon_drivers.readings import Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.talk import Ask

ANSWER = (Turn(0, True, b"aM!"), Turn(9, False, b"a0013\r\n"))


class JumpingClock:
    """Virtual time that is always where somebody waits for it."""

    def __init__(self, wall_ns: int, steps=()) -> None:
        self.offset_ns, self.now_ns = wall_ns, 0
        self.steps = list(steps)  # (monotonic time, step of the wall clock)

    def wall_ns(self) -> int:
        return self.now_ns + self.offset_ns

    def mono_ns(self) -> int:
        return self.now_ns

    def wait_until(self, mono_ns: int, stop: threading.Event) -> bool:
        self.now_ns = max(self.now_ns, mono_ns)
        if self.steps and self.now_ns >= self.steps[0][0]:
            self.offset_ns += self.steps.pop(0)[1]
        return stop.is_set()


class ScriptedBus:
    """Ends each talk at once, as `fates` say; None is an answer, a fault is what went wrong."""

    def __init__(self, fates) -> None:
        self.fates, self.commands = list(fates), []

    def submit(self, address, talk, deadline_s, on_end) -> None:
        step = next(talk)
        assert isinstance(step, Ask)
        self.commands.append(step.send)
        if step.send.endswith(b"I!"):
            on_end(
                Finished(address, (Turn(0, True, step.send), Turn(1, False, b"a13..\r\n")), None)
            )
            return
        fate = self.fates.pop(0)
        if fate == "busy":
            raise AlreadyTalking("still talking")
        on_end(Finished(address, ANSWER, fate))


@pytest.fixture
def journal(tmp_path: Path):
    with Journal(tmp_path, JumpingClock(0)) as journal:
        yield journal


def sample(
    journal,
    fates,
    slots,
    account=None,
    alive_until=0,
    start_ns=1000,
    steps=(),
    takes=None,
    begin=None,
):
    clock = JumpingClock(start_ns, steps)
    bus = ScriptedBus(fates)
    source = Scheduled("sdi12/a", "a", load_sheet("meter.teros12"), Instants(slots), 5.0)
    accounts = {"sdi12/a": account} if account else {}
    own = {"takes": takes} if takes else {}
    sampler = Sampler(bus, [source], accounts, journal, Timekeeper(clock, "boot"), **own)
    sampler.account_for_absence(alive_until)
    if begin is not None:
        begin(sampler)
    stop = threading.Event()
    thread = threading.Thread(target=sampler.run, args=(stop,))
    thread.start()
    until = time.monotonic() + 10
    while bus.fates and time.monotonic() < until:
        time.sleep(0.005)
    stop.set()
    thread.join()
    journal.append_now(Timekeeper(clock, "boot").entry(Kind.NOTE, "", b""))
    return sampler, bus, [e for _, e in journal.scan()]


def of_kind(entries, kind):
    return [e for e in entries if e.kind == kind]


def test_each_slot_has_its_record_with_the_whole_exchange(journal):
    _, _, entries = sample(journal, [None, None], [2000, 3000])
    records = of_kind(entries, Kind.RECORD)
    assert [e.slot_ns for e in records] == [2000, 3000]
    assert unpack_exchange(records[0].payload) == ANSWER
    assert {e.purpose for e in records} == {Purpose.ROUTINE}


def test_an_instrument_that_answers_with_too_many_bytes_misses_its_slots(journal):
    asked = []

    def takes(path, size):
        asked.append((path, size))
        return len(asked) == 1

    _, _, entries = sample(journal, 3 * [None], [2000, 3000, 4000], takes=takes)
    assert [e.slot_ns for e in of_kind(entries, Kind.RECORD)] == [2000]
    (gap,) = [Gap.of_payload(e.payload) for e in of_kind(entries, Kind.GAP)]
    packed = pack_exchange(ANSWER)
    assert asked == 3 * [("sdi12/a", len(packed) + ROW_BYTES)]
    assert (gap.cause, gap.first_ns) == ("above budget", 3000)
    assert f"{len(packed)} bytes" in gap.detail
    assert gap.detail.endswith(sha256(packed).hexdigest())


def test_the_probe_is_asked_who_it_is_once_at_the_start_and_after_silence(journal):
    fates = [None, None, NoAnswer("data"), None]
    _, bus, entries = sample(journal, fates, [2000, 3000, 4000, 5000])
    assert bus.commands.count(b"aI!") == 2
    assert len(of_kind(entries, Kind.IDENTITY)) == 2


def test_the_daily_job_has_it_asked_again_after_its_next_record(journal):
    made, asked = [], []

    def takes(path, size):
        asked.append(path)
        if len(asked) == 3:
            made[0].identify_again()
        return True

    slots = [2000, 3000, 4000, 5000]
    _, bus, entries = sample(journal, 4 * [None], slots, takes=takes, begin=made.append)
    assert bus.commands.count(b"aI!") == 2
    assert len(of_kind(entries, Kind.IDENTITY)) == 2


def test_silence_is_one_gap_run_with_its_cause(journal):
    fates = [None, NoAnswer("data"), NoAnswer("data"), None]
    _, _, entries = sample(journal, fates, [2000, 3000, 4000, 5000])
    gaps = [Gap.of_payload(e.payload) for e in of_kind(entries, Kind.GAP)]
    assert [(g.state, g.cause, g.first_ns, g.n) for g in gaps] == [
        ("open", "no answer", 3000, 1),
        ("closed", "no answer", 3000, 2),
    ]


def test_a_measurement_that_still_runs_makes_the_slot_an_overload(journal):
    _, _, entries = sample(journal, [None, "busy", None], [2000, 3000, 4000])
    gaps = [Gap.of_payload(e.payload) for e in of_kind(entries, Kind.GAP)]
    assert {g.cause for g in gaps} == {"overload"}
    assert [e.slot_ns for e in of_kind(entries, Kind.RECORD)] == [2000, 4000]


def test_slots_that_passed_before_the_start_are_a_gap_of_the_service(journal):
    account = SlotAccount("sdi12/a", 1000)
    _, _, entries = sample(
        journal, [None], [1000, 2000, 3000, 4000], account, alive_until=1500, start_ns=3500
    )
    gaps = [Gap.of_payload(e.payload) for e in of_kind(entries, Kind.GAP)]
    assert [(g.state, g.cause, g.n) for g in gaps] == [
        ("open", "service off", 2),
        ("closed", "service off", 2),
    ]


def test_a_reading_beside_the_schedule_is_kept_with_its_purpose_and_no_slot(journal):
    sampler, bus, _ = sample(journal, [None], [2000])
    bus.fates = [None]
    received = []
    sampler.read_now("sdi12/a", Purpose.TEST, lambda turns, fault: received.append((turns, fault)))
    journal.append_now(Timekeeper(JumpingClock(0), "boot").entry(Kind.NOTE, "", b""))
    assert received == [(ANSWER, None)]
    (test,) = [e for _, e in journal.scan() if e.purpose == Purpose.TEST]
    assert test.slot_ns is None


SECOND = 10**9


def on_seconds(*seconds):
    return [s * SECOND for s in seconds]


def test_of_the_slots_that_a_step_leaps_over_those_are_missed_whose_time_passed(journal):
    slots = on_seconds(11, 12, 13, 14, 15, 16)
    sampler, _, entries = sample(
        journal, [None, None], slots, start_ns=10 * SECOND, steps=[(2 * SECOND, 3 * SECOND)]
    )
    gaps = [Gap.of_payload(e.payload) for e in of_kind(entries, Kind.GAP)]
    assert [(g.state, g.cause, g.n) for g in gaps] == [
        ("open", "clock step", 1),
        ("closed", "clock step", 1),
        ("leapt", "clock step", 3),
    ]
    assert [e.slot_ns for e in of_kind(entries, Kind.RECORD)] == on_seconds(11, 16)
    assert sampler.accounts["sdi12/a"].last_ns == 16 * SECOND


def test_a_slot_that_comes_again_after_a_step_back_is_recorded_without_its_name(journal):
    slots = on_seconds(11, 12, 13, 14)
    sampler, _, entries = sample(
        journal, [None] * 5, slots, start_ns=10 * SECOND, steps=[(3 * SECOND, -2 * SECOND)]
    )
    found = [e.slot_ns for e in of_kind(entries, Kind.RECORD)]
    assert found == [11 * SECOND, 12 * SECOND, None, 13 * SECOND, 14 * SECOND]
    assert of_kind(entries, Kind.GAP) == []
    assert sampler.accounts["sdi12/a"].last_ns == 14 * SECOND


def jumped(journal, bus, slots):
    """A sampler with its clock, and what sets the clock by seconds."""
    clock = JumpingClock(10 * SECOND)
    keeper = Timekeeper(clock, "boot")
    source = Scheduled("sdi12/a", "a", load_sheet("meter.teros12"), Instants(slots), 5.0)
    account = SlotAccount("sdi12/a", 9 * SECOND)
    sampler = Sampler(bus, [source], {"sdi12/a": account}, journal, keeper)
    sampler.account_for_absence(0)

    def begin(slot_s: int) -> None:
        clock.now_ns = max(clock.now_ns, slot_s * SECOND - clock.offset_ns)
        sampler._begin(sampler._sources[0], slot_s * SECOND)

    def step(seconds: int) -> None:
        clock.offset_ns += seconds * SECOND
        keeper.follow_step()
        sampler._realign()

    return sampler, begin, step


def test_a_clock_that_jumps_for_a_moment_leaves_the_slots_as_they_would_have_been(journal):
    slots = on_seconds(*range(11, 20), *range(1000, 1020))
    sampler, begin, step = jumped(journal, ScriptedBus([None] * 4), slots)
    account = sampler.accounts["sdi12/a"]
    begin(11)
    step(990)
    begin(1002)
    step(-990)
    assert account.last_ns == 12 * SECOND
    begin(13)
    begin(14)
    journal.append_now(Timekeeper(JumpingClock(0), "boot").entry(Kind.NOTE, "", b""))
    entries = [e for _, e in journal.scan()]
    gaps = [Gap.of_payload(e.payload) for e in of_kind(entries, Kind.GAP)]
    assert [(g.first_ns, g.n) for g in gaps if g.state == "closed"] == [(12 * SECOND, 1)]
    assert [g.state for g in gaps].count("withdrawn") == 1
    assert [e.slot_ns for e in of_kind(entries, Kind.RECORD)] == on_seconds(11, 1002, 13, 14)


def test_a_measurement_that_ends_after_its_slot_was_withdrawn_has_no_slot(journal):
    begun = []
    bus = ScriptedBus([])
    bus.submit = lambda place, talk, deadline_s, on_end: begun.append(on_end)
    sampler, begin, step = jumped(journal, bus, on_seconds(11, 12, 13, 1001, 1002))
    begin(11)
    step(990)
    begin(1002)
    step(-990)
    begun[0](Finished("a", ANSWER, None))
    begun[1](Finished("a", ANSWER, None))
    assert sampler.accounts["sdi12/a"].last_ns < 1000 * SECOND
    journal.append_now(Timekeeper(JumpingClock(0), "boot").entry(Kind.NOTE, "", b""))
    assert [e.slot_ns for _, e in journal.scan() if e.kind == Kind.RECORD] == [11 * SECOND, None]


def test_a_silent_probe_is_reported_in_an_hour_that_comes_again(journal):
    clock, states = JumpingClock(10 * SECOND), []
    source = Scheduled(
        "sdi12/a", "a", load_sheet("meter.teros12"), Instants(on_seconds(11, 12)), 5.0
    )
    account = SlotAccount("sdi12/a", 100 * SECOND)
    bus = ScriptedBus([NoAnswer("data"), None])
    sampler = Sampler(
        bus,
        [source],
        {"sdi12/a": account},
        journal,
        Timekeeper(clock, "boot"),
        lambda path, what: states.append(what is None),
    )
    for slot in (11, 12):
        sampler._begin(sampler._sources[0], slot * SECOND)
    assert states == [False, True]


@pytest.mark.parametrize(("came", "commands"), [(b"", 1), (b"a0013\r\na\r\n", 2)])
def test_after_silence_one_try_is_enough_until_anything_is_heard(came, commands):
    scheduled = Scheduled("sdi12/a", "a", load_sheet("meter.teros12"), Instants([]), 5.0)
    source = _Source(scheduled, SlotAccount("sdi12/a"), 0)
    talk = source.measurement(scheduled.asking, silent=True)
    step, asked, faults = next(talk), 0, []
    while asked < 2 and not faults:
        asked += isinstance(step, Ask)
        try:
            step = talk.send(came if isinstance(step, Ask) else b"")
        except NoAnswer as fault:
            faults.append(fault)
    assert (asked, len(faults)) == (commands, 2 - commands)
