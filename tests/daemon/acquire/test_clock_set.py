"""Accounts of slots under a clock that is set: exact, bounded by time that passed, taken back."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon.acquire.slots import LEAPT, WITHDRAWN, Gap, Grid, SlotAccount
from edaphon.derive.decode import Sources
from edaphon.derive.pipeline import Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import PipelineState
from edaphon.explain.build import Absent, gap_at
from edaphon.journal import Entry, EntryId, Kind
from edaphon.service.audit import EntryAccount, SlotBook

SECOND = 10**9
EACH = 60 * SECOND
HOUR, DAY, WEEK = 3600 * SECOND, 86400 * SECOND, 7 * 86400 * SECOND
TRUE = 1_795_000_020 * SECOND
GRID = Grid(EACH)


class Life:
    """A source asked each minute of monotonic time, with the clock off by `wrong_ns`."""

    def __init__(self, account=None, start_ns=TRUE) -> None:
        self.account = account or SlotAccount("sdi12/a")
        self.start_ns, self.mono_ns, self.wrong_ns = start_ns, 0, 0
        self.entries: list[Entry] = []

    @property
    def now_ns(self) -> int:
        return self.start_ns + self.mono_ns + self.wrong_ns

    def journal(self, gaps) -> None:
        for gap in gaps:
            self.entries.append(Entry(Kind.GAP, 0, 0, "boot", "sdi12/a", gap.payload()))

    def anchor(self) -> None:
        if not self.account.has(self.now_ns):
            self.account.offset_ns = self.now_ns - self.mono_ns

    def begin(self, wrong_ns=0) -> None:
        self.wrong_ns = wrong_ns
        self.journal(self.account.begin_life(GRID, self.now_ns, self.mono_ns, 0))
        self.anchor()

    def minutes(self, n, cause="") -> None:
        for _ in range(n):
            self.mono_ns += EACH
            slot = self.now_ns // EACH * EACH
            if self.account.has(slot):
                slot = None
            else:
                self.anchor()
                if self.account.was_used(slot):
                    self.journal(self.account.miss_run((slot,), "clock step"))
                    slot = None
            if slot is not None and cause:
                self.journal(self.account.miss_run((slot,), cause))
            if not cause:
                self.journal(self.account.record(slot) if slot is not None else [])
                self.entries.append(Entry(Kind.RECORD, 0, 0, "boot", "sdi12/a", b"", slot))

    def set_clock(self, wrong_ns) -> None:
        self.wrong_ns = wrong_ns
        begun = self.account.last_ns
        self.journal(self.account.clock_set(GRID, self.now_ns, self.mono_ns, begun))
        self.anchor()

    def book(self):
        account = EntryAccount()
        for entry in self.entries:
            account.take(entry, True)
        return account.books["sdi12/a"].reported(self.account.gap, EACH)

    @property
    def gaps(self) -> list[Gap]:
        return [Gap.of_payload(e.payload) for e in self.entries if e.kind == Kind.GAP]


def closes(life: Life) -> dict:
    book = life.book()
    assert book.closes, (book, life.gaps)
    assert book.expected == book.records + book.in_gaps
    return book


STEPS = {
    "+90 d": 90 * DAY,
    "-1 d": -DAY,
    "+1 h": HOUR,
    "GPS week rollover": -1024 * WEEK,
    "to 1970": -TRUE,
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("away", [0, 1, 30])
@pytest.mark.parametrize("cause", ["", "no answer"])
def test_a_clock_that_jumps_and_comes_back_leaves_no_more_missed_slots_than_minutes(
    step, away, cause
):
    life = Life()
    life.minutes(10)
    life.set_clock(step)
    life.minutes(away, cause)
    closes(life)
    life.set_clock(0)
    life.minutes(10)
    book = closes(life)
    assert book.in_gaps <= away + 1
    assert book.leapt <= 2
    assert life.account.last_ns == life.now_ns // EACH * EACH
    assert book.expected == 20 + away


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_clock_that_stays_set_is_never_more_missed_slots_than_time_passed(step):
    life = Life()
    life.minutes(10)
    life.set_clock(step)
    life.minutes(30)
    assert closes(life).in_gaps <= 1


def test_after_ninety_days_for_seconds_a_silent_probe_is_a_gap_at_once():
    life = Life()
    life.minutes(10)
    life.set_clock(90 * DAY)
    life.minutes(1)
    life.set_clock(0)
    life.minutes(3, "no answer")
    assert life.account.gap is not None
    assert (life.account.gap.cause, life.account.gap.n) == ("no answer", 3)


def test_a_day_that_comes_again_at_a_slot_of_a_false_time_does_not_take_its_name_twice():
    life = Life()
    life.minutes(3)
    life.set_clock(20 * EACH)
    life.minutes(2)
    life.set_clock(0)
    life.minutes(40)
    closes(life)
    slots = [e.slot_ns for e in life.entries if e.kind == Kind.RECORD and e.slot_ns is not None]
    assert len(slots) == len(set(slots))


def test_a_station_that_boots_in_1970_and_never_recorded_has_missed_nothing():
    life = Life(start_ns=0)
    life.begin()
    life.minutes(5)
    life.set_clock(TRUE)
    life.minutes(5)
    book = closes(life)
    assert (book.records, book.in_gaps) == (10, 0)
    assert book.leapt > 10**7


def test_a_station_that_boots_in_1970_after_years_of_work_declares_the_time_it_was_off():
    before = Life()
    before.minutes(5)
    life = Life(before.account, TRUE + 5 * EACH + DAY)
    life.entries = before.entries
    life.begin(wrong_ns=-TRUE)
    life.minutes(5)
    life.set_clock(0)
    life.minutes(5)
    book = closes(life)
    assert (book.records, book.leapt) == (10, 0)
    assert book.in_gaps == DAY // EACH + 5


def test_a_bad_clock_at_the_boot_is_taken_back_when_the_time_becomes_known():
    before = Life()
    before.minutes(5)
    life = Life(before.account, TRUE + 10 * EACH)
    life.entries = before.entries
    life.begin(wrong_ns=90 * DAY)
    life.minutes(3)
    life.set_clock(0)
    life.minutes(3)
    book = closes(life)
    assert (book.in_gaps, book.records) == (8, 8)
    assert life.account.last_ns == TRUE + 16 * EACH


@pytest.mark.parametrize("restart", [False, True])
def test_a_kill_in_the_false_time_changes_nothing(restart):
    life = Life()
    life.minutes(5)
    life.set_clock(90 * DAY)
    life.minutes(3)
    if restart:
        life.begin(90 * DAY)
    reported = SlotAccount("sdi12/a")
    for entry in life.entries:
        reported.follow(entry)
    life.account = SlotAccount.of_json("sdi12/a", reported.to_json())
    life.begin(0)
    life.minutes(3)
    book = closes(life)
    assert book.in_gaps + book.records == 11
    assert life.account.last_ns == life.now_ns // EACH * EACH


def test_what_was_missed_in_a_time_that_never_was_is_subtracted_by_cause():
    life = Life()
    life.minutes(5)
    life.set_clock(90 * DAY)
    life.minutes(3, "no answer")
    life.minutes(1)
    life.set_clock(0)
    (taken_back,) = [g for g in life.gaps if g.state == WITHDRAWN]
    assert (taken_back.cause, taken_back.n) == ("no answer", 3)
    assert [g.n for g in life.gaps if g.state == LEAPT] == [90 * DAY // EACH]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, *STEPS.values(), 7 * EACH, -7 * EACH, 500 * DAY]),
            st.integers(0, 5),
            st.sampled_from(["", "no answer", "garbled"]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_the_book_closes_whatever_the_clock_does(acts):
    life = Life()
    life.minutes(2)
    for wrong, minutes, cause, restart in acts:
        if restart:
            reported = SlotAccount("sdi12/a")
            for entry in life.entries:
                reported.follow(entry)
            life.account = reported
            life.begin(wrong)
        else:
            life.set_clock(wrong)
        life.minutes(minutes, cause)
        closes(life)


@pytest.mark.parametrize(("running", "closes_so"), [(True, True), (False, False)])
def test_a_slot_that_is_being_measured_is_no_open_ledger_while_the_service_runs(running, closes_so):
    book = SlotBook()
    for slot in (1, 2):
        book.records.append(slot * EACH)
    overload = Gap("overload", 4 * EACH, 5 * EACH, 2)  # slot 3 is being measured
    assert book.reported(overload, EACH, running).closes is closes_so
    book.records.append(6 * EACH)
    assert not book.reported(overload, EACH, running).closes


def test_what_is_withdrawn_goes_from_its_first_slot_on() -> None:
    book = SlotBook()
    book.records.extend([1, 2, 3])
    for first, state in ((1, "closed"), (3, "closed"), (2, "leapt"), (4, "leapt")):
        book.take_gap({"first_ns": first, "last_ns": first, "n": 1, "state": state})
    book.take_gap({"first_ns": 2, "last_ns": 9, "n": 3, "state": "withdrawn"})
    assert book.records.tolist() == [1]
    assert (book.gaps, book.leaps) == ([(1, 1, 1)], [])


def taken_back() -> Life:
    """Three slots missed in a time that never was, closed, then withdrawn."""
    life = Life()
    life.minutes(5)
    life.set_clock(90 * DAY)
    life.minutes(3, "no answer")
    life.minutes(1)
    life.set_clock(0)
    life.minutes(1)
    return life


def test_what_is_withdrawn_does_not_count_in_the_sums_by_cause():
    line = Pipeline(PipelineState(), Plan(), Sources(), lambda _: ())
    gaps = [e for e in taken_back().entries if e.kind == Kind.GAP]
    line.step([(EntryId(1, n), entry) for n, entry in enumerate(gaps, 1)])
    assert line.state.gaps.get("no answer") == 0


@pytest.mark.parametrize(("withdrawn", "found"), [(False, True), (True, False)])
def test_explain_names_no_gap_that_was_withdrawn(withdrawn, found):
    gaps = [e for e in taken_back().entries if e.kind == Kind.GAP]
    if not withdrawn:
        gaps = [e for e in gaps if Gap.of_payload(e.payload).state != WITHDRAWN]
    deployed = SimpleNamespace(channel="c", source="sdi12/a", covers=lambda _: True)
    knowledge = SimpleNamespace(deployments_at=lambda channel, time_ns: (deployed,))
    placed = tuple((EntryId(1, n), entry) for n, entry in enumerate(gaps, 1))
    history = SimpleNamespace(gaps=placed, knowledge=knowledge)
    absent = Absent("c", TRUE + 90 * DAY + 7 * EACH, EACH)
    assert bool(gap_at(history, absent)) is found


def test_a_source_without_a_slot_yet_has_nothing_to_account_for_when_the_clock_is_set():
    account = SlotAccount("sdi12/a")
    assert account.clock_set(GRID, TRUE, 0) == account.clock_set(GRID, TRUE - DAY, EACH) == []
    assert (account.last_ns, account.gap) == (None, None)
    account.record(TRUE)
    for now in (TRUE, TRUE - EACH, TRUE - DAY):
        assert account.clock_set(GRID, now, 2 * EACH) == []
