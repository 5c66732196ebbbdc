"""A clock that is wrong shows by the times that a source gives against those of their receipt."""

import pytest

from edaphon.service.look import SourceClocks

TEN_NS, SECOND_NS, HOUR_NS = 600 * 10**9, 10**9, 3600 * 10**9
START_NS = 1_800_000_000 * SECOND_NS


class Logger:
    """It sends a row each ten minutes, 20 s after its time."""

    def __init__(self) -> None:
        self.clocks, self.row = SourceClocks(), 0

    def send(self, rows: int, ahead_ns: int = 0, late_ns: int = 0) -> int | None:
        found = None
        for _ in range(rows):
            self.row += 1
            time_ns = START_NS + self.row * TEN_NS
            now_ns = time_ns + 20 * SECOND_NS + late_ns
            found = self.clocks.look("a", time_ns + ahead_ns, now_ns, TEN_NS)
        return found


@pytest.mark.parametrize("ahead_ns", [HOUR_NS, -HOUR_NS, 26 * HOUR_NS])
def test_a_clock_that_was_set_wrong_is_known_after_three_rows(ahead_ns: int) -> None:
    logger = Logger()
    assert logger.send(20) == 0
    assert logger.send(2, ahead_ns) == 0
    assert logger.send(1, ahead_ns) == pytest.approx(ahead_ns, abs=60 * SECOND_NS)
    assert logger.send(200, ahead_ns) == pytest.approx(ahead_ns, abs=60 * SECOND_NS)
    assert logger.send(3) == 0


def test_a_small_error_is_none() -> None:
    logger = Logger()
    logger.send(20)
    assert logger.send(20, 30 * SECOND_NS) == 0
    assert logger.send(20, -1700 * SECOND_NS) == 0


def test_a_source_that_always_lags_has_no_wrong_clock() -> None:
    assert Logger().send(50, -2 * HOUR_NS) == 0


def test_rows_that_come_late_all_at_once_are_no_wrong_clock() -> None:
    logger = Logger()
    logger.send(20)
    clocks = logger.clocks
    for day in (1, 2, 3, 4, 5, 6):
        newest_ns = START_NS + day * 24 * HOUR_NS
        assert clocks.look("a", newest_ns, newest_ns + 9 * HOUR_NS, TEN_NS) == 0


def test_of_what_was_there_before_nothing_is_known() -> None:
    clocks = SourceClocks()
    assert clocks.look("a", START_NS, START_NS + 90 * HOUR_NS, TEN_NS) is None
    assert clocks.look("a", None, START_NS, TEN_NS) is None


def test_each_source_has_a_clock_of_its_own() -> None:
    logger = Logger()
    logger.send(20)
    logger.send(5, HOUR_NS)
    assert logger.clocks.look("b", START_NS, START_NS, TEN_NS) is None


def test_a_step_of_our_own_clock_is_no_error_of_a_source() -> None:
    logger = Logger()
    logger.send(20)
    logger.clocks.after_steps(1)
    assert logger.send(30, -HOUR_NS) == 0
    logger.clocks.after_steps(1)
    assert logger.send(3, -3 * HOUR_NS) == pytest.approx(-2 * HOUR_NS, abs=60 * SECOND_NS)
