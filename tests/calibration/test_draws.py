"""Draws that never change: moments, honesty where they fail, and the same bits for any split."""

from dataclasses import replace

import numpy as np
import pytest
from tests.calibration.examples import with_parameters

from edaphon_calibration import (
    SAME,
    Calibrated,
    Conversion,
    Curve,
    Second,
    SecondInput,
    Step,
    apply_chain,
    find_curve,
    prepare_step,
)
from edaphon_calibration.arrays import AT_ONCE, Float
from edaphon_calibration.draws import correlated, fixed_draws

WATER, P = with_parameters("van_genuchten_1980")
TENSION, _ = with_parameters("van_genuchten_1980_inverse")
COVARIANCE = np.outer(P, P) * 1e-4 * (0.4 + 0.6 * np.eye(4))
MANY = 100_000


@pytest.mark.parametrize("errors", [1, 2, 6, 10])
def test_the_scores_are_standard_uncorrelated_and_antithetic(errors: int) -> None:
    scores, weights = fixed_draws(errors)
    moments = (scores[:, np.newaxis] * scores * weights).sum(axis=2)
    np.testing.assert_allclose(moments, np.eye(errors), atol=1e-12)
    np.testing.assert_allclose((scores * weights).sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(scores, -scores[:, ::-1], atol=1e-12)
    np.testing.assert_allclose((weights * scores[0] ** 4).sum(), 3.0, rtol=0.01)


def test_the_parameters_drawn_have_the_covariance_stated() -> None:
    covariance = np.diag([1e8, 0.0, 1e-20, 4.0])
    covariance[0, 2] = covariance[2, 0] = -1e-6  # fully correlated, and scales far apart
    rows = correlated(np.array([1.0, 2.0, 3e-9, 4.0]), covariance, fixed_draws(5).scores[1:])
    off = rows - np.array([1.0, 2.0, 3e-9, 4.0])
    found = (
        off[:, :, np.newaxis] * off[:, np.newaxis] * fixed_draws(5).weights[:, None, None]
    ).sum(0)
    sizes = np.array([1e4, 1.0, 1e-10, 2.0])
    scale = sizes * sizes[:, np.newaxis]
    np.testing.assert_allclose(found / scale, covariance / scale, atol=1e-9)


def bent(x: Float, p: Float, z: Float) -> Float:
    return p[0] * x * z


BENT = Curve(
    name="bent",
    parameters={"c": None},
    value=bent,
    slope=lambda x, p, z: p[0] * z,
    gradient=lambda x, p, z: (x * z)[np.newaxis],
    reference="definition",
    second=Second("soil_temperature", "degC", lambda x, p, z: p[0] * x),
    nonlinear=True,
)


def test_the_errors_of_both_inputs_and_of_the_parameters_go_through_the_curve_together() -> None:
    step = Step(BENT, np.array([2.0]), np.array([[0.25]]), Conversion(2.0, 1.0), model=0.5)
    second = SecondInput(np.array([0.2, 3.0]), u_random=0.3, u_systematic=np.array([0.4, 0.0]))
    given = {"accuracy": 0.5, "repeatability": 0.25, "seconds": (second,)}
    found = apply_chain(np.array([0.0, 2.0]), SAME, (step,), **given)  # type: ignore[arg-type]
    x, z, u_z = np.array([1.0, 5.0]), second.value, np.array([0.4, 0.0])
    # independent factors: E[c² x² z²] - (c x z)²
    random = 4.0 * ((x**2 + 0.5**2) * (z**2 + 0.3**2) - x**2 * z**2)
    systematic = 4.25 * (x**2 + 1.0) * (z**2 + u_z**2) - 4.0 * x**2 * z**2 + 0.25
    np.testing.assert_allclose(found.u_random, np.sqrt(random), rtol=0.02)
    np.testing.assert_allclose(found.u_systematic, np.sqrt(systematic), rtol=0.02)


def test_between_two_nonlinear_calibrations_the_errors_are_drawn_for_both() -> None:
    rng = np.random.default_rng(3)
    early, late = P, P * np.array([1.1, 0.95, 1.3, 1.05])
    pair = Step(WATER, late, COVARIANCE, before=Step(WATER, early, 2 * COVARIANCE, model=3e-3))
    x, z, u = -20.0, 0.3, 4.0
    found = apply_chain(np.array([x]), SAME, (pair,), accuracy=u, progress=(z,))
    came = x + u * rng.normal(size=MANY)
    first = rng.multivariate_normal(early, 2 * COVARIANCE, MANY).T
    second = rng.multivariate_normal(late, COVARIANCE, MANY).T
    drawn = (1 - z) * WATER.value(came, first) + z * WATER.value(came, second)
    assert found.u_systematic[0] == pytest.approx(np.hypot(drawn.std(), 0.7 * 3e-3), rel=0.02)


def test_a_straight_calibration_of_a_pair_is_drawn_with_the_bent_one() -> None:
    rng = np.random.default_rng(4)
    line = prepare_step(find_curve("linear"), {"c0": 0.45, "c1": 0.008}, [[1e-4, 0.0], [0.0, 1e-6]])
    pair = Step(WATER, P, before=line)
    x, z, u = -20.0, 0.3, 4.0
    found = apply_chain(np.array([x]), SAME, (pair,), accuracy=u, progress=(z,))
    came = x + u * rng.normal(size=MANY)
    c0, c1 = rng.normal([[0.45], [0.008]], [[1e-2], [1e-3]], (2, MANY))
    drawn = (1 - z) * (c0 + c1 * came) + z * WATER.value(came, P)
    assert found.u_systematic[0] == pytest.approx(drawn.std(), rel=0.02)


def test_of_a_pair_only_the_calibration_that_takes_a_second_input_gets_it() -> None:
    rng = np.random.default_rng(5)
    early = Step(BENT, np.array([2.0]), np.array([[0.25]]))
    second, share, u = SecondInput(np.array([0.2]), u_systematic=0.1), 0.3, 0.5
    found = apply_chain(
        np.array([-20.0]),
        SAME,
        (Step(WATER, P, COVARIANCE, before=early),),
        accuracy=u,
        seconds=(second,),
        progress=(share,),
    )
    x, z = -20.0 + u * rng.normal(size=MANY), 0.2 + 0.1 * rng.normal(size=MANY)
    first = bent(x, 2.0 + 0.5 * rng.normal(size=(1, MANY)), z)
    after = WATER.value(x, rng.multivariate_normal(P, COVARIANCE, MANY).T)
    drawn = (1 - share) * first + share * after
    assert found.u_systematic[0] == pytest.approx(drawn.std(), rel=0.02)


def test_a_nonlinear_step_alone_ignores_the_progress_between_two_calibrations() -> None:
    x, step = np.array([-20.0, -40.0]), (Step(WATER, P, COVARIANCE),)
    found = apply_chain(x, SAME, step, accuracy=4.0, progress=(0.3,))
    plain = apply_chain(x, SAME, step, accuracy=4.0)
    assert [column.tolist() for column in found] == [column.tolist() for column in plain]


def test_what_is_known_exactly_makes_no_uncertainty() -> None:
    x = np.array([-30.0, -3.0, 1.0])
    found = apply_chain(x, SAME, (Step(WATER, P, model=0.02),))
    assert found.u_random.tolist() == [0.0] * 3
    np.testing.assert_allclose(found.u_systematic, 0.02, rtol=1e-15)
    nothing = np.zeros((4, 4))
    exact = apply_chain(x, SAME, (Step(WATER, P, nothing),), accuracy=np.zeros(3))
    assert exact.u_systematic.tolist() == [0.0] * 3


def test_where_the_draws_leave_the_curve_the_uncertainty_is_not_known_and_the_value_stays() -> None:
    theta = np.array([0.08, 0.1, 0.25, 0.42, 0.5, np.nan])
    found = apply_chain(theta, SAME, (Step(TENSION, P),), accuracy=0.01, repeatability=0.001)
    assert np.isfinite(found.value).tolist() == [True] * 4 + [False] * 2
    assert np.isfinite(found.u_systematic).tolist() == [False, False, True, False, False, False]
    assert np.isfinite(found.u_random).tolist() == [False, True, True, True, False, False]


def test_where_a_rare_draw_decides_the_uncertainty_is_not_known() -> None:
    theta = 0.078 + 0.006 * np.array([5.3, 5.4, 7.0])  # all draws have a value
    found = apply_chain(theta, SAME, (Step(TENSION, P),), accuracy=0.006)
    assert np.isfinite(found.u_systematic).tolist() == [False, False, True]
    steps = (Step(TENSION, P), prepare_step(find_curve("identity")))
    after = apply_chain(theta, SAME, steps, accuracy=0.006)
    assert np.isnan(after.u_systematic).tolist() == [True, True, False]


def drawn(x: Float, z: Float | float, ages: Float) -> Calibrated:
    steps = (
        replace(prepare_step(find_curve("linear"), {"c0": -0.1, "c1": 1.01}), model=0.5),
        Step(WATER, P, COVARIANCE, drift_per_year=0.01, before=Step(WATER, P * 1.01)),
    )
    known = {"accuracy": 2.0, "repeatability": 0.3, "ages": (0.0, ages), "progress": (None, z)}
    return apply_chain(x, SAME, steps, **known)  # type: ignore[arg-type]


def test_one_number_alone_has_the_bits_that_it_has_among_many() -> None:
    n = AT_ONCE + 5
    x, z, ages = -np.geomspace(0.1, 1500.0, n), np.linspace(0.0, 1.0, n), np.linspace(0, 9, n)
    x[7] = np.nan
    whole = drawn(x, z, ages)
    parts = [slice(k, k + 1) for k in (0, 7, 4000, AT_ONCE - 1, AT_ONCE, n - 1)]
    for at in (*parts, slice(11, 14), slice(AT_ONCE - 40, n)):
        alone = drawn(x[at].copy(), z[at].copy(), ages[at].copy())
        for column in range(4):
            assert alone[column].tobytes() == whole[column][at].tobytes()
