"""The uncertainty of every curve inside its domain, against Monte Carlo within 2 %.

EDAPHON_FAULTS=long makes 200,000 draws of it; 20,000 have a standard error of their own to allow.
"""

import os

import numpy as np
import pytest
from tests.calibration.examples import ACCURACY, grid, second_input, with_parameters

from edaphon_calibration import SAME, Curve, SecondInput, apply_chain, curve_names, find_curve
from edaphon_calibration.arrays import Float
from edaphon_calibration.chain import Step
from edaphon_calibration.draws import monte_carlo

LONG = os.environ.get("EDAPHON_FAULTS") == "long"
DRAWS = 200_000 if LONG else 20_000
FEWER = 20_000 if LONG else 500  # where each draw calls the curve again
WITHIN = 0.02
OF_DRAWS = WITHIN if LONG else 0.03  # of curves that are not straight, with long tails
LINEAR = [name for name in curve_names() if not find_curve(name).nonlinear]
BENT = [name for name in curve_names() if find_curve(name).nonlinear]
PLACES = np.array([0.05, 0.275, 0.5, 0.725, 0.95])  # in the domain
OF_DOMAIN, OF_INPUT, OF_PARAMETER = 0.005, 0.01, 1e-3  # the uncertainty of an input, a parameter


def inputs(found: Curve) -> tuple[Float, Float]:
    """Numbers and their uncertainties: a row for each input, a column for each place."""
    columns = (grid(found, 3), *second_input(found, 3))
    numbers = np.array([column[0] + PLACES * (column[-1] - column[0]) for column in columns])
    widths = np.array([abs(column[-1] - column[0]) for column in columns])
    if found.name in ACCURACY:
        absolute, relative = ACCURACY[found.name]
        return numbers, absolute + relative * np.abs(numbers)
    return numbers, np.minimum(OF_DOMAIN * widths[:, None], OF_INPUT * np.abs(numbers))


def slopes(found: Curve, p: Float, at: Float) -> Float:
    """df/dx, and df/dz where there is a second input: a row for each."""
    rows = [found.slope(at[0], p, *at[1:])]
    if found.second is not None:
        rows.append(found.second.slope(at[0], p, at[1]))
    return np.array(rows)


@pytest.mark.parametrize("name", LINEAR)
def test_the_tangent_spreads_errors_of_the_inputs_as_the_curve_does(name: str) -> None:
    found, p = with_parameters(name)
    rng = np.random.default_rng(11)
    at, u = inputs(found)
    tangent = slopes(found, p, at)
    for k in range(len(PLACES)):
        errors = rng.normal(size=(len(at), DRAWS)) * u[:, k, None]
        x, *z = at[:, k, None] + errors
        # The same draws go along both: their scatter cancels and only the curvature is left.
        along = (tangent[:, k, None] * errors).sum(axis=0).std()
        assert found.value(x, p, *z).std() == pytest.approx(along, rel=WITHIN), at[:, k]


