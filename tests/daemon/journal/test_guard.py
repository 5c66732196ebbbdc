"""Which entry ended the service: what a mark that is found says, and what it does not."""

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon.journal.guard import (
    AGAIN,
    LIVE,
    NAME,
    PLAN,
    START,
    TRACE,
    UNSURE_ENDS,
    Aside,
    EntryGuard,
    SetAsideTable,
    WorkMark,
    judged,
    released,
    set_aside,
)

BOOT = "boot-1"


def life(
    folder: Path, *, boot: str = BOOT, first: int = 5, last: int = 5, is_killed: bool = False
) -> None:
    """One that crashes within a step over these entries, or is killed from outside."""
    guard = EntryGuard(folder, boot)
    guard.at(LIVE, first, last).__enter__()
    guard.close()
    trace = (
        b"" if is_killed else b'Fatal Python error: Segmentation fault\n\n  File "x/derive/step.py"'
    )
    (folder / TRACE).write_bytes(trace)


def test_an_entry_that_ended_two_steps_is_set_aside_and_no_neighbour_is(tmp_path: Path) -> None:
    life(tmp_path, first=1, last=9)
    assert [one[:3] for one in EntryGuard(tmp_path, BOOT).suspects] == [(LIVE, 1, 9)]
    life(tmp_path, first=4, last=4)
    guard = EntryGuard(tmp_path, BOOT)
    assert list(guard.aside) == [4]
    assert "1 to 0.9" not in guard.ended
    assert "entry 0.4" in guard.ended
    assert set_aside(tmp_path).keys() == {4}


def test_a_step_over_many_entries_blames_none_however_often_it_ends(tmp_path: Path) -> None:
    for _ in range(5):
        life(tmp_path, first=1, last=9)
    assert not EntryGuard(tmp_path, BOOT).aside


def test_kills_from_outside_blame_an_entry_only_when_they_meet_it_again_and_again(
    tmp_path: Path,
) -> None:
    """A kill may be anybody's; one that is passed without an end is no suspect any more."""
    life(tmp_path, first=1, last=9, is_killed=True)
    for n in (4, 5, 4, 6, 7, 4):
        life(tmp_path, first=n, last=n, is_killed=True)
    assert not EntryGuard(tmp_path, BOOT).aside
    for _ in range(UNSURE_ENDS - 3):
        assert not EntryGuard(tmp_path, BOOT).aside
        life(tmp_path, first=4, last=4, is_killed=True)
    guard = EntryGuard(tmp_path, BOOT)
    assert list(guard.aside) == [4]
    assert "killed" in guard.aside[4].why
    guard.passed(guard.suspects)
    for _ in range(UNSURE_ENDS - 1):
        life(tmp_path, first=5, last=5, is_killed=True)
    assert list(EntryGuard(tmp_path, BOOT).aside) == [4]


def test_a_crash_of_another_thread_is_no_entry_s(tmp_path: Path) -> None:
    for _ in range(3):
        life(tmp_path)
        (tmp_path / TRACE).write_bytes(b'Fatal Python error: Segmentation fault\n  File "mqtt.py"')
    assert not EntryGuard(tmp_path, BOOT).aside


def test_after_a_power_cut_nothing_is_known_against_an_entry(tmp_path: Path) -> None:
    """Each start of the machine has another boot id, and the mark of the last one stands."""
    for n in range(4):
        life(tmp_path, boot=f"boot-{n}")
    guard = EntryGuard(tmp_path, "boot-9")
    assert (guard.ended, guard.suspects, dict(guard.aside)) == ("", (), {})


def test_what_was_found_before_a_power_cut_stays_known(tmp_path: Path) -> None:
    life(tmp_path)
    life(tmp_path)
    assert list(EntryGuard(tmp_path, BOOT).aside) == [5]
    assert list(EntryGuard(tmp_path, "another boot").aside) == [5]


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("full"), OSError(28, "full"), KeyboardInterrupt(), None]
)
def test_a_disk_or_a_person_that_ends_a_step_blames_no_entry(
    tmp_path: Path, error: BaseException | None
) -> None:
    for _ in range(3):
        guard = EntryGuard(tmp_path, BOOT)
        with pytest.raises(type(error)) if error else guard.at(LIVE, 5, 5):
            if error:
                with guard.at(LIVE, 5, 5):
                    raise error
        guard.close()
    guard = EntryGuard(tmp_path, BOOT)
    assert (guard.ended, guard.suspects, dict(guard.aside)) == ("", (), {})


