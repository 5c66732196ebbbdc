"""Ranges of times leave their end out; those of entries include it."""

from pathlib import Path

import pytest
from tests.daemon.series.test_series import TEXTS, run, values

from edaphon.series import Series


@pytest.fixture
def pair(tmp_path: Path):
    series, other = Series(tmp_path / "series"), Series(tmp_path / "other")
    series.merge([run([10, 20, 30], [1.0, 2.0, 3.0])], TEXTS)
    yield series, other
    series.close()
    other.close()


def test_adopting_takes_the_start_of_a_range_and_leaves_its_end(pair):
    series, other = pair
    other.merge([run([10, 20, 30], [5.0, 6.0, 7.0])], TEXTS)
    series.adopt("a", other, [(10, 30)])
    assert values(series) == {10: 5.0, 20: 6.0, 30: 3.0}


@pytest.mark.parametrize(
    ("unreadable", "fed", "stays"),
    [
        ((20, 20), (20, 21), True),
        ((19, 20), (0, 30), True),
        ((20, 21), (0, 30), True),
        ((21, 30), (0, 30), False),
        ((10, 19), (0, 30), False),
        ((20, 20), (0, 20), False),
        ((20, 20), (21, 30), False),
    ],
)
def test_a_row_of_an_entry_that_cannot_be_read_stays_while_its_channel_is_fed(
    pair, unreadable, fed, stays
):
    series, other = pair
    other.merge([run([10, 30], [1.0, 3.0])], TEXTS)
    series.adopt("a", other, [(0, 100)], [unreadable], [fed])
    assert (20 in values(series)) is stays
