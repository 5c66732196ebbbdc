"""What is derived again from the series' own readings is what the journal gives, bit for bit."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import EnteredFacts, Life, MemoryJournal, folders, reported
from tests.daemon.derive.test_pipeline import EXAMPLES, FIRST, channel, fact, instant, spans

from edaphon.derive import rederive as deriver_module

PRIMARY = [FIRST[0], FIRST[1], FIRST[2], FIRST[3], FIRST[4]]


def calibration(name: str, of: str, number: int, **span: Any) -> dict[str, Any]:
    keys = {"channel": of, "curve": "polynomial", "to_unit": "degC", **span}
    return fact("calibration", name, parameters={"c0": number / 8, "c1": 1.25}, **keys)


def readings(stream: EnteredFacts, numbers: list[float | None], first: int = 0) -> None:
    """One a minute for each of two nodes, in the order of their times."""
    for at, number in enumerate(numbers, first):
        stream.hear("ab"[at % 2], number, 1, True)


def started() -> EnteredFacts:
    stream = EnteredFacts()
    stream.configure(0)
    for table in PRIMARY:
        stream.learn(table)
    stream.know_clock()
    return stream


@pytest.fixture
def without_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is not read a second time."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the journal is read")

    monkeypatch.setattr(deriver_module, "Replay", refuse)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that much can happen between two of them."""
    monkeypatch.setattr(deriver_module, "ROWS_FOR_ENTRY", 2)


@st.composite
def corrections(draw: st.DrawFn) -> dict[str, Any]:
    """What leaves the readings as they are: calibrations, marks, limits, and taking those back."""
    number, place = draw(st.integers(1, 6)), draw(st.sampled_from(["c1", "c2"]))
    match draw(st.sampled_from(["calibration", "calibration", "mark", "channel", "revocation"])):
        case "calibration":
            return calibration(f"k{number}", place, number, **draw(spans()))
        case "mark":
            keys = {"channels": [place], "cause": "visit", "who": "me", "flag": 4}
            return fact("mark", f"m{number}", **keys, **draw(spans()))
        case "channel":
            return channel(place, 5 if place == "c1" else 10, draw(st.integers(0, 2)), again=True)
        case _:
            of = draw(st.sampled_from([f"k{number}", f"m{number}"]))
            return fact("revocation", f"r{number}", of=of, why="it was wrong")


NUMBERS = st.sampled_from([10.0, 10.5, 11.0, 9.0, 30.0, -127.0, 60.0, None])


@pytest.mark.usefixtures("without_journal")
@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.tuples(st.lists(NUMBERS, min_size=1, max_size=9), corrections()), min_size=1),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, None, True, False])), max_size=20),
)
def test_readings_of_the_series_give_what_the_journal_gives(
    told_by_and_by: list[tuple[list[float | None], dict[str, Any]]],
    lives: list[tuple[int, bool | None]],
) -> None:
    """Whether killed between two slices, taught in the middle of one, or left in peace."""
    stream = started()
    for numbers, table in told_by_and_by:
        readings(stream, numbers, len(stream.entries))
        stream.learn(table)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        life = Life(folder, journal)
        for turns, ending in lives:
            journal.shown = min(journal.shown + 4, len(stream.entries))
            for _ in range(3 * turns):  # all that was entered, and some slices
                life.turn(1)
            life.deliver(2, 5)
            if ending is not None:
                life.restart(flushed=ending)
        journal.shown = len(stream.entries)
        life.settle(1)
        life.deliver()
        assert life.reported() == reported(folder / "whole", stream.entries)
        assert life.sink.points == life.rows()
        life.close()


def days_of_readings(days: int) -> EnteredFacts:
    """A reading each hour."""
    stream = started()
    for at in range(24 * days):
        stream.hear("a", 10.0 + at % 3, 60, True)
    return stream


@pytest.mark.usefixtures("without_journal")
def test_a_kill_between_two_slices_costs_the_slice_alone() -> None:
    stream = days_of_readings(20)
    before = len(stream.entries)
    stream.learn(calibration("k", "c1", 4))
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        life = Life(folder, journal)
        journal.shown = before
        life.settle()
        life.flush()
        journal.shown = len(stream.entries)
        for _ in range(80):
            life.turn(1)
        done = life.deriver.differing
        assert 0 < done < 24 * 20
        life.restart(flushed=False)
        life.settle(1)
        assert life.deriver.differing == 24 * 20 - done
        assert life.reported() == reported(folder / "whole", stream.entries)
        life.close()


