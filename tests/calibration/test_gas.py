"""Gas analysers: zero and span, drift between two checks, pressure, water vapour."""

import numpy as np
import pytest

from edaphon_calibration import SAME, SecondInput, apply_chain, find_curve, prepare_step

BEFORE = {"raw_zero": 3.2, "raw_span": 1004.8}
AFTER = {"raw_zero_2": 5.8, "raw_span_2": 1012.0}


def test_two_equal_checks_have_no_line() -> None:
    found = find_curve("zero_span")
    p = found.parameter_vector({"raw_zero": 5.0, "raw_span": 5.0, "span_gas": 998.0})
    x = np.array([4.0, 5.0])
    for column in (found.value(x, p), found.slope(x, p), *found.gradient(x, p)):
        assert np.isnan(column).all()


def test_zero_and_span_gas_give_themselves() -> None:
    found = find_curve("zero_span")
    p = found.parameter_vector({**BEFORE, "zero_gas": 0.4, "span_gas": 998.0})
    np.testing.assert_allclose(found.value(np.array([3.2, 1004.8]), p), [0.4, 998.0], rtol=1e-15)


def test_drift_is_zero_span_at_both_checks_and_its_own_between() -> None:
    drift, line = find_curve("zero_span_drift"), find_curve("zero_span")
    p = drift.parameter_vector({**BEFORE, **AFTER, "span_gas": 998.0})
    first = line.parameter_vector({**BEFORE, "span_gas": 998.0})
    second = line.parameter_vector({"raw_zero": 5.8, "raw_span": 1012.0, "span_gas": 998.0})
    x = np.array([10.0, 412.7, 2000.0])
    np.testing.assert_allclose(drift.value(x, p, np.zeros(3)), line.value(x, first), rtol=1e-14)
    np.testing.assert_allclose(drift.value(x, p, np.ones(3)), line.value(x, second), rtol=1e-14)
    middle = drift.value(x, p, np.full(3, 0.5))
    mean = (line.value(x, first) + line.value(x, second)) / 2.0
    assert np.abs(middle - mean).max() > 1e-3  # raw is interpolated, not the result


def test_drift_where_zero_and_span_cross_has_no_number() -> None:
    drift = find_curve("zero_span_drift")
    crossing = {"raw_zero": 0.0, "raw_span": 10.0, "raw_zero_2": 10.0, "raw_span_2": 0.0}
    p = drift.parameter_vector({**crossing, "span_gas": 1.0})
    got = drift.value(np.array([3.0, 3.0]), p, np.array([0.5, 0.25]))
    assert np.isnan(got).tolist() == [True, False]


def test_what_lies_after_the_second_check_is_marked() -> None:
    step = prepare_step(find_curve("zero_span_drift"), {**BEFORE, **AFTER, "span_gas": 998.0})
    second = SecondInput(np.array([0.0, 0.4, 1.0, 1.1]))
    done = apply_chain(np.full(4, 400.0), SAME, (step,), seconds=(second,))
    assert done.outside.tolist() == [False, False, False, True]


def test_the_uncertainty_of_the_span_gas_grows_from_zero_to_span() -> None:
    covariance = [[0.0] * 4 for _ in range(4)]
    covariance[3][3] = 5.0**2
    given = {"raw_zero": 0.0, "raw_span": 1000.0, "zero_gas": 0.0, "span_gas": 1000.0}
    step = prepare_step(find_curve("zero_span"), given, covariance)
    done = apply_chain(np.array([0.0, 500.0, 2000.0]), SAME, (step,))
    np.testing.assert_allclose(done.u_systematic, [0.0, 2.5, 10.0], atol=1e-12)


def test_thin_air_makes_an_uncompensated_reading_too_low() -> None:
    found = find_curve("ndir_pressure")
    p = found.parameter_vector({"temperature": 25.0})
    got = found.value(np.array([400.0, 400.0]), p, np.array([101.3, 80.0]))
    np.testing.assert_allclose(got, [400.0, 506.5])
    assert np.isnan(found.value(np.array([400.0]), p, np.array([0.0]))).all()


def test_all_curves_that_compensate_say_so() -> None:
    assert find_curve("ndir_pressure").compensates == ("pressure", "temperature")
    assert find_curve("gmp343_uncompensated").compensates == ("pressure", "temperature")
    assert find_curve("dry_mole_fraction").compensates == ("dry air",)


def test_typical_slopes_of_a_probe_and_the_ideal_gas_agree_in_sign_and_size() -> None:
    typical, ideal = find_curve("gmp343_uncompensated"), find_curve("ndir_pressure")
    x, z = np.array([400.0]), np.array([97.3])
    at_20 = {"temperature": 20.0}
    one = typical.value(x, typical.parameter_vector(at_20), z)
    other = ideal.value(x, ideal.parameter_vector(at_20), z)
    assert one[0] == pytest.approx(other[0], rel=0.03)


def test_vapour_that_comes_does_not_look_like_gas_that_goes() -> None:
    found = find_curve("dry_mole_fraction")
    vapour = np.array([0.0, 10.0, 20.0])
    moist = 400.0 * (1.0 - vapour / 1000.0)
    np.testing.assert_allclose(found.value(moist, found.parameter_vector(), vapour), 400.0)
    assert np.isnan(found.value(np.array([1.0]), found.parameter_vector(), np.array([1e3]))).all()
