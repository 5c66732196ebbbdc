"""What trust rests on beyond one calibration: gaps in validity, pairs, curves of the calendar."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
from tests.daemon.derive.trust import (
    AFTER,
    BEFORE,
    BY_MAKER,
    CHANNEL,
    DEPLOYED,
    OF_SENSOR,
    PAIR,
    START,
    Row,
    at,
    by_calendar,
    calibration,
    fact,
    nothing,
    plan_of,
    segment_at,
    value,
)

from edaphon.clock import instant_text
from edaphon_drivers.sheets import Output

# Where no validity covers.


def test_before_the_first_validity_in_a_hole_and_after_the_last_there_is_no_value():
    rows = [*START, calibration("a", 10, 20, 1.0), calibration("b", 30, 40, 2.0)]
    assert nothing(value(rows, 9.9))
    assert value(rows, 10).value == 21.0
    assert value(rows, 19.9).value == 21.0
    assert nothing(value(rows, 20))
    assert nothing(value(rows, 29.9))
    assert value(rows, 30).value == 22.0
    assert nothing(value(rows, 40))


def test_a_step_that_nobody_calibrated_asks_for_none_and_one_that_was_revoked_is_none():
    once = calibration("a", 10, 20, 1.0)
    back = fact("revocation", "r", of="a", why="another probe")
    assert value(START, 5).value == 20.0
    assert nothing(value([*START, once], 5))
    assert value([*START, once, back], 5).value == 20.0
    assert value([*START, once, back], 15).value == 20.0


def test_every_step_must_cover_the_time_but_each_may_do_so_by_any_of_its_calibrations():
    first, second = calibration("a", 10, 30, 1.0), calibration("b", 20, None, 2.0, step=2)
    other = calibration("b0", None, 20, 4.0, step=2)
    of_sensor = calibration("s", 12, None, 8.0, **OF_SENSOR)
    assert nothing(value([*START, first, second], 15))
    assert value([*START, first, second], 25).value == 23.0
    assert nothing(value([*START, first, second], 35))
    assert value([*START, first, second, other], 15).value == 25.0
    assert nothing(value([*START, first, second, other, of_sensor], 11))
    assert value([*START, first, second, other, of_sensor], 15).value == 33.0


def test_the_makers_curve_stands_in_for_the_sensors_calibrations_but_not_for_the_channels():
    of_sensor = calibration("s", 10, 20, 1.0, **OF_SENSOR)
    of_soil = calibration("c1", 5, None, 2.0)
    rows = [CHANNEL, BY_MAKER, of_sensor]
    assert [value(rows, day).value for day in (1, 10, 19, 20)] == [20.25, 21.0, 21.0, 20.25]
    rows = [*rows, of_soil]
    assert nothing(value(rows, 1))
    assert [value(rows, day).value for day in (5, 10, 20)] == [22.25, 23.0, 22.25]


def test_a_sensors_second_step_without_its_first_is_no_value_even_with_the_makers_curve():
    """One of its own covers, so the maker's curve does not stand."""
    rows = [
        calibration("s1", 10, 20, 1.0, **OF_SENSOR),
        calibration("s2", 5, 30, 2.0, step=2, **OF_SENSOR),
    ]
    found = [value([CHANNEL, BY_MAKER, *rows], day).value for day in (1, 7, 15, 25, 35)]
    assert found[0] == found[4] == 20.25
    assert np.isnan([found[1], found[3]]).all()
    assert found[2] == 23.0


def test_calibrations_of_another_sensor_or_channel_do_not_ask_for_a_step():
    others = [
        calibration("s", 10, None, 1.0, sensor="S2", output="t"),
        calibration("o", 10, None, 1.0, sensor="S1", output="n"),
        calibration("k", 10, None, 1.0, channel="k"),
    ]
    assert value([*START, *others], 5).value == 20.0
    assert value([*START, *others], 15).value == 20.0


# Pairs.


def test_a_pair_goes_evenly_from_the_earlier_to_the_later_one():
    assert value(PAIR, 5).value == 21.0
    assert value(PAIR, 10).value == 21.0
    assert value(PAIR, 35).value == pytest.approx(20 + 0.75 * 1 + 0.25 * 3)
    assert value(PAIR, 60).value == 22.0
    assert value(PAIR, 110 - 1e-9).value == pytest.approx(23.0)
    assert nothing(value(PAIR, 110))
    assert not value(PAIR, 60).outside


