"""What trust rests on besides: checks in the field, pinned curves, domains; and its derivation."""

from dataclasses import replace
from math import sqrt

import orjson
import pytest
from tests.daemon.derive.trust import (
    AFTER,
    BEFORE,
    BY_MAKER,
    CHANNEL,
    DEPLOYED,
    MAKER,
    MODEL,
    OF_SENSOR,
    PAIR,
    START,
    Row,
    T,
    at,
    by_calendar,
    calibration,
    changed,
    check,
    fact,
    plan_of,
    segment_at,
    value,
)

from edaphon.clock import instant_text
from edaphon.derive.plan import changed_ranges
from edaphon_drivers.sheets import Output

# Checks in the field.

ACCURATE = Output("t", "soil_temperature", "degC", accuracy=0.3)  # u = 0.3 / sqrt(3)
U = 0.3 / sqrt(3)
CONFIRMS, WIDENS = 20.39, 20.41  # 2 sqrt(U^2 + 0.1^2) = 0.4


def checked(*rows: Row, day: float = 50, channel: str = "c") -> float:
    found = value([*START, *rows], day, channel=channel, output=ACCURATE)
    assert (found.value, found.outside) == (20.0, False)
    return found.u_systematic


def test_a_check_confirms_what_is_stated_or_widens_it_by_what_it_found():
    assert checked() == pytest.approx(U)
    assert checked(check("k", "as left", 10, CONFIRMS)) == checked()
    assert checked(check("k", "as left", 10, WIDENS)) == pytest.approx(sqrt(U**2 + 0.41**2))
    below = check("k", "as left", 10, 19.0)
    assert checked(below) == pytest.approx(sqrt(U**2 + 1.0))


def test_as_found_speaks_for_the_time_before_the_visit_and_as_left_for_that_after():
    found, left = check("f", "as found", 40, 21.0), check("l", "as left", 40, 22.0)
    before, after = sqrt(U**2 + 1.0), sqrt(U**2 + 4.0)
    assert checked(found, left, day=39.999) == pytest.approx(before)
    assert checked(found, left, day=40) == pytest.approx(after)
    assert checked(found, day=40) == checked(left, day=39.999) == checked()
    since = {**found, "from": instant_text(at(20))}
    assert checked(since, day=19.999) == checked()
    assert checked(since, day=20) == pytest.approx(before)


def test_of_the_sensor_and_of_the_channel_one_each_counts_the_one_entered_last():
    of_sensor = check("s", "as left", 10, 21.0, unit="degC", **OF_SENSOR)
    of_channel = check("c1", "as left", 10, 23.0)
    both = sqrt(U**2 + 1.0 + 9.0)
    assert checked(of_sensor, of_channel) == checked(of_channel, of_sensor)
    assert checked(of_sensor, of_channel) == pytest.approx(both)
    earlier = check("c0", "as left", 10, 25.0)
    assert checked(earlier, of_sensor, of_channel) == pytest.approx(both)
    assert checked(of_sensor, of_channel, earlier) == pytest.approx(sqrt(U**2 + 1.0 + 25.0))


def test_what_one_check_widened_the_other_confirms():
    """The sensor's is asked first."""
    of_sensor = check("s", "as left", 10, 21.0, unit="degC", **OF_SENSOR)
    assert checked(check("c1", "as left", 10, 21.5), of_sensor) == pytest.approx(sqrt(U**2 + 1.0))


def test_a_check_that_was_put_right_or_taken_back_counts_no_more():
    wrong, right = check("k", "as left", 10, 25.0), check("k2", "as left", 10, 21.0, supersedes="k")
    assert checked(wrong, right) == pytest.approx(sqrt(U**2 + 1.0))
    back = fact("revocation", "r", of="k2", why="another thermometer")
    assert checked(wrong, right, back) == pytest.approx(sqrt(U**2 + 25.0))
    assert checked(wrong, fact("revocation", "r", of="k", why="no")) == checked()


def test_a_difference_has_the_scale_of_its_unit_and_no_offset():
    one = pytest.approx(sqrt(U**2 + 1.0))
    assert checked(check("k", "as left", 10, 294.15, reference_value=293.15, unit="K")) == one
    fahrenheit = {"reference_value": 68.0, "unit": "degF", "u_reference": 0.18}
    assert checked(check("k", "as left", 10, 69.8, **fahrenheit)) == one
    assert checked(check("k", "as left", 10, 68.0 + 1.8 * 0.399, **fahrenheit)) == checked()
    assert checked(check("k", "as left", 10, 68.0 + 1.8 * 0.401, **fahrenheit)) > checked()


