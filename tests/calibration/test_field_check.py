"""A check in the field confirms the stated uncertainty or widens it, and never makes it smaller."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_calibration import FieldCheck, widened

SIZES = st.floats(1e-6, 1e3)


def test_a_check_that_agrees_changes_no_bit() -> None:
    u = np.array([0.1, 0.03, 0.0300000000000001, 1 / 3])
    for check in (FieldCheck(0.0, 0.0), FieldCheck(0.05, 0.0), FieldCheck(-0.1, 0.04)):
        assert widened(u, check).tobytes() == u.tobytes()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_check_confirms_up_to_twice_the_joint_uncertainty(sign: float) -> None:
    u = np.array([0.03])
    assert widened(u, FieldCheck(sign * 0.1, 0.04)).tolist() == [0.03]
    found = widened(u, FieldCheck(sign * 0.1000001, 0.04))
    assert found[0] == pytest.approx(np.hypot(0.03, 0.1000001), rel=1e-12)


def test_a_deviation_widens_each_value_by_its_own_uncertainty() -> None:
    found = widened(np.array([0.0, 0.03, 0.2]), FieldCheck(0.1, 0.01))
    np.testing.assert_allclose(found, [0.1, np.hypot(0.03, 0.1), 0.2], rtol=1e-12)


def test_what_is_not_known_stays_so() -> None:
    for check in (FieldCheck(0.0, 1.0), FieldCheck(9.0, 0.1)):
        assert np.isnan(widened(np.array([np.nan, 0.1]), check)).tolist() == [True, False]


@given(st.lists(SIZES, min_size=1, max_size=20), st.floats(-1e3, 1e3), SIZES)
def test_a_check_never_makes_it_smaller_and_no_split_changes_a_bit(
    numbers: list[float], deviation: float, of_reference: float
) -> None:
    u, check = np.array(numbers), FieldCheck(deviation, of_reference)
    whole = widened(u, check)
    assert (whole >= u).all()
    parts = [widened(u[k : k + 1].copy(), check) for k in range(len(u))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_the_widened_uncertainty_is_the_error_to_be_expected() -> None:
    rng = np.random.default_rng(5)
    errors = 0.1 + 0.03 * rng.normal(size=20_000)  # an offset that stayed, and what was stated
    found = widened(np.array([0.03]), FieldCheck(0.1, 0.001))[0]
    assert found == pytest.approx(np.sqrt((errors * errors).mean()), rel=0.02)