def test_of_a_pair_each_uncertainty_counts_by_its_share_squared():
    first = {**BEFORE, "covariance": [[0.04, 0.0], [0.0, 0.0]]}
    last = {**AFTER, "covariance": [[0.0, 0.0], [0.0, 0.0001]]}
    rows = [*START, first, last]
    of_first, of_last = 0.04, 20.0 * 20.0 * 0.0001
    for day, share in ((10, 0.0), (30, 0.2), (60, 0.5), (90, 0.8)):
        expected = sqrt((1 - share) ** 2 * of_first + share**2 * of_last)
        assert value(rows, day).u_systematic == pytest.approx(expected)
    alone = value([*START, first, AFTER], 60).u_systematic
    assert alone == pytest.approx(0.5 * 0.2), "the later one has no covariance"
    drift = value([*START, first, {**AFTER, "drift_per_year": 0.3}], 60).u_systematic
    assert drift == pytest.approx(sqrt(0.1**2 + (0.3 * 50 / 365.2425) ** 2))


def test_of_an_earlier_one_that_was_put_right_the_right_one_counts():
    right = calibration("right", None, 10, 2.0, supersedes="before", **OF_SENSOR)
    again = calibration("again", None, 10, 2.5, supersedes="right", **OF_SENSOR)
    assert value([*PAIR, right], 60).value == 22.5
    assert value([*PAIR, right, again], 60).value == 22.75
    back = fact("revocation", "r", of="again", why="a slip")
    assert value([*PAIR, right, again, back], 60).value == 22.5


def test_where_the_earlier_one_is_taken_back_a_pair_has_no_value_until_it_stands_again():
    back = fact("revocation", "r", of="before", why="another bath")
    rows = [*PAIR, back]
    assert nothing(value(rows, 60))
    assert nothing(value(rows, 5)), "the later one does not cover"
    stands = fact("revocation", "r2", of="r", why="it was that bath")
    assert value([*rows, stands], 60) == value(PAIR, 60)


def test_a_pair_as_second_step_behind_the_makers_curve_and_in_other_units():
    """x + 0.25 degC, then Kelvin: before 2 + 1.01 K, after 1.03 K, given in K."""
    units = {"from_unit": "K", "to_unit": "K", "step": 2}
    first = calibration("k1", 0, 10, parameters={"c0": 2.0, "c1": 1.01}, **units)
    last = {**first, **calibration("k2", 10, 110, parameters={"c0": 0.0, "c1": 1.03}, **units)}
    rows = [CHANNEL, BY_MAKER, first, {**last, "drifts_from": "k1"}]
    kelvin = 20.25 + 273.15
    expected = 0.75 * (2 + 1.01 * kelvin) + 0.25 * 1.03 * kelvin - 273.15
    assert value(rows, 35).value == pytest.approx(expected)


def test_each_of_a_pair_is_entered_by_its_own_unit():
    """Before in Celsius and after in Kelvin: c0 is the same number, of other units."""
    first = {**BEFORE, "from_unit": "degC", "to_unit": "K", "parameters": {"c0": 273.15, "c1": 1}}
    last = {**AFTER, "from_unit": "K", "to_unit": "K", "parameters": {"c0": 2.0, "c1": 1.0}}
    assert value([*START, first, last], 60).value == pytest.approx(21.0)


def test_a_pair_follows_its_sensor_through_a_swap():
    swapped = [
        CHANNEL,
        {**DEPLOYED, "to": instant_text(at(60))},
        fact("deployment", "d2", 60, None, channel="c", source="b/y", output="t", sensor="S2"),
        fact("channel", "k", quantity="soil_temperature", unit="degC"),
        fact("deployment", "d3", 60, None, channel="k", source="b/x", output="t", sensor="S1"),
    ]
    rows = [*swapped, BEFORE, AFTER]
    assert value(rows, 35).value == pytest.approx(21.5)
    assert value(rows, 85).value == 20.0
    assert value(rows, 85, channel="k").value == pytest.approx(22.5)


EC = Output("n", "bulk_electrical_conductivity", "uS/cm")
EC_ROWS = [
    fact("channel", "c", quantity="bulk_electrical_conductivity_25c", unit="uS/cm"),
    fact("deployment", "d", channel="c", source="b/x", output="n", sensor="S1"),
]


def warm(id: str, alpha: float, begin: float, end: float, **keys: Any) -> Row:
    reported = {"curve": "conductivity_at_25", "parameters": {"alpha": alpha}, **keys}
    return calibration(id, begin, end, **reported)


def test_both_of_a_pair_take_the_same_second_input():
    first = warm("w1", 0.02, 0, 10, second={"output": "t"})
    last = warm("w2", 0.03, 10, 110, second={"output": "t"}, drifts_from="w1")
    found = value([*EC_ROWS, first, last], 35, 100.0, (15.0,), output=EC)
    assert found.value == pytest.approx(0.75 * 100 / 0.8 + 0.25 * 100 / 0.7)