def test_a_check_of_a_sensor_follows_it_and_that_of_a_channel_stays():
    swapped = [
        fact("deployment", "d2", 60, None, channel="c", source="b/y", output="t", sensor="S2"),
        fact("channel", "k", quantity="soil_temperature", unit="degC"),
        fact("deployment", "d3", 60, None, channel="k", source="b/x", output="t", sensor="S1"),
        check("s", "as left", 10, 21.0, unit="degC", **OF_SENSOR),
        check("p", "as left", 20, 23.0),
    ]
    rows = [CHANNEL, {**DEPLOYED, "to": instant_text(at(60))}, *swapped]

    def u(day: float, channel: str = "c") -> float:
        return value(rows, day, channel=channel, output=ACCURATE).u_systematic

    assert u(15) == pytest.approx(sqrt(U**2 + 1.0))
    assert u(50) == pytest.approx(sqrt(U**2 + 1.0 + 9.0))
    assert u(70) == pytest.approx(sqrt(U**2 + 9.0))
    assert u(70, "k") == pytest.approx(sqrt(U**2 + 1.0))


def test_a_check_of_a_sensor_says_nothing_of_a_channel_in_another_kind_of_unit():
    """The same output may feed a channel of its counts; a check changes no value there."""
    counts = Output("n", "raw_counts", "count")
    rows = [
        fact("channel", "k", quantity="raw_counts", unit="count"),
        fact("deployment", "dk", channel="k", source="b/x", output="n", sensor="S1"),
        check("k1", "as left", 10, 40.0, unit="count", sensor="S1", output="n"),
    ]
    other = check("k2", "as left", 10, 20.5, unit="degC", sensor="S1", output="n")
    one = value(rows, 50, channel="k", output=counts)
    assert (one.value, one.u_systematic) == (20.0, 20.0)
    assert value([*rows, other], 50, channel="k", output=counts) == one


def test_a_check_is_held_against_the_uncertainty_in_the_channels_unit():
    """The chain gives Fahrenheit; the channel is in Celsius."""
    rows = [calibration("f", parameters={"c0": 32.0, "c1": 1.8}, to_unit="degF")]
    assert checked(*rows, check("k", "as left", 10, CONFIRMS)) == pytest.approx(U)
    expected = sqrt(U**2 + 0.41**2)
    assert checked(*rows, check("k", "as left", 10, WIDENS)) == pytest.approx(expected)


# Makers' curves as they were when they were first used.

PIN = fact(
    "factory", "pin", model=MODEL, output="t", name="maker", curve="linear",
    parameters={"c0": 0.25, "c1": 1.0}, quantity="soil_temperature", unit="degC",
)  # fmt: skip
NEWER = replace(T, factory=(replace(MAKER, parameters={"c0": 0.5, "c1": 1.0}),))


def test_a_pinned_curve_stands_when_the_sheet_changes_until_a_fact_puts_it_right():
    rows = [CHANNEL, PIN, BY_MAKER]
    before = value(rows, 1)
    assert before.value == 20.25
    assert value(rows, 1, output=NEWER) == before
    assert value(rows, 1, output=replace(T, factory=())) == before
    right = {**PIN, "id": "right", "supersedes": "pin", "parameters": {"c0": 0.75, "c1": 1.0}}
    after = value([*rows, right], 1)
    assert after.value == 20.75
    assert after.derivation != before.derivation
    assert value([CHANNEL, BY_MAKER], 1, output=NEWER).value == 20.5


def test_a_curve_of_the_owners_own_sheet_is_as_the_sheet_says():
    own = replace(NEWER, meaning="own")
    assert value([CHANNEL, PIN, BY_MAKER], 1, output=own).value == 20.5


def test_a_pin_of_another_model_output_or_name_counts_for_nothing():
    for key in ("model", "output", "name"):
        assert value([CHANNEL, {**PIN, key: "other"}, BY_MAKER], 1, output=NEWER).value == 20.5


def test_the_unit_of_a_makers_curve_decides_about_the_value_and_so_about_its_derivation():
    right = {**PIN, "id": "right", "supersedes": "pin", "unit": "K"}
    before, after = [CHANNEL, PIN, BY_MAKER], [CHANNEL, PIN, BY_MAKER, right]
    assert value(after, 1, 290.0).value == pytest.approx(290.25 - 273.15)
    assert changed(before, after)


# Where a calibration holds.


