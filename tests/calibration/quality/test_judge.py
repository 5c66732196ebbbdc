"""All tests together: any rows give a result for each, and the same whatever else is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    context = Context(other, RAIN, other, other, (other,), 0.46, 0.1) if with_context else Context()
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
