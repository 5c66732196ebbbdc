"""Curves: published numbers, exact derivatives, domains, parameters, and no bit lost by a split."""

import doctest
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_calibration import (
    Curve,
    ParameterError,
    UnknownCurve,
    check_unit,
    conversion,
    curve,
    curve_names,
)
from edaphon_calibration.arrays import Float

FINITE = {
    "polynomial": {"c0": 0.5, "c1": -2.0, "c2": 0.25, "c4": 1e-2, "c6": -1e-3},
    "ndir_ideal_gas": {"pressure": 90.0, "temperature": 5.0},
}


def with_parameters(name: str) -> tuple[Curve, Float]:
    found = curve(name)
    return found, found.parameter_vector(FINITE.get(name))


def grid(found: Curve, n: int = 101) -> Float:
    """Points inside the domain, or from -3 to 3 where there is none."""
    lowest, highest = (max(-3.0, found.domain[0]), found.domain[1])
    return np.linspace(lowest, highest if np.isfinite(highest) else 3.0, n)


@pytest.mark.parametrize("name", curve_names())
def test_a_curve_says_what_it_is(name: str) -> None:
    found = curve(name)
    assert found.name == name
    assert found.reference
    assert found.domain[0] < found.domain[1]
    assert found.uncertainty >= 0.0
    if found.to_unit is not None:
        assert found.quantity is not None
        assert found.from_unit is not None
        assert check_unit(found.to_unit, found.quantity) == found.to_unit
        assert conversion(found.from_unit, found.from_unit).scale == 1.0


@pytest.mark.parametrize("name", curve_names())
def test_a_curve_has_one_worked_example(name: str) -> None:
    module = import_module(f"edaphon_calibration.curves.{name}")
    tested = doctest.testmod(module)
    assert tested.attempted >= 1
    assert tested.failed == 0


