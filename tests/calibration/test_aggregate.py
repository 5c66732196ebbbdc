"""Means and sums: what shrinks, what does not, what is missing; coverage factors and draws."""

from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_calibration.draws import Normal, Rectangular, first_order, propagate
from edaphon_calibration.errors import ParameterError
from edaphon_calibration.uncertainty import (
    coverage_factor,
    mean,
    relative_of_product,
    total,
    welch_satterthwaite,
)


def test_scatter_shrinks_in_a_mean_and_the_calibration_does_not() -> None:
    one = mean([20.0], 0.5, 0.3)
    many = mean(np.full(100, 20.0), 0.5, 0.3)
    assert (one.u_random, one.u_systematic) == (0.5, 0.3)
    assert many.u_random == pytest.approx(0.05)
    assert many.u_systematic == pytest.approx(0.3)
    assert many.u == pytest.approx(sqrt(0.05**2 + 0.3**2))


def test_calibrations_are_independent_of_each_other() -> None:
    both = mean(np.full(8, 20.0), 0.0, 0.3, ["before"] * 4 + ["after"] * 4)
    assert both.u_systematic == pytest.approx(0.3 / sqrt(2.0))
    uneven = mean(np.full(8, 20.0), 0.0, 0.3, ["before"] * 6 + ["after"] * 2)
    assert uneven.u_systematic == pytest.approx(0.3 * sqrt(0.75**2 + 0.25**2))


def test_a_year_of_daily_sums_is_as_sure_as_its_calibration() -> None:
    daily = 900.0 / 365.0
    year = total(np.full(365, daily), 0.2, 0.02 * daily)
    assert year.value == pytest.approx(900.0)
    assert year.u_random == pytest.approx(sqrt(365.0) * 0.2)
    assert year.u_systematic == pytest.approx(18.0)
    wrong = sqrt(365.0) * 0.02 * daily
    assert year.u_systematic / wrong == pytest.approx(sqrt(365.0))


def test_time_steps_make_an_amount_of_rates() -> None:
    day = total([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], 0.0, step=[6.0, 12.0, 6.0])
    assert day.value == 48.0
    assert day.u_random == pytest.approx(0.1 * sqrt(36.0 + 144.0 + 36.0))
    assert day.covered == 1.0


def test_gaps_are_counted_and_never_filled() -> None:
    values = [1.0, nan, 3.0, nan]
    summed = total(values, 0.1, 0.2, step=[1.0, 2.0, 1.0, 4.0])
    assert (summed.value, summed.n, summed.missing, summed.covered) == (4.0, 2, 2, 0.25)
    assert summed.u_systematic == pytest.approx(0.4)
    averaged = mean(values, [0.1, nan, 0.1, nan], 0.2)
    assert (averaged.value, averaged.n, averaged.missing, averaged.covered) == (2.0, 2, 2, 0.5)


def test_nothing_at_all_has_no_mean() -> None:
    for empty in (
        mean([nan, nan], 0.1, 0.1),
        mean([], 0.1, 0.1),
        mean([1.0], 0.1, 0.1, weight=0.0),
    ):
        assert isnan(empty.value)
        assert isnan(empty.u)
        assert isnan(empty.expanded())
    assert total([], 0.1, 0.1)[:4] == (0.0, 0.0, 0.0, 0)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(-50.0, 50.0), st.sampled_from("abc")), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_values_changes_no_bit(rows: list[tuple[float, str]], random) -> None:
    shuffled = random.sample(rows, len(rows))
    one, other = (
        total([v for v, _ in some], 0.1, [abs(v) * 0.01 for v, _ in some], [c for _, c in some])
        for some in (rows, shuffled)
    )
    assert one == other


def test_a_mean_is_a_sum_by_its_weights() -> None:
    rng = np.random.default_rng(4)
    value, weight = rng.normal(size=20), rng.uniform(0.5, 2.0, 20)
    whole = weight.sum()
    one, other = mean(value, 0.1, 0.2, weight=weight), total(value, 0.1, 0.2, step=weight)
    np.testing.assert_allclose(one[:3], np.array(other[:3]) / whole, rtol=1e-12)


