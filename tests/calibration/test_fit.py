"""Fits: published regressions, exact recovery, refusals with their reason, and the way on."""

from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_calibration import SAME, apply_chain, find_curve, prepare_step
from edaphon_calibration.errors import FitError
from edaphon_calibration.fit import (
    FitResult,
    fit_curve,
    fit_gravimetric,
    fit_polynomial,
    fit_two_point,
)

# JCGM 100:2008, annex H.3: readings of a thermometer and their corrections [degC].
T = [21.521, 22.012, 22.512, 23.003, 23.507, 23.999, 24.513, 25.002, 25.503, 26.010, 26.511]
B = [-0.171, -0.169, -0.166, -0.159, -0.164, -0.165, -0.156, -0.157, -0.159, -0.161, -0.160]
PERMITTIVITY = [3.5, 7.2, 12.4, 19.8, 28.1]


def test_the_regression_of_the_guide_comes_out_in_every_printed_digit() -> None:
    line = fit_polynomial(np.array(T) - 20.0, B, 1)
    assert line.covariance is not None
    u1, u2 = np.sqrt(np.diag(line.covariance))
    assert round(line.parameters["c0"], 4) == -0.1712
    assert round(u1, 4) == 0.0029
    assert round(line.parameters["c1"], 5) == 0.00218
    assert round(u2, 5) == 0.00067
    assert round(line.covariance[0, 1] / (u1 * u2), 3) == -0.930
    assert round(line.residual_sd, 4) == 0.0035
    assert (line.dof, line.n) == (9.0, 11)
    assert round(float(line.value([10.0])[0]), 4) == -0.1494
    assert round(float(line.uncertainty([10.0])[0]), 4) == 0.0041


def test_where_zero_of_the_reading_is_put_does_not_matter() -> None:
    near, far = fit_polynomial(np.array(T) - 20.0, B, 1), fit_polynomial(T, B, 1)
    np.testing.assert_allclose(far.value([30.0]), near.value([10.0]), rtol=1e-12)
    np.testing.assert_allclose(far.uncertainty([30.0]), near.uncertainty([10.0]), rtol=1e-9)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_polynomial_is_found_again_with_the_covariance_of_the_normal_equations(
    degree: int,
) -> None:
    true = np.array([0.3, -0.02, 4e-4, -1e-6])[: degree + 1]
    x = np.linspace(5.0, 60.0, 9)
    noise = 0.01 * np.array([1, -1, 1, 1, -1, -1, 1, -1, 0.5])
    columns = np.vander(x, degree + 1, increasing=True)
    done = fit_polynomial(x, columns @ true + noise, degree)
    best, *_ = np.linalg.lstsq(columns, columns @ true + noise)
    np.testing.assert_allclose(list(done.parameters.values()), best, rtol=1e-7)
    left = columns @ true + noise - columns @ best
    scale = left @ left / (9 - degree - 1)
    spread = np.sqrt(np.diag(np.linalg.inv(columns.T @ columns)) * scale)
    assert done.covariance is not None
    np.testing.assert_allclose(np.sqrt(np.diag(done.covariance)), spread, rtol=1e-6)
    assert done.residual_sd == pytest.approx(sqrt(scale), rel=1e-8)


def test_an_ice_bath_gives_the_offset_with_both_its_uncertainties() -> None:
    readings = [0.12, 0.10, 0.13, 0.11, 0.12]
    done = fit_polynomial(readings, [0.0] * 5, 0, u_reference=0.01)
    assert done.curve == "offset"
    assert done.parameters == {"offset": pytest.approx(-0.116)}
    expected = sqrt(np.var(readings, ddof=1) / 5 + 0.01**2)
    assert done.uncertainty([3.0])[0] == pytest.approx(expected, rel=1e-12)


def test_one_point_is_an_offset_whose_scatter_must_be_said() -> None:
    alone = fit_polynomial([0.2], [0.0], 0)
    assert alone.covariance is None
    assert np.isnan(alone.uncertainty([0.2])).all()
    assert np.isnan(alone.expanded([0.2])).all()
    offset = fit_polynomial([0.2], [0.0], 0, u_point=0.05)
    assert offset.uncertainty([0.2])[0] == pytest.approx(0.05)
    assert offset.expanded([0.2])[0] == pytest.approx(1.96 * 0.05, rel=1e-3)


def test_a_lucky_scatter_does_not_go_below_what_is_known_of_a_point() -> None:
    x = np.array([0.0, 10.0, 20.0, 30.0])
    lucky, honest = fit_polynomial(x, 2.0 * x, 1), fit_polynomial(x, 2.0 * x, 1, u_point=0.1)
    assert lucky.uncertainty([15.0])[0] == pytest.approx(0.0, abs=1e-12)
    assert honest.uncertainty([15.0])[0] == pytest.approx(0.1 / sqrt(4.0))
    assert honest.dof == inf


