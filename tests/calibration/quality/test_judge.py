"""All tests together: any rows give a result for each, and the same whatever else is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_calibration import quality
from edaphon_calibration.quality.judge import TESTS, Case, Context, Rows, judge
from edaphon_calibration.quality.rules import PARAMETERS, usual_rules

QUANTITIES = sorted({name for rule in usual_rules().rules for name in rule.quantities})
number = st.one_of(st.just(np.nan), st.floats(-50, 100).map(lambda x: round(x, 3)))
RAIN = Rows(np.arange(0, 90_000, 600.0), np.zeros(150))


def rows_of(values: list[float], gaps: list[int]) -> Rows:
    steps = [600.0 * gaps[n % len(gaps)] for n in range(len(values))]
    return Rows(np.cumsum(steps), np.array(values, float))


@pytest.mark.parametrize("quantity", QUANTITIES)
@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(number, max_size=60),
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    deep=st.booleans(),
    with_context=st.booleans(),
)
def test_any_rows_give_a_flag_for_each_and_a_missing_one_is_missing(
    quantity: str, values: list[float], gaps: list[int], deep: bool, with_context: bool
) -> None:
    rows = rows_of(values, gaps)
    other = rows_of(values[::-1], gaps)
    context = (
        Context(other, RAIN, other, other, (other,), 0.46, 0.1, fit_r2=other)
        if with_context
        else Context()
    )
    case = Case(rows, context, 600.0, 0.001)
    found = judge(case, usual_rules().of(quantity, 50.0 if deep else 5.0))
    assert len(found.flag) == len(found.evaluated) == len(found.failed) == len(values)
    assert set(found.flag.tolist()) <= {1, 2, 3, 4, 9}
    assert ((found.failed & ~found.evaluated) == 0).all()
    missing = np.isnan(rows.value)
    assert (found.flag[missing] == 9).all()
    assert (found.failed[missing] == 0).all()


def test_a_test_without_its_context_is_unknown_and_never_passes() -> None:
    rows = Rows(np.arange(300) * 600.0, 0.2 + np.zeros(300))
    found = judge(Case(rows, Context(), 600.0), usual_rules().of("volumetric_water_content", 5.0))
    for name in ("frozen", "no_response", "rise_without_water", "replicate", "drift", "saturated"):
        bit = list(TESTS).index(name)
        assert not (found.evaluated >> bit & 1).any(), name


def test_each_test_has_its_parameters_and_each_usual_rule_a_source() -> None:
    assert set(TESTS) == set(PARAMETERS)
    assert all(rule.source for rule in usual_rules().rules)


def test_a_rule_holds_from_its_depth_down() -> None:
    rules = usual_rules()
    window = "window_hours"
    hours = [
        rules.of("soil_temperature", depth)["flat"].parameters[window]
        for depth in (None, 5.0, 15.0, 20.0, 40.0, 100.0)
    ]
    assert hours == [12.0, 12.0, 36.0, 36.0, 168.0, 168.0]
    assert rules.of("soil_ph", 5.0) == {}


def test_a_failure_code_among_similar_values_is_a_number() -> None:
    """85 degC is the register of a DS18B20 at power-on, and hot compost too."""
    hot = Rows(np.arange(3) * 600.0, np.array([84.2, 85.0, 85.6]))
    cold = Rows(np.arange(3) * 600.0, np.array([12.3, 85.0, 12.4]))
    rules = {"sentinel": usual_rules().of("soil_temperature", 5.0)["sentinel"]}
    assert judge(Case(hot, Context(), 600.0), rules).failed.tolist() == [0, 0, 0]
    assert judge(Case(cold, Context(), 600.0), rules).flag.tolist() == [1, 9, 1]


def test_an_offset_is_found_whole_and_what_follows_it_is_left_alone() -> None:
    value = np.concatenate((np.full(30, 0.25), np.full(40, 0.15), np.full(60, 0.25)))
    value += np.arange(130) * 1e-5
    rows = Rows(np.arange(130) * 600.0, value)
    rules = {"offset": usual_rules().of("volumetric_water_content", 5.0)["offset"]}
    failed = judge(Case(rows, Context(), 600.0), rules).failed != 0
    assert failed.tolist() == [False] * 30 + [True] * 40 + [False] * 60
    rain = Rows(np.arange(130) * 600.0, np.where(np.arange(130) == 28, 5.0, 0.0))
    wet = judge(Case(rows, Context(rain=rain), 600.0), rules).failed
    assert not wet.any()


def test_rain_before_the_first_row_is_not_taken_for_rain_of_that_row() -> None:
    rain = Rows(np.arange(0, 36_000, 600.0), np.where(np.arange(60) == 10, 5.0, 0.0))
    times = np.arange(30_000, 36_000, 600.0)
    assert rain.amounts(times).tolist() == [0.0] * 10
    assert rain.amounts(np.arange(5400, 7800, 600.0)).tolist() == [0.0, 5.0, 0.0, 0.0]
    assert rain.amounts(np.array([36_000.0])).tolist() == [0.0]
    assert np.isnan(rain.amounts(np.array([80_000.0]))).all()


def failed(test: str, values: list[float], context: Context) -> list[int]:
    """What one test of water content makes of values ten minutes apart: 1, 0 or -1 for unknown."""
    rows = Rows(np.arange(len(values)) * 600.0, np.array(values))
    rules = {test: usual_rules().of("volumetric_water_content", 5.0)[test]}
    found, bit = judge(Case(rows, context, 600.0), rules), list(TESTS).index(test)
    known, bad = found.evaluated >> bit & 1, found.failed >> bit & 1
    return np.where(known, bad, -1).tolist()


HOURS = np.arange(0, 40) * 600.0
DRY = Rows(HOURS, np.zeros(40))


def degrees(*of_rows: float) -> Rows:
    """Temperatures; the last one goes on."""
    return Rows(HOURS, np.array([*of_rows, *[of_rows[-1]] * (40 - len(of_rows))]))


def test_a_fast_fall_is_usual_in_frost_and_in_wet_soil_alone() -> None:
    values = [0.30] * 10 + [0.28] * 10  # 0.02 in ten minutes: faster than 0.03 an hour
    warm, frost = degrees(10.0), degrees(-1.0)
    thawed = degrees(*[-1.0] * 5, 10.0)
    rain = Rows(HOURS, np.where(np.arange(40) == 5, 3.0, 0.0))
    falls = {
        "warm": Context(warm, DRY, porosity=0.46),
        "frost": Context(frost, DRY, porosity=0.46),
        "thawed": Context(thawed, DRY, porosity=0.46),
        "rain": Context(warm, rain, porosity=0.46),
        "full": Context(warm, DRY, porosity=0.33),
        "not quite full": Context(warm, DRY, porosity=0.36),
    }
    found = {name: failed("rate", values, context)[10] for name, context in falls.items()}
    assert found == {
        "warm": 1, "frost": 0, "thawed": 0, "rain": 0, "full": 0, "not quite full": 1,
    }  # fmt: skip


def test_a_fast_rise_needs_water_or_frost_near_it() -> None:
    values = [0.20] * 10 + [0.23] * 10  # 0.18 an hour
    rain = Rows(HOURS, np.where(np.arange(40) == 5, 3.0, 0.0))
    rises = {
        "dry": Context(degrees(10.0), DRY),
        "rain": Context(degrees(10.0), rain),
        "rain not known": Context(degrees(10.0)),
        "thawed": Context(degrees(*[-1.0] * 5, 10.0), DRY),
        "frost": Context(degrees(-1.0), DRY),
    }
    found = {name: failed("rate", values, context)[10] for name, context in rises.items()}
    assert found == {"dry": 1, "rain": 0, "rain not known": 0, "thawed": 0, "frost": 0}


def test_a_spike_with_rain_or_at_a_thaw_is_not_judged_by_the_rows_around() -> None:
    values = [0.20] * 10 + [0.30] + [0.20] * 10
    rain = Rows(HOURS, np.where(np.arange(40) == 8, 3.0, 0.0))
    thaws = degrees(*[-1.0] * 8, 10.0)
    contexts = {
        "nothing known": Context(),
        "warm": Context(degrees(10.0)),
        "dry": Context(rain=DRY),
        "rain": Context(rain=rain),
        "thaw": Context(thaws),
        "rain and warm": Context(degrees(10.0), rain),
    }
    found = {name: failed("spike_mad", values, context)[10] for name, context in contexts.items()}
    assert found == {
        "nothing known": 1, "warm": 1, "dry": 1, "rain": -1, "thaw": -1, "rain and warm": -1,
    }  # fmt: skip


def test_soil_that_is_measured_only_after_the_rain_began_can_be_deaf_to_it() -> None:
    hours, empty = np.arange(20) * 3600.0, [np.nan] * 3
    water = np.array([0, 0, 6, 6, *[0] * 16], float)
    warm = np.full(20, 10.0)

    def response(*values: float) -> list[tuple[int, int]]:
        rest = [values[-1]] * (20 - len(values))
        return quality.no_response(hours, np.array([*values, *rest]), water, warm, 0.46)

    assert response(*empty, 0.2) == [(3, 1)]
    assert response(*empty, 0.2, 0.3) == [(3, 0)]
    assert response(*empty, np.nan, 0.2) == [(3, -1)]  # nothing before it to rise from
    assert response(0.3, 0.3, 0.3, 0.2, 0.2, 0.215) == [(3, 0)]
    assert response(0.2, 0.2, 0.2, 0.2, 0.1, 0.105) == [(3, 1)]


@pytest.mark.parametrize("moving", [0, 1, 17, 18, None])
def test_a_run_on_an_extreme_fails_where_a_neighbour_moves_during_any_row_of_it(
    moving: int | None,
) -> None:
    value = np.array([0.1, 0.2, *[0.4] * 18, 0.3])
    moves = np.zeros(21, bool)
    if moving is not None:
        moves[2 + moving] = True
    fails = quality.rail(np.arange(21) * 600.0, value, moves=moves) == 1
    inside = moving is not None and moving < 18
    assert fails.tolist() == [False] * 2 + [inside] * 18 + [False]


def test_soil_is_frozen_from_the_limit_until_it_is_above_the_other() -> None:
    degrees_ = [0.1, 0.0, 0.1, 0.5, 0.6, 0.2, -0.1, np.nan, 0.5, np.nan, 0.51, 0.0]
    found = quality.frozen(np.arange(12) * 3600.0, np.array(degrees_))
    assert found.tolist() == [0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1]
    late = quality.frozen(np.array([0, 10_800, 10_801.0]), np.array([-1, np.nan, np.nan]))
    assert late.tolist() == [1, 1, -1]


def test_a_spike_needs_both_neighbours_near_and_on_one_side() -> None:
    def spikes(times: list[float], values: list[float]) -> list[int]:
        found = quality.spike_single(np.array(times) + 1e6, np.array(values), 1.0)
        return found.tolist()

    six_hours = 6 * 3600.0
    assert spikes([0, 1, 2], [5, 7, 5]) == [-1, 1, -1]
    assert spikes([0, 1, 2], [5, 3, 5]) == [-1, 1, -1]
    assert spikes([0, 1, 2], [5, 7, 9]) == [-1, 0, -1]
    assert spikes([0, 1, 2], [5, 6, 5]) == [-1, 0, -1]  # just as far as the limit
    assert spikes([0, 1, 2, 3], [5, 7, np.nan, 5]) == [-1, 1, -1, -1]
    assert spikes([0, six_hours, 2 * six_hours], [5, 7, 5]) == [-1, 1, -1]
    assert spikes([0, six_hours + 1, six_hours + 2], [5, 7, 5]) == [-1, -1, -1]
    assert spikes([0, 1, six_hours + 2], [5, 7, 5]) == [-1, -1, -1]


def test_a_clock_is_judged_from_three_pairs_on_where_both_move() -> None:
    wave = np.sin(np.arange(24) / 4.0)
    lag, result = quality.clock(np.roll(wave, 2), wave, 900.0)
    assert (lag, result) == (1800, 1)
    assert quality.clock(np.roll(wave, 1), wave, 900.0) == (900, 0)
    assert quality.clock(np.full(24, 1.0), wave, 900.0) == (None, -1)
    assert quality.clock(wave, np.full(24, 1.0), 900.0) == (None, -1)
    few = np.where(np.arange(24) < 22, np.nan, wave)
    assert quality.clock(few, few, 900.0) == (None, -1)
    three = np.where(np.arange(24) < 21, np.nan, wave)
    assert quality.clock(three, three, 900.0) == (0, 0)


def test_the_newest_value_counts_at_each_time_while_it_is_not_too_old() -> None:
    rows = Rows(np.array([1e6, 1e6 + 60, 1e6 + 120]), np.array([1.0, np.nan, 3.0]))
    times = np.array([-1, 0, 60, 119, 120, 120 + 10_800, 121 + 10_800]) + 1e6
    assert np.array_equal(rows.at(times), [np.nan, 1, 1, 1, 3, 3, np.nan], equal_nan=True)
    assert np.isnan(Rows(times, np.full(7, np.nan)).at(times)).all()
