"""The 24 h line and its table twin: columns, gaps, marks, scale."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edaphon.model import Observations
from edaphon.web.column import HEIGHT, WIDTH, draw, hours

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def run(minutes, values, flags=None):
    t = np.array(minutes, np.int64) * MINUTE
    v = np.array(values, np.float64)
    flag = np.array(flags if flags is not None else [1] * len(t), np.int8)
    return Observations("c", "", t, t, v, v, v, v, flag, flag, t)


def pieces(path):
    return [piece for piece in path.split("M") if piece]


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    line = draw([run(range(0, 1440, 10), range(144))], 0, DAY)
    assert line.path.startswith("M0,51h0")
    assert line.path.endswith(",5")
    assert len(pieces(line.path)) == 1
    assert (line.lowest, line.highest, line.n, line.gaps) == (0.0, 143.0, 144, 0)


def test_each_column_reaches_from_its_lowest_to_its_highest_value():
    spiky = [0.0, 10.0, 5.0, 5.0] * 360  # 5 values in each column of 5.14 minutes
    line = draw([run(range(1440), spiky)], 0, DAY)
    heights = {float(y) for y in re.findall(r"V([\d.]+)", line.path)}
    assert heights == {5.0, 51.0}
    assert len(line.path) < 20 * WIDTH


def test_a_gap_stays_a_gap_and_a_lone_point_becomes_a_dot():
    line = draw([run([0, 10, 20, 600, 1200, 1210], [1, 1, 1, 2, 3, 3])], 0, DAY)
    assert len(pieces(line.path)) == 3
    assert pieces(line.path)[1].endswith("h0")
    assert line.gaps == 2


def test_one_missing_number_interrupts_the_line_and_is_ticked_at_the_foot():
    line = draw([run([0, 10, 20, 30, 40], [1, 2, np.nan, 2, 1], [1, 1, 9, 1, 1])], 0, DAY)
    assert len(pieces(line.path)) == 2
    assert line.missing.startswith("M3,56")
    assert (line.missing_n, line.gaps) == (1, 0)


def test_failed_values_are_marked_and_neither_joined_nor_given_room():
    line = draw([run([0, 10, 20], [1.0, 9999.0, 2.0], [1, 4, 3])], 0, DAY)
    assert line.highest == 2.0
    assert line.failed.startswith("M1,5m")
    assert line.suspect.startswith("M3,5m")
    assert "M3,5h0" in line.path


def test_a_day_of_failed_values_alone_is_marked_without_a_line():
    line = draw([run([0, 10], [3.0, 4.0], [4, 4])], 0, DAY)
    assert line.path == ""
    assert line.failed.count("M") == 2
    assert (line.lowest, line.highest) == (3.0, 4.0)


def test_noise_below_the_least_span_does_not_fill_the_height():
    values = [0.2 + 0.001 * (i % 2) for i in range(144)]
    line = draw([run(range(0, 1440, 10), values)], 0, DAY, least_span=0.1)
    heights = [float(y) for y in re.findall(r",([\d.]+)", line.path)]
    assert max(heights) - min(heights) < 1.0
    assert draw([run([0, 10], [5.0, 5.0])], 0, DAY).path == "M0,28h0L1,28"


def test_runs_are_joined_in_order_of_time_and_cut_to_the_window():
    line = draw([run([20, 30], [3, 4]), run([0, 10], [1, 2])], 10 * MINUTE, DAY)
    assert (line.lowest, line.n) == (2.0, 3)
    assert line.path.startswith("M0,")


def test_nothing_to_draw_is_no_line():
    assert draw([], 0, DAY) is None
    assert draw([run([2000], [1])], 0, DAY) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1439),
            st.floats(allow_nan=True, allow_infinity=True),
            st.sampled_from([1, 2, 3, 4, 9, 77]),
        ),
        max_size=300,
    ),
    st.floats(0, 1e308),
)
@example([(0, 1.7e308, 1), (10, -1.7e308, 1), (20, 1.0, 3)], 0.0)
@example([(0, 1.0, 1), (10, 2.0, 1)], float("inf"))
def test_whatever_comes_the_drawing_stays_in_its_box(rows, least_span):
    minutes, values, flags = zip(*rows, strict=True) if rows else ((), (), ())
    line = draw([run(minutes, values, flags)], 0, DAY, least_span)
    if line is None:
        assert not rows
        return
    drawn = line.path + line.suspect + line.failed + line.missing
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert all(0 <= int(x) <= WIDTH for x in re.findall(r"[ML](\d+),", drawn))
    assert all(0 <= float(y) <= HEIGHT for y in re.findall(r"[,V]([\d.]+)", line.path))


def test_the_table_has_the_hours_of_the_site_newest_first():
    values = [20.25, 20.75, 21.0, 22.0, np.nan]
    rows = hours([run([0, 20, 45, 50, 100], values, [1, 1, 3, 1, 9])], 0, 2 * HOUR, 1800, 1)
    assert [row.begin for row in rows] == ["02:00", "01:00", "00:00"]
    assert [row.lowest for row in rows] == ["–", "21.0", "20.2"]
    assert [row.flags for row in rows] == ["missing", "1 suspect", "passed"]


def test_an_hour_counts_the_flags_that_differ():
    (row,) = hours([run([0, 1, 2, 3], [1, 5, 3, 2], [1, 3, 3, 4])], 0, HOUR, 0, 2)
    assert (row.begin, row.lowest, row.highest) == ("00:00", "1.00", "5.00")
    assert row.flags == "2 suspect, 1 failed"


@pytest.mark.parametrize("flag", [1, 2, 3, 4, 9])
def test_an_hour_of_one_flag_names_it_without_a_number(flag):
    (row,) = hours([run([0, 1], [1, 2], [flag, flag])], 0, HOUR, 0, 0)
    assert not any(c.isdigit() for c in row.flags)