def test_an_error_of_the_reference_moves_the_whole_line_and_no_slope() -> None:
    x = np.array([0.0, 10.0, 20.0, 30.0])
    y = x + np.array([0.01, -0.01, -0.01, 0.01])
    alone, shared = fit_polynomial(x, y, 1), fit_polynomial(x, y, 1, u_reference=0.2)
    for at in (0.0, 15.0, 100.0):
        grown = shared.uncertainty([at])[0] ** 2 - alone.uncertainty([at])[0] ** 2
        assert grown == pytest.approx(0.04, rel=1e-9)


def test_the_interval_widens_with_few_points_and_less_where_the_reference_counts() -> None:
    line = fit_polynomial(np.array(T) - 20.0, B, 1)
    ratio = line.expanded([10.0])[0] / line.uncertainty([10.0])[0]
    assert ratio == pytest.approx(2.262, abs=1e-3)  # t of 9 degrees of freedom
    known = fit_polynomial(np.array(T) - 20.0, B, 1, u_reference=0.05)
    assert known.expanded([10.0])[0] / known.uncertainty([10.0])[0] == pytest.approx(1.96, abs=1e-2)


def test_soil_of_ones_own_is_a_line_in_the_square_root() -> None:
    theta = -0.19 + 0.117 * np.sqrt(PERMITTIVITY)
    done = fit_curve("square_root", PERMITTIVITY, theta)
    assert list(done.parameters.values()) == [pytest.approx(-0.19), pytest.approx(0.117)]
    assert done.range == (3.5, 28.1)


def test_a_curve_that_bends_in_a_parameter_is_found_by_its_gradient() -> None:
    theta = (np.sqrt(PERMITTIVITY) - 1.6) / 8.4
    done = fit_curve("refractive_index", PERMITTIVITY, theta, start={"a0": 1.0, "a1": 6.0})
    assert done.parameters["a0"] == pytest.approx(1.6, rel=1e-9)
    assert done.parameters["a1"] == pytest.approx(8.4, rel=1e-9)
    same = fit_curve("square_root", PERMITTIVITY, theta + 1e-3 * np.array([1, -1, 0, 1, -1]))
    bent = fit_curve(
        "refractive_index",
        PERMITTIVITY,
        theta + 1e-3 * np.array([1, -1, 0, 1, -1]),
        start={"a0": 1.0, "a1": 6.0},
    )
    np.testing.assert_allclose(bent.value([15.0]), same.value([15.0]), rtol=1e-9)
    np.testing.assert_allclose(bent.uncertainty([15.0]), same.uncertainty([15.0]), rtol=1e-6)


def test_a_thermistor_gets_its_own_coefficients_from_three_baths() -> None:
    ohm = np.array([95_000.0, 30_000.0, 10_000.0])
    known = {"a": 1.129241e-3, "b": 2.341077e-4, "c": 8.775468e-8}
    true = find_curve("betatherm_10k3a1")
    t = true.value(ohm, true.parameter_vector())
    start = {"a": 1.4e-3, "b": 2.4e-4, "c": 1e-7}
    done = fit_curve("steinhart_hart", ohm, t, start=start, u_point=0.01)
    for name, number in known.items():
        assert done.parameters[name] == pytest.approx(number, rel=1e-6)
    assert done.covariance is not None


def test_what_is_fixed_stays_and_has_no_uncertainty() -> None:
    ohm = np.array([80.3, 100.05, 119.45, 138.6])
    true = find_curve("iec60751_pt100")
    t = true.value(ohm, true.parameter_vector({"r0": 100.04}))
    done = fit_curve("iec60751_pt100", ohm, t, free=["r0"], fixed={"a": 3.9083e-3}, u_point=0.02)
    assert done.parameters["r0"] == pytest.approx(100.04, abs=1e-6)
    assert done.parameters["a"] == 3.9083e-3
    assert done.covariance is not None
    assert done.covariance[1].tolist() == [0.0, 0.0]


def test_a_fit_goes_into_a_calibration_as_it_is() -> None:
    done = fit_polynomial(np.array(T) - 20.0, B, 1)
    assert done.covariance is not None
    rows = done.covariance.tolist()
    step = prepare_step(find_curve(done.curve), done.parameters, rows, domain=done.range)
    used = apply_chain(np.array([2.0, 10.0]), SAME, (step,))
    np.testing.assert_allclose(used.value, done.value([2.0, 10.0]))
    np.testing.assert_allclose(used.u_systematic, done.uncertainty([2.0, 10.0]), rtol=1e-12)
    assert used.outside.tolist() == [False, True]


def test_two_points_of_a_gas_carry_the_uncertainty_of_the_bottle() -> None:
    gas = fit_two_point((3.2, 1004.8), (0.0, 998.0), (0.0, 0.0), (0.0, 5.0), curve_name="zero_span")
    assert gas.parameters["span_gas"] == 998.0
    np.testing.assert_allclose(gas.uncertainty([3.2, 1004.8]), [0.0, 5.0], atol=1e-12)
    assert gas.expanded([1004.8])[0] == pytest.approx(9.8, abs=1e-2)
    assert fit_two_point((0.1, 40.2), (0.0, 40.0)).covariance is None


