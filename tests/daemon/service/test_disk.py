"""Free space: its forecast, what is a problem, and the reserve."""

from pathlib import Path

import pytest

from edaphon.service.disk import PLENTY_BYTES, Disk, Room, Sample, days_left
from edaphon.service.status import kept_state

DAY_NS = 86_400 * 10**9
GB, TOTAL = 10**9, 16 * 10**9


def falling(days: int, per_day: int, free: int = 10 * GB) -> list[Sample]:
    return [(day * DAY_NS, free - day * per_day) for day in range(days)]


def room(free: int, days: float | None = None, reserve: int = 32 << 20, full: bool = False) -> Room:
    return Room(free, TOTAL, days, reserve, full)


def test_days_are_those_of_the_rate_of_the_last_samples():
    assert days_left(falling(11, GB // 10)) == pytest.approx(90)


def test_one_file_that_is_copied_there_moves_no_forecast():
    samples = falling(11, GB // 10)
    copied = [(at, free - 3 * GB * (k > 8)) for k, (at, free) in enumerate(samples)]
    assert days_left(copied) == pytest.approx(60, rel=0.02)


def test_nothing_is_foretold_from_too_little_or_where_space_does_not_shrink():
    assert days_left([]) is None
    assert days_left([(0, 10 * GB), (DAY_NS // 2, 9 * GB)]) is None
    assert days_left(falling(5, 0)) is None


def test_a_problem_is_less_than_14_days_or_less_than_8_percent():
    assert room(3 * GB, 41.0).problems() == []
    assert "13 days left" in room(3 * GB, 13.0).problems()[0]
    assert "below 8%" in room(TOTAL * 7 // 100).problems()[0]
    assert "nothing is kept" in room(0, full=True).problems()[0]
    assert "the reserve is given up" in room(GB, reserve=0).problems()[0]
    assert "41 days left at this rate" in room(3 * GB, 41.0).text
    assert "getting full" in room(TOTAL * 14 // 100).text
    assert "getting full" not in room(TOTAL * 16 // 100).text


def test_a_share_of_a_large_disk_that_has_plenty_is_no_problem():
    large = Room(PLENTY_BYTES + 1, 1000 * GB, None, 32 << 20, False)
    assert large.problems() == []


def test_the_reserve_takes_its_room_is_given_up_once_and_made_again(tmp_path: Path):
    disk = Disk(tmp_path)
    disk.prepare()
    size = disk.room(0).reserve_bytes
    parts = list((tmp_path / "reserve").iterdir())
    assert size == 32 << 20
    assert sum(part.stat().st_blocks * 512 for part in parts) >= size
    assert disk.give_up()
    assert not disk.give_up()
    disk.make_reserve()
    assert disk.room(0).reserve_bytes == size


def test_samples_are_six_hours_apart_and_forget_a_time_that_never_was(tmp_path: Path):
    disk = Disk(tmp_path)
    assert disk.sample(10 * DAY_NS)
    assert not disk.sample(10 * DAY_NS + DAY_NS // 8)
    assert disk.sample(100 * DAY_NS)
    assert not disk.sample(10 * DAY_NS + DAY_NS // 8)  # the clock came back
    assert disk.sample(11 * DAY_NS)


def test_a_source_is_not_called_silent_while_its_records_can_not_be_kept():
    assert kept_state("silent", is_failing=False) == ("silent", "")
    assert kept_state("ok", is_failing=True) == ("ok", "")
    for state in ("silent", "never"):
        shown, detail = kept_state(state, is_failing=True)
        assert shown == "late"
        assert "wait in memory" in detail
