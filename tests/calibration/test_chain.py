"""The chain: units and curves in a row, first-order uncertainty against Monte Carlo, no split."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_calibration import (
    SAME,
    Conversion,
    Curve,
    ParameterError,
    Second,
    SecondInput,
    Step,
    UnitError,
    apply_chain,
    conversion,
    find_curve,
    from_limits,
    prepare_step,
)
from edaphon_calibration.arrays import AT_ONCE, Float
from edaphon_calibration.chain import parameter_variance

DRAWS = 20_000
SAMPLING = 0.02  # four standard errors of a standard deviation from 20,000 draws


def test_counts_become_water_content_in_percent() -> None:
    raw = np.array([1800.0, 2000.0, 2600.0])
    step = prepare_step(find_curve("teros12_mineral"), from_unit="count")
    found = apply_chain(raw, SAME, (step,), final=conversion("m3/m3", "%"))
    np.testing.assert_allclose(found.value, [0.262, 8.02, 31.294], rtol=1e-12)
    np.testing.assert_allclose(found.u_systematic, 100 * 0.03 / np.sqrt(3), rtol=1e-12)
    assert found.u_random.tolist() == [0.0, 0.0, 0.0]
    assert found.outside.tolist() == [False, False, False]


def test_a_chain_without_steps_converts_value_and_uncertainty() -> None:
    found = apply_chain(
        np.array([32.0, 50.0]),
        conversion("degF", "degC"),
        (),
        accuracy=0.9,
        resolution=0.18,
        final=conversion("degC", "K"),
    )
    np.testing.assert_allclose(found.value, [273.15, 283.15], rtol=1e-15)
    np.testing.assert_allclose(found.u_systematic, 0.5, rtol=1e-12)
    np.testing.assert_allclose(found.u_random, 0.1 / np.sqrt(12), rtol=1e-12)


def test_two_curves_in_a_row_give_what_each_gives_alone() -> None:
    raw = np.linspace(1900, 2900, 11)
    first, second = (
        prepare_step(find_curve("teros12_permittivity")),
        prepare_step(find_curve("topp_1980")),
    )
    found = apply_chain(raw, SAME, (first, second))
    epsilon = first.curve.value(raw, first.parameters)
    theta = second.curve.value(epsilon, second.parameters)
    np.testing.assert_array_equal(found.value, theta)
    slope = second.curve.slope(epsilon, second.parameters)
    expected = np.hypot(first.model * slope, second.model)
    np.testing.assert_allclose(found.u_systematic, expected, rtol=1e-12)
    assert found.outside.tolist() == (epsilon < 3.0).tolist()


def test_a_step_converts_what_comes_to_its_input() -> None:
    step = prepare_step(find_curve("topp_1980"), from_unit="%")
    found = apply_chain(np.array([1000.0]), SAME, (step,))
    np.testing.assert_allclose(found.value, [0.1883], rtol=1e-12)


def test_missing_numbers_stay_missing_in_all_columns() -> None:
    step = prepare_step(find_curve("teros12_mineral"))
    raw = np.array([np.nan, 2000.0, np.inf, 1e300])
    for steps in ((), (step,), (prepare_step(find_curve("teros12_permittivity")),)):
        found = apply_chain(raw, SAME, steps, accuracy=1.0, repeatability=1.0)
        assert np.isnan(found.value[[0, 2]]).all()
        for column in (found.value, found.u_random, found.u_systematic):
            assert np.isnan(column[0])
            assert np.isfinite(column[1])
        assert not np.isinf(found.value).any()
        assert not found.outside[0]


def test_values_beyond_the_domain_are_told_and_not_clipped() -> None:
    found = apply_chain(np.array([1000.0]), SAME, (prepare_step(find_curve("teros12_mineral")),))
    assert found.outside.tolist() == [True]
    np.testing.assert_allclose(found.value, [-0.3077])


def test_a_calibration_can_state_its_own_domain() -> None:
    step = prepare_step(find_curve("polynomial"), {"c1": 2.0}, domain=(0.0, 10.0))
    assert apply_chain(np.array([5.0, 11.0]), SAME, (step,)).outside.tolist() == [False, True]


def test_drift_grows_with_the_years_since_the_calibration() -> None:
    step = prepare_step(find_curve("identity"), drift_per_year=0.1)
    found = apply_chain(np.zeros(3), SAME, (step,), ages=(np.array([0.0, 1.0, 10.0]),))
    np.testing.assert_allclose(found.u_systematic, [0.0, 0.1, 1.0])
    with pytest.raises(ParameterError, match="years since its calibration"):
        apply_chain(np.zeros(3), SAME, (step,))


def test_a_covariance_takes_the_place_of_the_curves_own_uncertainty() -> None:
    covariance = [[1e-4, 0.0], [0.0, 0.0]]
    replaced = prepare_step(find_curve("teros12_mineral"), covariance=covariance)
    both = prepare_step(find_curve("teros12_mineral"), covariance=covariance, model=0.02)
    raw = np.array([2000.0])
    assert apply_chain(raw, SAME, (replaced,)).u_systematic[0] == pytest.approx(0.01)
    assert apply_chain(raw, SAME, (both,)).u_systematic[0] == pytest.approx(np.hypot(0.01, 0.02))


def test_a_straight_line_fit_gives_the_uncertainty_of_the_gum_example() -> None:
    # JCGM 100:2008, H.3.4: b(30 degC) of the thermometer calibration, u = 0.0041 degC
    s_y1, s_y2, r = 0.0029, 0.00067, -0.930
    covariance = [[s_y1**2, r * s_y1 * s_y2], [r * s_y1 * s_y2, s_y2**2]]
    step = prepare_step(find_curve("polynomial"), {"c0": -0.1712, "c1": 0.00218}, covariance)
    found = apply_chain(np.array([10.0]), SAME, (step,))
    assert found.value[0] == pytest.approx(-0.1494, abs=5e-5)
    assert found.u_systematic[0] == pytest.approx(0.0041, abs=1e-4)


def test_a_covariance_follows_the_parameters_as_they_are_given() -> None:
    step = prepare_step(find_curve("polynomial"), {"c2": 1.0, "c1": 0.0}, [[4.0, 1.0], [1.0, 9.0]])
    assert step.covariance is not None
    assert step.covariance[1:3, 1:3].tolist() == [[9.0, 1.0], [1.0, 4.0]]
    assert step.covariance.sum() == 15.0


def test_a_makers_limits_are_read_as_rectangular() -> None:
    draws = np.random.default_rng(7).uniform(-0.3, 0.3, DRAWS)
    assert from_limits(0.3) == pytest.approx(draws.std(), rel=SAMPLING)


def test_the_variance_of_parameters_is_the_quadratic_form() -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(4, 4))
    covariance, gradient = root @ root.T, rng.normal(size=(4, 9))
    expected = np.einsum("in,ij,jn->n", gradient, covariance, gradient)
    np.testing.assert_allclose(parameter_variance(gradient, covariance), expected, rtol=1e-12)


def test_a_variance_is_never_negative_where_parameters_cancel() -> None:
    covariance = np.array([[1.0, 0.1], [0.1, 0.01]])
    x = np.linspace(0.1, 3.0, 1000)
    variance = parameter_variance(np.array([x * 0.1, -x]), covariance)
    assert (variance >= 0.0).all()
    assert variance.max() < 1e-15


def test_a_value_is_outside_if_any_step_says_so() -> None:
    inside, narrow = (
        prepare_step(find_curve("identity")),
        prepare_step(find_curve("identity"), domain=(0.0, 1.0)),
    )
    for steps in ((narrow, inside), (inside, narrow)):
        assert apply_chain(np.array([0.5, 2.0]), SAME, steps).outside.tolist() == [False, True]


def product(x: Float, p: Float, z: Float) -> Float:
    return x * z


PRODUCT = Curve(
    name="product",
    parameters={},
    value=product,
    slope=lambda x, p, z: z + 0.0 * x,
    gradient=lambda x, p, z: np.empty((0, len(x))),
    reference="definition",
    second=Second("soil_temperature", "degC", lambda x, p, z: x + 0.0 * z, (0.0, 40.0)),
)
MULTIPLIED = Step(PRODUCT, np.empty(0))


def test_a_second_input_adds_its_own_random_and_systematic_part() -> None:
    second = SecondInput(np.array([3.0, 4.0]), u_random=0.3, u_systematic=np.array([0.4, 0.0]))
    found = apply_chain(
        np.array([2.0, 5.0]),
        SAME,
        (MULTIPLIED,),
        accuracy=0.1,
        repeatability=0.2,
        seconds=(second,),
    )
    assert found.value.tolist() == [6.0, 20.0]
    np.testing.assert_allclose(found.u_random, np.hypot([0.6, 0.8], [0.6, 1.5]))
    np.testing.assert_allclose(found.u_systematic, np.hypot([0.3, 0.4], [0.8, 0.0]))


def test_an_unknown_second_input_leaves_no_number() -> None:
    for seconds in ((), (None,), (SecondInput(np.array([np.nan]), 0.1),)):
        found = apply_chain(np.array([2.0]), SAME, (MULTIPLIED,), accuracy=0.1, seconds=seconds)
        assert [np.isnan(c).all() for c in found[:3]] == [True] * 3
        assert found.outside.tolist() == [False]


def test_a_value_is_outside_if_its_second_input_is() -> None:
    second = SecondInput(np.array([-0.1, 0.0, 40.1]))
    found = apply_chain(np.ones(3), SAME, (MULTIPLIED,), seconds=(second,))
    assert found.outside.tolist() == [True, False, True]


def test_a_step_without_a_second_input_takes_none_of_it() -> None:
    steps = (prepare_step(find_curve("identity")), MULTIPLIED)
    found = apply_chain(np.array([2.0]), SAME, steps, seconds=(None, SecondInput(np.array([3.0]))))
    assert found.value.tolist() == [6.0]
    with pytest.raises(ValueError, match="zip"):
        apply_chain(np.array([2.0]), SAME, steps, seconds=(None,))


def test_uncertainty_of_a_chain_agrees_with_monte_carlo() -> None:
    first, second = (
        prepare_step(find_curve("teros12_permittivity")),
        prepare_step(find_curve("topp_1980")),
    )
    rng = np.random.default_rng(13)
    raw, accuracy = 2400.0, 3.0
    epsilon = first.curve.value(rng.normal(raw, accuracy, DRAWS), first.parameters)
    epsilon += rng.normal(0.0, first.model, DRAWS)
    theta = second.curve.value(epsilon, second.parameters) + rng.normal(0, second.model, DRAWS)
    found = apply_chain(
        np.array([raw]), SAME, (first, second), accuracy=accuracy, final=conversion("m3/m3", "%")
    )
    assert found.u_systematic[0] == pytest.approx(100 * theta.std(), rel=SAMPLING)


STEPS = (
    prepare_step(find_curve("teros12_permittivity"), drift_per_year=0.1),
    prepare_step(find_curve("topp_1980"), covariance=(1e-8 * np.eye(4)).tolist()),
    replace(
        prepare_step(find_curve("linear"), {"c0": 0.1, "c1": 0.9}),
        before=prepare_step(find_curve("identity")),
    ),
)


@given(st.lists(st.floats(1700, 3500) | st.just(np.nan), min_size=1, max_size=60), st.integers(1))
def test_a_chain_gives_the_same_bits_however_the_stream_is_split(
    numbers: list[float], size: int
) -> None:
    raw = np.array(numbers)
    ages = np.arange(len(raw)) / 10.0
    whole = _run(raw, ages)
    for length in {1, 2, 3, size % len(raw) + 1}:
        cuts = range(length, len(raw), length)
        pieces = zip(np.split(raw, cuts), np.split(ages, cuts), strict=True)
        parts = [_run(piece.copy(), age.copy()) for piece, age in pieces]
        for column in range(4):
            joined = np.concatenate([part[column] for part in parts])
            assert joined.tobytes() == whole[column].tobytes()


def _run(raw: Float, ages: Float) -> tuple[Float, ...]:
    found = apply_chain(
        raw,
        conversion("count", "count"),
        STEPS,
        accuracy=2.0,
        repeatability=1.0,
        resolution=0.1,
        final=conversion("m3/m3", "%"),
        ages=(ages, 0.0, 0.0),
        progress=(None, None, ages / 7.0),
    )
    return (found.value, found.u_random, found.u_systematic, found.outside.astype(np.float64))


EARLY = prepare_step(
    find_curve("linear"),
    {"c0": 0.4, "c1": 1.9},
    [[0.04, -0.01], [-0.01, 0.01]],
    from_unit=None,
    model=0.05,
    domain=(-1.0, 30.0),
)
LATE = prepare_step(
    find_curve("polynomial"), {"c0": 0.9, "c1": 2.2, "c2": 1e-3}, domain=(0.0, 40.0), model=0.3
)
PAIR = replace(LATE, conversion=Conversion(0.5, 1.0), before=EARLY)


def test_between_two_calibrations_the_drift_is_even() -> None:
    raw, z = np.array([2.0, 10.0, 20.0]), np.array([0.25, 0.5, 0.9])
    found = apply_chain(
        raw, SAME, (PAIR,), accuracy=0.2, repeatability=0.1, progress=(z,), ages=(0.0,)
    )
    late_x = 0.5 * raw + 1.0
    early, late = 0.4 + 1.9 * raw, 0.9 + 2.2 * late_x + 1e-3 * late_x**2
    np.testing.assert_allclose(found.value, (1 - z) * early + z * late, rtol=1e-14)
    slope = (1 - z) * 1.9 + z * (2.2 + 2e-3 * late_x) * 0.5
    of_early = 0.04 - 0.02 * raw + 0.01 * raw**2 + 0.05**2
    own = (1 - z) ** 2 * of_early + z**2 * 0.3**2
    np.testing.assert_allclose(found.u_random, 0.1 * slope, rtol=1e-12)
    np.testing.assert_allclose(found.u_systematic, np.sqrt((0.2 * slope) ** 2 + own), rtol=1e-12)


def test_uncertainty_between_two_calibrations_agrees_with_monte_carlo() -> None:
    rng = np.random.default_rng(17)
    raw, z, accuracy = 10.0, 0.4, 0.2
    x = raw + accuracy * rng.normal(size=DRAWS)
    assert EARLY.covariance is not None
    c0, c1 = rng.multivariate_normal([0.4, 1.9], EARLY.covariance[:2, :2], DRAWS).T
    early = c0 + c1 * x + 0.05 * rng.normal(size=DRAWS)
    late_x = 0.5 * x + 1.0
    late = 0.9 + 2.2 * late_x + 1e-3 * late_x**2 + 0.3 * rng.normal(size=DRAWS)
    drawn = (1 - z) * early + z * late
    found = apply_chain(np.array([raw]), SAME, (PAIR,), accuracy=accuracy, progress=(z,))
    assert found.value[0] == pytest.approx(drawn.mean(), abs=0.02)
    assert found.u_systematic[0] == pytest.approx(drawn.std(), rel=SAMPLING)


@pytest.mark.parametrize(("share", "same"), [(0.0, EARLY), (1.0, replace(PAIR, before=None))])
def test_at_either_end_a_pair_is_the_calibration_of_that_day(share: float, same: Step) -> None:
    raw = np.array([-3.0, -0.21052631578947367, 0.0, 7.3, np.nan, 80.0, 1e308, -1e160])
    known = {"accuracy": 0.2, "repeatability": 0.1}
    for progress in (share, np.full(len(raw), share)):
        paired = apply_chain(raw, SAME, (PAIR,), **known, progress=(progress,))  # type: ignore[arg-type]
        alone = apply_chain(raw, SAME, (same,), **known)  # type: ignore[arg-type]
        for column in range(3):
            assert paired[column].tobytes() == alone[column].tobytes()


def test_a_pair_is_outside_where_either_calibration_or_the_time_is() -> None:
    raw = np.array([-1.5, 5.0, 31.0, 35.0, -1.1, 5.0, 5.0, 5.0])
    z = np.array([0.5, 0.5, 0.5, 0.5, 0.5, -0.01, 1.01, np.nan])
    found = apply_chain(raw, SAME, (PAIR,), progress=(z,))
    assert found.outside.tolist() == [True, False, True, True, True, True, True, False]
    inside = apply_chain(raw[1:2], SAME, (PAIR,), progress=(0.0,)).value
    ends = apply_chain(raw[1:2], SAME, (PAIR,), progress=(1.0,)).value
    np.testing.assert_allclose(found.value[6], inside + 1.01 * (ends - inside), rtol=1e-14)
    assert [np.isnan(column[7]) for column in found[:3]] == [True, True, True]


def test_a_pair_drifts_on_as_the_later_calibration_says() -> None:
    early = prepare_step(find_curve("identity"), drift_per_year=9.0)
    still = prepare_step(find_curve("identity"))
    for step, drift in ((still, 0.0), (replace(still, drift_per_year=0.1), 0.2)):
        pair = replace(step, before=early)
        found = apply_chain(np.ones(1), SAME, (pair,), ages=(2.0,), progress=(1.5,))
        assert found.u_systematic.tolist() == [drift]


def test_both_calibrations_of_a_pair_take_the_same_second_input() -> None:
    second = SecondInput(np.array([3.0]), u_random=0.3, u_systematic=0.4)
    for before, share_of_z in ((MULTIPLIED, 1.0), (prepare_step(find_curve("identity")), 0.25)):
        pair = replace(MULTIPLIED, before=before)
        found = apply_chain(np.array([2.0]), SAME, (pair,), seconds=(second,), progress=(0.25,))
        assert found.u_systematic[0] == pytest.approx(share_of_z * 2.0 * 0.4)
    assert found.value[0] == pytest.approx(0.75 * 2.0 + 0.25 * 6.0)


def test_a_pair_needs_to_know_how_far_each_value_lies_between() -> None:
    inside = prepare_step(find_curve("identity"))
    for progress in ((), (None, 0.5)):
        with pytest.raises(ParameterError, match="the calibration before"):
            apply_chain(np.ones(1), SAME, (PAIR, inside), progress=progress)
    apply_chain(np.ones(1), SAME, (PAIR, inside), progress=(0.5, None))


def test_one_number_has_the_bits_that_it_has_in_an_array_of_many_blocks() -> None:
    n = 2 * AT_ONCE + 7
    raw, ages = np.linspace(1700.0, 3500.0, n), np.linspace(0.0, 9.0, n)
    raw[[5, AT_ONCE, n - 1]] = np.nan, np.inf, -np.inf
    whole = _run(raw, ages)
    firsts = (0, 5, 99, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE, n - 1)
    pieces = [slice(k, k + 1) for k in firsts] + [slice(50, 151), slice(AT_ONCE - 9, n - 3)]
    for at in pieces:
        part = _run(raw[at].copy(), ages[at].copy())
        for column in range(4):
            assert part[column].tobytes() == whole[column][at].tobytes()


def test_what_goes_beside_a_step_is_cut_into_the_same_blocks() -> None:
    n = AT_ONCE + 3
    z, u = np.linspace(0.0, 40.0, n), np.linspace(0.0, 1.0, n)
    second = SecondInput(z, u_random=u, u_systematic=2.0 * u)
    pair = replace(MULTIPLIED, before=prepare_step(find_curve("identity")))
    given = {"accuracy": u, "seconds": (second,), "progress": (u,)}
    found = apply_chain(np.full(n, 2.0), SAME, (pair,), **given)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.value, (1.0 - u) * 2.0 + u * 2.0 * z, rtol=1e-14)
    np.testing.assert_allclose(found.u_random, u * 2.0 * u, rtol=1e-14)
    slope = 1.0 - u + u * z
    systematic = np.sqrt((slope * u) ** 2 + (u * 2.0 * 2.0 * u) ** 2)
    np.testing.assert_allclose(found.u_systematic, systematic, rtol=1e-14)


def test_the_input_is_left_as_it_came() -> None:
    raw = np.array([1.0, 2.0])
    found = apply_chain(raw, SAME, ())
    found.value[0] = 9.0
    assert raw.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"parameters": {"c9": 1.0}}, ParameterError, "c9"),
        ({"from_unit": "degC"}, UnitError, "came 'degC'"),
        ({"covariance": [[1.0]]}, ParameterError, "of the parameters given or of c0, c1; came"),
        ({"covariance": [[1.0, 0.5], [0.4, 1.0]]}, ParameterError, "symmetric"),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, ParameterError, "negative variances"),
        ({"covariance": [[-1.0, 0.0], [0.0, 1.0]]}, ParameterError, "negative variances"),
        ({"covariance": [[np.nan, 0.0], [0.0, 1.0]]}, ParameterError, "finite"),
        ({"model": -1.0}, ParameterError, "model uncertainty >= 0"),
        ({"drift_per_year": np.inf}, ParameterError, "drift per year >= 0"),
        ({"domain": (2.0, 1.0)}, ParameterError, "domain low, high"),
    ],
)
def test_a_step_that_does_not_fit_is_refused(
    changed: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        prepare_step(find_curve("teros12_mineral"), **changed)  # type: ignore[arg-type]