@pytest.mark.usefixtures("without_journal")
def test_live_readings_go_on_while_the_past_is_derived_again() -> None:
    stream = days_of_readings(10)
    before = len(stream.entries)
    stream.learn(calibration("k", "c1", 4))
    for at in range(30):
        stream.hear("a", 10.0 + at % 3, 60, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        life = Life(folder, journal)
        journal.shown = before
        life.settle()
        while journal.shown < len(stream.entries):
            journal.shown += 1
            life.turn(1)
            latest = life.series.latest("c1")
            assert latest is not None
            assert life.deriver.position.n == journal.shown
        life.settle(1)
        assert life.reported() == reported(folder / "whole", stream.entries)
        life.close()


@pytest.mark.usefixtures("without_journal")
def test_a_channel_derived_again_twice_is_byte_identical() -> None:
    stream = days_of_readings(5)
    stream.learn(calibration("k", "c1", 4, from_=instant(900)))
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = Life(folder, journal)
        life.settle()
        first, change = life.reported(), life.series.change
        life.deriver.recalibrate({"c1": [deriver_module.ALWAYS]})
        life.settle(1)
        assert (life.reported(), life.deriver.differing) == (first, life.deriver.differing)
        assert life.series.change == change, "nothing differed, so no sink hears of it"
        life.close()


def test_ranges_beyond_64_bits_that_an_earlier_version_wrote_are_not_begun_again() -> None:
    stream = days_of_readings(2)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = Life(folder, journal)
        life.settle()
        before = life.reported()
        life.deriver._pending = {"c1": [(2**64 - 1, 2**62)], "c2": [(0, 2**63)]}
        life.restart(flushed=True)
        assert life.deriver.pending == []
        life.settle()
        assert life.reported() == before
        life.close()


@pytest.mark.parametrize("later", [0, -3])
@pytest.mark.parametrize("span", [{}, {"from": instant(24 * 60)}, {"to": instant(24 * 60)}])
def test_readings_that_came_late_are_taken_from_the_journal(
    later: int, span: dict[str, Any]
) -> None:
    """The order in which they came is not in the series."""
    stream = days_of_readings(2)
    stream.hear("a", 20.0, later, True)
    stream.hear("a", 11.0, 60, True)
    stream.learn(calibration("k", "c1", 4, **span))
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        life = Life(folder, journal)
        for shown in range(len(stream.entries) + 1):
            journal.shown = shown
            life.turn(1)
        life.settle(1)
        assert life.reported() == reported(folder / "whole", stream.entries)
        life.close()


@pytest.mark.usefixtures("without_journal")
def test_what_comes_next_is_judged_beside_what_was_derived_again() -> None:
    stream = days_of_readings(1)
    stream.learn(calibration("k", "c1", 4))
    before = len(stream.entries)
    for number in [30.0, 11.0, 10.0]:
        stream.hear("a", number, 60, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = before
        life = Life(folder, journal)
        life.settle(1)
        journal.shown = len(stream.entries)
        life.settle(1)
        assert life.reported() == reported(folder / "whole", stream.entries)
        (*_, spike, _, _) = [flag for run in life.series.read("c1", 0, 2**62) for flag in run.flag]
        assert spike == 3, "a spike stands out from the reading before it too"
        life.close()


def test_a_reading_that_comes_behind_the_place_of_the_work_is_not_passed_over() -> None:
    stream = days_of_readings(3)
    stream.learn(channel("c1", 5, 2, again=True))
    stream.learn(calibration("k", "c1", 4))
    before = len(stream.entries)
    stream.hear("a", 40.0, -60 * 60 + 30, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = before
        life = Life(folder, journal)
        for _ in range(before + 30):
            life.turn(1)
        assert 12 < life.deriver.differing < 72, "the work has passed that time, and goes on"
        journal.shown = len(stream.entries)
        life.settle(1)
        assert life.reported() == reported(folder / "whole", stream.entries)
        life.close()


@pytest.mark.usefixtures("without_journal")
def test_a_live_reading_that_judges_the_one_before_it_leaves_the_work_going() -> None:
    """A mark leaves what the line remembers, so the reading behind is revised while it is."""
    stream = started()
    stream.learn(channel("c1", 5, 2, again=True))
    for at in range(6):
        stream.hear("a", 40.0 if at == 5 else 10.0, 60, True)
    before = len(stream.entries)
    stream.learn(fact("mark", "m", channels=["c1"], cause="visit", who="me", flag=3))
    stream.hear("a", 10.0, 60, True)
    for split in range(12):
        with folders() as folder:
            journal = MemoryJournal(stream.entries)
            journal.shown = before
            life = Life(folder, journal)
            life.settle(1)
            journal.shown = before + 1
            for _ in range(split):
                life.turn(1)
            journal.shown = len(stream.entries)
            life.settle(1)
            assert life.reported() == reported(folder / "whole", stream.entries)
            life.close()