def test_the_interval_of_a_mean_of_few_repeats_is_wider() -> None:
    few = mean([20.0, 20.2, 19.8, 20.0], 0.16, 0.0)
    assert few.expanded(dof_random=3) == pytest.approx(3.182 * 0.08, rel=1e-3)
    assert few.expanded() == pytest.approx(1.96 * 0.08, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean([1.0, 2.0], [0.1, 0.1, 0.1], 0.0), "one length"),
        (lambda: mean([1.0, 2.0], [0.1, nan], 0.0), ">= 0 for every value"),
        (lambda: mean([1.0, 2.0], 0.1, 0.0, weight=[1.0, -1.0]), ">= 0 for every value"),
        (lambda: mean([1.0, 2.0], 0.1, 0.0, ["a"]), "its calibration; came 2 and 1"),
        (lambda: total([[1.0]], 0.1, 0.0), "row of values"),
        (lambda: relative_of_product([(0.0, 1.0)]), "other than 0"),
        (lambda: welch_satterthwaite([0.1], [1, 2]), "came 1 and 2"),
        (lambda: welch_satterthwaite([], []), "came 0 and 0"),
        (lambda: welch_satterthwaite([-0.1], [1]), ">= 0"),
        (lambda: coverage_factor(1.0, 5), "between 0 and 1"),
        (lambda: propagate(lambda x: x / 0.0, [Normal(0.0, 1.0)], draws=10), "finite number"),
    ],
)
def test_what_cannot_be_summed_is_refused_with_the_reason(call, words: str) -> None:
    with pytest.raises(ParameterError, match=words), np.errstate(all="ignore"):
        call()


# JCGM 100:2008, table G.2: two-sided t for 68.27 %, 95 % and 99 %.
@pytest.mark.parametrize(
    ("dof", "printed"),
    [
        (1, (1.84, 12.71, 63.66)),
        (2, (1.32, 4.30, 9.92)),
        (3, (1.20, 3.18, 5.84)),
        (4, (1.14, 2.78, 4.60)),
        (9, (1.06, 2.26, 3.25)),
        (10, (1.05, 2.23, 3.17)),
        (50, (1.01, 2.01, 2.68)),
        (100, (1.005, 1.984, 2.626)),
        (inf, (1.000, 1.960, 2.576)),
    ],
)
def test_coverage_factors_are_those_of_the_guides_table(
    dof: float, printed: tuple[float, ...]
) -> None:
    for level, k in zip((0.6827, 0.95, 0.99), printed, strict=True):
        assert coverage_factor(level, dof) == pytest.approx(k, abs=0.0051)


def test_broken_degrees_of_freedom_count_as_the_next_lower() -> None:
    assert coverage_factor(0.95, 9.99) == coverage_factor(0.95, 9)
    assert isnan(coverage_factor(0.95, 0.7))
    assert isnan(coverage_factor(0.95, nan))


def test_a_component_known_from_a_data_sheet_takes_no_degrees_of_freedom() -> None:
    assert welch_satterthwaite([0.3, 0.4], [inf, inf]) == (pytest.approx(0.5), inf)
    combined, effective = welch_satterthwaite([0.3, 0.4], [5, inf])
    assert effective == pytest.approx(combined**4 / (0.3**4 / 5))


def test_the_volume_of_a_chamber_outweighs_the_scatter_of_its_slope() -> None:
    whole = relative_of_product([(0.43165, 0.00042), (6.36, 0.1), (0.0324, 0.0002)])
    assert whole > 15 * relative_of_product([(0.43165, 0.00042)])


def test_draws_and_first_order_agree_where_the_model_is_straight() -> None:
    quantities = [Normal(2.0, 0.1), Rectangular(1.0, 4.0)]

    def model(x, y):
        return 3.0 * x - y

    value, u = first_order(model, quantities)
    drawn = propagate(model, quantities)
    assert (drawn.value, drawn.u) == (pytest.approx(value, abs=0.01), pytest.approx(u, rel=0.01))
    assert drawn.lowest < value - u < value + u < drawn.highest


def test_first_order_is_blind_where_there_is_no_slope_and_draws_are_not() -> None:
    quantities = [Normal(0.0, 1.0)]
    assert first_order(lambda x: x * x, quantities) == (0.0, 0.0)
    assert propagate(lambda x: x * x, quantities).u == pytest.approx(sqrt(2.0), rel=0.02)
    again = propagate(lambda x: x * x, quantities)
    assert again == propagate(lambda x: x * x, quantities)