@pytest.mark.parametrize("name", curve_names())
def test_the_slope_is_the_derivative_in_x(name: str) -> None:
    found, p = with_parameters(name)
    x = grid(found)
    step = 1e-6 * max(1.0, float(np.abs(x).max()))
    central = (found.value(x + step, p) - found.value(x - step, p)) / (2 * step)
    np.testing.assert_allclose(found.slope(x, p), central, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", curve_names())
def test_the_gradient_is_the_derivative_in_each_parameter(name: str) -> None:
    found, p = with_parameters(name)
    x = grid(found)
    gradient = found.gradient(x, p)
    assert gradient.shape == (len(p), len(x))
    for k in range(len(p)):
        up, down = p.copy(), p.copy()
        step = 1e-6 * (abs(p[k]) or 1e-3)
        up[k] += step
        down[k] -= step
        central = (found.value(x, up) - found.value(x, down)) / (up[k] - down[k])
        np.testing.assert_allclose(gradient[k], central, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", curve_names())
def test_what_is_not_finite_becomes_nan_in_all_three(name: str) -> None:
    found, p = with_parameters(name)
    inside = float(grid(found)[50])
    x = np.array([np.nan, inside, np.inf])
    with np.errstate(invalid="ignore"):
        columns = (found.value(x, p), found.slope(x, p), *found.gradient(x, p))
    for column in columns:
        assert np.isnan(column).tolist() == [True, False, True]


@pytest.mark.parametrize("name", curve_names())
def test_arrays_are_left_as_they_came_and_doubles_come_out(name: str) -> None:
    found, p = with_parameters(name)
    x = grid(found)
    before, p_before = x.copy(), p.copy()
    for column in (found.value(x, p), found.slope(x, p), found.gradient(x, p)):
        assert column.dtype == np.float64
        assert not np.shares_memory(column, x)
    assert x.tobytes() == before.tobytes()
    assert p.tobytes() == p_before.tobytes()


@pytest.mark.parametrize("name", curve_names())
@given(
    where=st.lists(st.floats(0, 1), min_size=1, max_size=70),
    cut=st.integers(0, 70),
)
def test_every_split_of_an_array_gives_the_same_bits(
    name: str, where: list[float], cut: int
) -> None:
    found, p = with_parameters(name)
    span = grid(found)
    x = span[0] + np.array(where) * (span[-1] - span[0])
    cut = min(cut, len(x))
    for of in (found.value, found.slope, found.gradient):
        parts = [of(part.copy(), p) for part in (x[:cut], x[cut:]) if len(part)]
        single = [of(x[i : i + 1].copy(), p) for i in range(len(x))]
        whole = of(x, p)
        assert np.concatenate(parts, axis=-1).tobytes() == whole.tobytes()
        assert np.concatenate(single, axis=-1).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", curve_names())
def test_outside_tells_of_the_domain_and_not_of_nan(name: str) -> None:
    found = curve(name)
    lowest, highest = found.domain
    x = np.array([np.nextafter(lowest, -np.inf), lowest, highest, np.nextafter(highest, np.inf)])
    bounded = bool(np.isfinite(lowest))
    assert found.outside(x).tolist() == [bounded, False, False, bounded]
    assert found.outside(np.array([np.nan])).tolist() == [False]


# METER TEROS 11/12 manual, section 4.1, equations 5 to 7, worked out in decimal arithmetic.
TEROS12 = {
    "teros12_mineral": [
        (1800, 0.00262),
        (2000, 0.0802),
        (2200, 0.15778),
        (2600, 0.31294),
        (3000, 0.4681),
        (3200, 0.54568),
    ],
    "teros12_soilless": [
        (1800, -0.0033528),
        (2000, 0.1888),
        (2200, 0.2975608),
        (2600, 0.3949096),
        (3000, 0.5487),
        (3200, 0.7280128),
    ],
    "teros12_permittivity": [
        (1800, 1.046496264),
        (2000, 4.104676),
        (2200, 7.566768602),
        (2400, 11.12814875),
        (2600, 15.36571009),
        (2800, 21.54281675),
    ],
}


@pytest.mark.parametrize("name", TEROS12)
def test_teros12_curves_give_the_numbers_of_the_manual(name: str) -> None:
    found, p = with_parameters(name)
    raw, expected = np.array(TEROS12[name], np.float64).T
    np.testing.assert_allclose(found.value(raw, p), expected, rtol=1e-9, atol=1e-9)


def test_the_domain_of_teros12_curves_is_the_specified_range_of_the_output() -> None:
    for name, lowest, highest in (
        ("teros12_mineral", 0.0, 0.70),
        ("teros12_soilless", 0.0, 1.0),
        ("teros12_permittivity", 1.0, 80.0),
    ):
        found, p = with_parameters(name)
        ends = found.value(np.array(found.domain), p)
        np.testing.assert_allclose(ends, [lowest, highest], rtol=1e-3, atol=1e-4)


def test_a_polynomial_reaches_degree_six() -> None:
    found = curve("polynomial")
    p = found.parameter_vector({f"c{k}": 1.0 for k in range(7)})
    assert found.value(np.array([2.0]), p).tolist() == [127.0]


@pytest.mark.parametrize(
    "name",
    ["teros12", "definition", "Teros12_Mineral", "../units", "os", "", "a" * 500, "__init__"],
)
def test_an_unknown_curve_is_refused(name: str) -> None:
    with pytest.raises(UnknownCurve, match="expected the name of a curve"):
        curve(name)


def test_an_unknown_curve_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownCurve, match="did you mean teros12_mineral"):
        curve("teros12_minerals")


@pytest.mark.parametrize(
    ("given_parameters", "words"),
    [
        ({"c0": 1.0}, "c1 is missing"),
        ({"c1": 1.0, "k0": 1.0}, "came 'k0'"),
        ({"c1": float("nan")}, "finite number for c1; came nan"),
        ({"c1": True}, "came True"),
        ({"c1": "1"}, "came '1'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    given_parameters: dict[str, float], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        curve("polynomial").parameter_vector(given_parameters)


def test_defaults_fill_what_is_not_given_and_integers_become_doubles() -> None:
    assert curve("teros12_mineral").parameter_vector({"c0": -1}).tolist() == [-1.0, 3.879e-4]