def _of(x: list[float], y: list[float], degree: int) -> FitResult:
    return fit_polynomial(x, y, degree)


@pytest.mark.parametrize(
    ("x", "y", "degree", "words"),
    [
        ([1.0, 2.0], [1.0, 2.0], 1, "at least 3 points for 2 free .* came 2; two points alone"),
        ([1.0, 2.0], [1.0, 2.0], 2, "at least 3 points for 3"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 3, "at least 4 points for 4"),
        ([], [], 0, "at least 1 points"),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], 1, "they have no span"),
        ([5.0, 5.0, 6.0, 6.0], [1.0, 2.0, 3.0, 3.0], 2, "only 2 of 4 differ"),
        ([1.0, nan, 3.0], [1.0, 2.0, 3.0], 1, "reading 2 is nan"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, inf], 1, "true value 3 is inf"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], 1, "came 3 and 2"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 4, "degree of 0, 1, 2 or 3"),
        ([900.0, 900.1, 900.2, 900.3], [1.0, 2.0, 3.0, 4.0], 3, "subtract a round number"),
    ],
)
def test_points_that_carry_no_curve_are_refused_with_the_reason(
    x: list[float], y: list[float], degree: int, words: str
) -> None:
    with pytest.raises(FitError, match=words):
        _of(x, y, degree)


def test_parameters_that_the_points_cannot_tell_apart_are_refused() -> None:
    ohm = np.array([80.3, 100.05, 119.45, 138.6])
    start = {"reading_low": 0.0, "reading_high": 100.0, "true_low": 0.0, "true_high": 90.0}
    with pytest.raises(FitError, match="separate the free parameters"):
        fit_curve("two_point", ohm, ohm * 0.9, start=start)
    with pytest.raises(FitError, match="matter at some point"):
        fit_curve("iec60751_pt100", ohm + 100.0, ohm, free=["c"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit_curve("offset", [1.0], [1.0], free=["ofset"]), "did you mean offset"),
        (lambda: fit_curve("identity", [1.0], [1.0]), "at least one free"),
        (lambda: fit_curve("ndir_pressure", [1.0], [1.0]), "takes two"),
        (lambda: fit_two_point((1.0, 1.0), (0.0, 1.0)), "no span"),
        (lambda: fit_two_point((1.0, nan), (0.0, 1.0)), "finite"),
        (lambda: fit_two_point((1.0, 2.0), (0.0, 1.0), curve_name="offset"), "two_point or"),
        (lambda: fit_curve("offset", [[1.0]], [[1.0]]), "row of numbers"),
    ],
)
def test_what_cannot_be_asked_of_a_fit_is_refused(call, words: str) -> None:
    with pytest.raises(FitError, match=words):
        call()


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    x, true = np.linspace(0.0, 40.0, 6), 0.3 + 1.02 * 20.0
    lines = [fit_polynomial(x, 0.3 + 1.02 * x + rng.normal(0.0, 0.05, 6), 1) for _ in range(400)]
    hits = [abs(line.value([20.0])[0] - true) <= line.expanded([20.0])[0] for line in lines]
    assert 0.92 < np.mean(hits) < 0.98


@given(st.lists(st.floats(-5.0, 5.0), min_size=4, max_size=8), st.floats(-300.0, 300.0))
def test_what_a_line_leaves_over_has_no_mean_and_no_trend(y: list[float], away: float) -> None:
    x = np.arange(len(y)) * 1.5 + away
    left = fit_polynomial(x, y, 1).residuals
    np.testing.assert_allclose([left.sum(), left @ (x - away)], 0.0, atol=1e-9)


def test_the_bulk_density_of_the_core_stays_in_the_fit_however_many_samples() -> None:
    few, many = [4.0, 9.0, 16.0, 25.0], list(np.linspace(4.0, 25.0, 200))
    for x in (few, many):
        w = (np.sqrt(x) - 1.6) / 8.4 / 1.3
        done = fit_gravimetric("square_root", x, w, 1.3, 0.002, 0.05)
        assert done.parameters["c1"] == pytest.approx(1.0 / 8.4)
        at = done.value([14.0])[0]
        shared = float(np.abs(done.shared @ [1.0, sqrt(14.0)]))
        assert shared == pytest.approx(at * 0.05 / 1.3, rel=1e-9)
        assert done.uncertainty([14.0])[0] > shared
    with pytest.raises(FitError, match="bulk density"):
        fit_gravimetric("square_root", few, few, 1300.0)


def test_points_far_from_zero_give_the_polynomial_that_made_them() -> None:
    x = 40.0 + np.arange(8) / 2
    y = 3.0 - 2.0 * x + 0.5 * x**2 - 0.01 * x**3
    found = fit_polynomial(x, y, 3).parameters
    assert [found[f"c{k}"] for k in range(4)] == pytest.approx([3.0, -2.0, 0.5, -0.01], rel=1e-6)