def test_a_stop_by_order_in_mid_step_blames_no_entry(tmp_path: Path) -> None:
    for _ in range(3):
        guard = EntryGuard(tmp_path, BOOT)
        guard.at(LIVE, 5, 5).__enter__()
        guard.forget()
        guard.close()
    assert not EntryGuard(tmp_path, BOOT).aside


def test_an_exception_is_judged_at_once_and_in_its_words(tmp_path: Path) -> None:
    guard = EntryGuard(tmp_path, BOOT)
    for _ in range(2):
        with pytest.raises(KeyError), guard.at(LIVE, 5, 5):
            raise KeyError("depth")
        assert "entry 0.5" in guard.failed(KeyError("depth"))
    assert "KeyError: 'depth'" in guard.aside[5].why
    assert guard.failed(KeyError("elsewhere")) == ""


def test_other_software_or_another_configuration_tries_again_once(tmp_path: Path) -> None:
    guard = EntryGuard(tmp_path, BOOT)
    guard.use_key("1")
    guard.close()
    life(tmp_path)
    life(tmp_path)
    same = EntryGuard(tmp_path, BOOT)
    same.use_key("1")
    assert list(same.aside) == [5]
    other = EntryGuard(tmp_path, BOOT)
    other.use_key("2")
    assert not other.aside
    other.close()
    life(tmp_path)  # one more end is enough
    assert list(EntryGuard(tmp_path, BOOT).aside) == [5]


def test_facts_that_are_tried_again_and_end_the_plan_are_set_aside_again() -> None:
    table = released(SetAsideTable(aside={5: Aside("why", 1, "1")}, key="1"), "2")
    again = judged(table, WorkMark(BOOT, PLAN, 0, 0), "why", 2)
    assert (list(again.aside), again.suspects) == ([5], ())
    assert judged(table, WorkMark(BOOT, START, 0, 0), "why", 2) == table


@given(st.binary(max_size=400), st.integers(0, 600))
def test_a_damaged_file_is_unknown_and_stops_nothing(data: bytes, at: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        life(folder)
        life(folder)
        EntryGuard(folder, BOOT).close()
        whole = (folder / NAME).read_bytes()
        (folder / NAME).write_bytes(whole[:at] + data + whole[at + len(data) :])
        guard = EntryGuard(folder, BOOT)
        assert set(guard.aside) <= {5}
        guard.close()


def test_a_folder_that_takes_no_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.new").mkdir()
    guard = EntryGuard(tmp_path, BOOT)
    with guard.at(LIVE, 1, 2):
        pass
    with pytest.raises(KeyError), guard.at(AGAIN, 5, 5):
        raise KeyError
    assert guard.failed(KeyError())
    assert guard.suspects


def test_what_is_kept_has_a_bound(tmp_path: Path) -> None:
    table = SetAsideTable()
    for n in range(1, 500):
        table = judged(table, WorkMark(BOOT, LIVE, 10 * n, 10 * n + 5), "x" * 600, 1)
    assert len(table.suspects) <= 64


def test_a_mark_costs_little(tmp_path: Path) -> None:
    """Two writes to a file that is open: no more than that, and no sync."""
    guard = EntryGuard(tmp_path, BOOT)
    calls: list[str] = []
    real = os.pwrite

    def counted(*words: object) -> int:
        calls.append("pwrite")
        return real(*words)  # type: ignore[arg-type]

    os.pwrite = counted
    try:
        with guard.at(LIVE, 1, 4000):
            pass
    finally:
        os.pwrite = real
    assert calls == ["pwrite", "pwrite"]