def test_a_domain_is_in_the_unit_that_goes_into_the_curve_and_in_the_place_of_the_curves():
    units = {"from_unit": "K", "to_unit": "K"}
    rows = [*START, calibration("k", domain=[283.15, 293.25], **units)]
    assert not value(rows, 1, 10.0 + 1e-9).outside
    assert value(rows, 1, 9.99).outside
    assert not value(rows, 1, 20.0).outside
    assert value(rows, 1, 20.2).outside


def test_of_a_pair_each_has_its_own_domain():
    first, last = {**BEFORE, "domain": [10.0, 30.0]}, {**AFTER, "domain": [0.0, 20.0]}
    rows = [*START, first, last]
    found = [value(rows, 60, x).outside for x in (5.0, 15.0, 25.0)]
    assert found == [True, False, True]


# What the derivation is the hash of.


def test_the_derivation_changes_where_one_of_these_decides_about_a_value():
    confirm, widen = check("k", "as left", 10, CONFIRMS), check("k", "as left", 10, WIDENS)
    rows = [*PAIR, widen]
    assert changed(rows, [*START, BEFORE, {**AFTER, "to": instant_text(at(120))}, widen])
    assert changed(rows, [*START, {**BEFORE, "parameters": {"c0": 1.5, "c1": 1.0}}, AFTER, widen])
    assert changed(rows, [*START, {**BEFORE, "certificate": "other.pdf"}, AFTER, widen])
    assert changed(rows, PAIR)
    assert changed(rows, [*PAIR, confirm])
    assert changed(rows, [*PAIR, {**widen, "u_reference": 0.2}])
    assert changed(rows, [*rows, fact("revocation", "r", of="before", why="no")])
    assert changed([*START, by_calendar(10, 110)], [*START, by_calendar(10, 120)])
    assert changed([*START, by_calendar(10, 110)], [*START, by_calendar(9, 110)])


def test_only_the_stretch_that_a_calibration_of_the_calendar_covers_changes():
    before = plan_of(*PAIR)
    moved = plan_of(*START, BEFORE, {**AFTER, "to": instant_text(at(100))})
    ranges = changed_ranges(before.intervals, moved.intervals)
    assert ranges["c"][0][0] == at(10)
    plain = calibration("a", 10, 110, 1.0)
    cut = plan_of(*START, {**plain, "to": instant_text(at(100))})
    named = {segment_at(plan, 50).derivation for plan in (plan_of(*START, plain), cut)}
    assert len(named) == 1, "without drift its end decides about no value within"


def test_the_derivation_stays_where_nothing_that_decides_changed():
    rows = [*PAIR, check("k", "as left", 10, WIDENS)]
    others = [
        calibration("o", 20, 30, 9.0, channel="k", operator="M. Moser"),
        check("o2", "as left", 20, 29.0, channel="k"),
        check("o3", "as left", 20, 29.0, unit="degC", sensor="S2", output="t"),
        {**PIN, "id": "p"},
    ]
    assert not changed(rows, [*rows, *others])
    reported = {**rows[-1], "operator": "M. Moser", "method": "stirred", "certificate": "k.pdf"}
    assert not changed(rows, [*PAIR, reported])


def test_where_there_is_no_value_a_check_decides_about_none():
    rows = [*START, calibration("a", 100, None, 1.0)]
    plans = [plan_of(*rows), plan_of(*rows, check("k", "as left", 10, WIDENS))]
    assert len({segment_at(plan, 50).derivation for plan in plans}) == 1


def test_a_derivation_names_what_it_was_made_of():
    plan = plan_of(*PAIR, check("k", "as left", 10, WIDENS), output=ACCURATE)
    reported = orjson.loads(plan.texts[segment_at(plan, 60).derivation])
    assert [c["id"] for c in reported["calibrations"]] == ["after"]
    assert [c["id"] for c in reported["pairs"]] == ["before"]
    assert reported["calendar"] == [[at(10), at(110)]]
    assert reported["field checks"] == [["k", pytest.approx(0.41), 0.1]]


def test_a_plan_of_some_ranges_has_the_same_segments():
    rows = [*PAIR, check("k", "as found", 60, WIDENS)]
    plan = plan_of(*rows)
    whole = [(s.start_ns, s.end_ns) for s in plan.segments()]
    part = plan.only({"c": [(at(10), at(110))]})
    assert [s.key for s in part.segments()] == [
        s.key for s in plan.segments() if at(10) <= s.start_ns and s.end_ns <= at(110)
    ]
    assert (at(10), at(60)) in whole