@pytest.mark.parametrize("first", [{"output": "x"}, {"channel": "w", "max_age": "1h"}, None])
def test_a_pair_that_does_not_take_the_same_second_input_has_no_value(first: Row | None):
    """One number can't be both, and the one that takes none can't say which."""
    wet = warm("w1", 0.02, 0, 10, second=first) if first else calibration("w1", 0, 10)
    last = warm("w2", 0.03, 10, 110, second={"output": "t"}, drifts_from="w1")
    assert not segment_at(plan_of(*EC_ROWS, wet, last, output=EC), 35).chain.known
    wet, last = {**wet, "id": "w2"}, {**last, "id": "w1"}
    del last["drifts_from"]
    wet |= {"drifts_from": "w1", "from": last["from"], "to": last["to"]}
    assert not segment_at(plan_of(*EC_ROWS, last, wet, output=EC), 35).chain.known


@pytest.mark.parametrize(
    "right",
    [
        calibration("right", None, None, 2.0, supersedes="before"),
        calibration("right", None, None, 2.0, supersedes="before", step=2, **OF_SENSOR),
        calibration("right", None, None, 2.0, supersedes="before", sensor="S2", output="t"),
        {**AFTER, "id": "right", "supersedes": "before", "drifts_from": "other"},
    ],
    ids=["of the channel", "of another step", "of another sensor", "a drift itself"],
)
def test_what_puts_the_earlier_one_right_must_be_one_of_the_same_number(right: Row):
    other = calibration("other", None, 5, 7.0, **OF_SENSOR)
    segment = segment_at(plan_of(*START, BEFORE, other, right, AFTER), 60)
    assert not segment.chain.known


def test_a_pair_that_supersedes_what_it_drifts_from_does_not_drift_from_itself():
    last = {**AFTER, "supersedes": "before"}
    assert nothing(value([*START, BEFORE, last], 60))


# Curves by the calendar.


def zero_span(x: float, share: float) -> float:
    zero, span = 3.2 + share * (5.8 - 3.2), 1004.8 + share * (1012.0 - 1004.8)
    return 0.5 + (x - zero) / (span - zero) * (998.0 - 0.5)


def test_a_curve_of_the_calendar_goes_by_the_calibrations_own_time():
    rows = [*START, by_calendar(10, 110)]
    for day, share in ((10, 0.0), (35, 0.25), (60, 0.5), (109.999, 0.99999)):
        assert value(rows, day, 412.7).value == pytest.approx(zero_span(412.7, share))
    assert nothing(value(rows, 9.999))
    assert nothing(value(rows, 110))


def test_a_curve_of_the_calendar_has_the_uncertainty_of_its_points():
    """Each of the first pair counts by 1 - z, of the second by z; here only the zeros are known."""
    covariance = np.diag([0.01, 0.0, 0.04, 0.0, 0.0, 0.0]).tolist()
    rows = [*START, by_calendar(10, 110, covariance=covariance)]
    x, share, step = 412.7, 0.25, 1e-5
    zero = 3.2 + share * 2.6
    span = 1004.8 + share * 7.2

    def of_zero(zero: float) -> float:
        return 0.5 + (x - zero) / (span - zero) * 997.5

    slope = (of_zero(zero + step) - of_zero(zero - step)) / (2 * step)
    expected = abs(slope) * sqrt(0.75**2 * 0.01 + 0.25**2 * 0.04)
    assert value(rows, 35, x).u_systematic == pytest.approx(expected)


def test_a_curve_of_the_calendar_stands_between_a_pair_and_a_second_input():
    """Each step has a column of its own."""
    cell = warm("w", 0.02, 0, 300, step=2, second={"output": "t"})
    pair = [calibration("p1", 0, 10, 1.0, step=3), calibration("p2", 10, 110, 3.0, step=3)]
    pair[1]["drifts_from"] = "p1"
    rows = [*EC_ROWS, by_calendar(10, 60), cell, *pair]
    found = value(rows, 35, 412.7, (15.0,), output=EC)
    assert found.value == pytest.approx(zero_span(412.7, 0.5) / 0.8 + 1.5)


def test_a_curve_of_the_calendar_is_no_part_of_a_pair():
    late = {**by_calendar(10, 110), "drifts_from": "before"}
    early = [by_calendar(0, 10), calibration("late", 10, 110, drifts_from="drift")]
    before = calibration("before", 0, 10)
    assert not segment_at(plan_of(*START, before, late), 60).chain.known
    assert not segment_at(plan_of(*START, *early), 60).chain.known
