"""The spike check finds single values that stand out and leaves steps and neighbours alone."""

import numpy as np

from edaphon_calibration import default_limits, find_check, prepare_check
from edaphon_calibration.arrays import Int

HOUR = 3_600_000_000_000
NAN = np.nan


def hourly(n: int) -> Int:
    return np.arange(n, dtype=np.int64) * HOUR


def test_a_peak_and_a_trough_fail_and_their_neighbours_pass() -> None:
    check = prepare_check(find_check("spike"), {"difference": 1.0})
    value = np.array([5.0, 5.0, 9.0, 5.0, 5.0, 1.0, 5.0, 5.0])
    assert check(hourly(8), value).tolist() == [-1, 0, 1, 0, 0, 1, 0, -1]


def test_steps_ramps_and_small_bumps_pass() -> None:
    check = prepare_check(find_check("spike"), {"difference": 1.0})
    value = np.array([1.0, 1.0, 5.0, 5.0, 8.0, 11.0, 12.0, 11.0, 11.5])
    assert check(hourly(9), value).tolist() == [-1, 0, 0, 0, 0, 0, 0, 0, -1]


def test_the_smaller_of_both_differences_gives_the_flag() -> None:
    check = prepare_check(find_check("spike"), default_limits("soil_temperature", 5.0)["spike"])
    value = np.array([10.0, 13.0, 10.0, 16.0, 10.0, 12.0, 10.0])
    assert check.flags(hourly(7), value).tolist() == [2, 3, 3, 4, 1, 1, 2]


def test_a_missing_or_distant_neighbour_leaves_a_value_unevaluated() -> None:
    check = prepare_check(find_check("spike"), {"difference": 1.0, "max_gap_hours": 2.0})
    time_ns = np.array([0, 1, 2, 3, 4, 7, 8, 9, 9]) * HOUR
    value = np.array([5.0, 9.0, NAN, 9.0, 5.0, 9.0, 5.0, 9.0, 5.0])
    assert check(time_ns, value).tolist() == [-1, -1, -1, -1, -1, -1, 1, -1, -1]


def test_one_or_two_rows_are_too_few_for_a_spike() -> None:
    check = prepare_check(find_check("spike"), {"difference": 1.0})
    assert check(hourly(1), np.array([5.0])).tolist() == [-1]
    assert check(hourly(2), np.array([5.0, 9.0])).tolist() == [-1, -1]


def test_a_spike_needs_one_row_before_and_one_after() -> None:
    meta = prepare_check(find_check("spike"), {"difference": 1.0}).rule
    assert (meta.looks_back, meta.looks_ahead) == (1, 1)