@pytest.mark.parametrize("name", [name for name in LINEAR if find_curve(name).parameters])
def test_the_gradient_spreads_errors_of_the_parameters_as_the_curve_does(name: str) -> None:
    found, p = with_parameters(name)
    at, _ = inputs(found)
    gradient = found.gradient(at[0], p, *at[1:])
    errors = np.random.default_rng(12).normal(size=(FEWER, len(p))) * (OF_PARAMETER * np.abs(p))
    middle = found.value(at[0], p, *at[1:])
    drawn = np.array([found.value(at[0], p + error, *at[1:]) for error in errors]) - middle
    along = (errors[:, :, None] * gradient).sum(axis=1).std(axis=0)
    np.testing.assert_allclose(drawn.std(axis=0), along, rtol=WITHIN, atol=1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_a_chain_adds_what_slopes_and_gradient_say(name: str) -> None:
    found, p = with_parameters(name)
    at, u = inputs(found)
    n = len(p)
    covariance = np.outer(p, p) * OF_PARAMETER**2 * (0.4 + 0.6 * np.eye(n))
    step = Step(found, p, covariance if n else None, model=0.25)
    second = SecondInput(at[1], u[1], 2 * u[1]) if found.second is not None else None
    accuracy, repeatability = u[0], float(u[0].max())
    given = apply_chain(at[0], SAME, (step,), accuracy, repeatability, seconds=(second,))
    gain = slopes(found, p, at)
    gradient = found.gradient(at[0], p, *at[1:])
    of_parameters = np.einsum("in,ij,jn->n", gradient, covariance, gradient)
    other = (gain[1] * u[1]) ** 2 if second is not None else 0.0
    random = np.sqrt((gain[0] * repeatability) ** 2 + other)
    systematic = np.sqrt((gain[0] * u[0]) ** 2 + 4 * other + of_parameters + 0.25**2)
    np.testing.assert_allclose(given.value, found.value(at[0], p, *at[1:]), rtol=1e-15)
    np.testing.assert_allclose(given.u_random, random, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(given.u_systematic, systematic, rtol=1e-9)
    assert not given.outside.any()


@pytest.mark.parametrize("name", BENT)
def test_a_curve_that_calls_itself_nonlinear_is_so(name: str) -> None:
    found, p = with_parameters(name)
    at, u = inputs(found)
    z, u_z = (at[1], u[1]) if found.second is not None else (None, 0.0)
    _, spread = monte_carlo(found.value, at[0], u[0], p, None, z, u_z, draws=FEWER)
    along = np.sqrt(((slopes(found, p, at) * u) ** 2).sum(axis=0))
    # NaN where the draws leave what the curve can give
    assert not (np.abs(spread - along) <= WITHIN * along).all()


def bent_inputs(name: str) -> tuple[Float, Float]:
    """All of the domain, but for the inverse only what lies five uncertainties off its ends."""
    absolute, relative = ACCURACY[name]
    x = {
        "van_genuchten_1980": -np.geomspace(0.1, 1500.0, 9),
        "van_genuchten_1980_inverse": np.linspace(0.18, 0.335, 6),
    }[name]
    return x, absolute + relative * np.abs(x)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BENT)
def test_a_chain_gives_a_nonlinear_curve_the_uncertainty_of_many_draws(name: str) -> None:
    found, p = with_parameters(name)
    x, u = bent_inputs(name)
    covariance = np.outer(p, p) * OF_PARAMETER**2 * (0.4 + 0.6 * np.eye(len(p)))
    step = Step(found, p, covariance, model=1e-3)
    repeatability = float(u.min()) / 3.0
    given = apply_chain(x, SAME, (step,), u, repeatability)
    np.testing.assert_array_equal(given.value, found.value(x, p))
    _, spread = monte_carlo(found.value, x, u, p, covariance, draws=DRAWS)
    np.testing.assert_allclose(given.u_systematic, np.hypot(spread, 1e-3), rtol=OF_DRAWS)
    _, spread = monte_carlo(found.value, x, repeatability, p, draws=DRAWS)
    np.testing.assert_allclose(given.u_random, spread, rtol=OF_DRAWS)


def test_monte_carlo_agrees_with_the_first_order_of_a_curve_that_is_nearly_straight() -> None:
    found, p = with_parameters("topp_1980")
    x, covariance = np.array([5.0, 20.0]), np.diag((1e-3 * p) ** 2)
    mean, u = monte_carlo(found.value, x, 0.1, p, covariance, draws=4_000)
    along = apply_chain(x, SAME, (Step(found, p, covariance),), accuracy=0.1).u_systematic
    np.testing.assert_allclose(mean, found.value(x, p), atol=5e-4)
    np.testing.assert_allclose(u, along, rtol=0.05)


def test_monte_carlo_gives_the_same_bits_however_the_numbers_are_split() -> None:
    found, p = with_parameters("topp_1980")
    x = np.linspace(4.0, 30.0, 7)
    whole = monte_carlo(found.value, x, 0.5, p, draws=50)
    parts = [monte_carlo(found.value, piece, 0.5, p, draws=50) for piece in np.split(x, [3])]
    for k in range(2):
        assert np.concatenate([part[k] for part in parts]).tobytes() == whole[k].tobytes()
