"""Curves: published numbers, exact derivatives, domains, parameters, and no bit lost by a split."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.calibration.examples import grid, second_input, with_parameters

from edaphon_calibration import (
    ParameterError,
    UnknownCurve,
    check_unit,
    conversion,
    curve_names,
    find_curve,
    prepare_step,
)
from edaphon_calibration.arrays import Float
from edaphon_calibration.checks import known_checks
from edaphon_calibration.curves import known_curves
from edaphon_calibration.errors import Family, known_of


def test_every_curve_says_what_it_is() -> None:
    for name in curve_names():
        found = find_curve(name)
        assert found.name == name
        assert found.reference, name
        assert found.domain[0] < found.domain[1], name
        assert found.uncertainty >= 0.0, name
        assert (found.from_unit is None) == (found.to_unit is None), name
        if found.to_unit is not None and found.from_unit is not None:
            assert check_unit(found.to_unit, found.quantity) == found.to_unit
            assert conversion(found.from_unit, found.from_unit).scale == 1.0


@pytest.mark.parametrize("name", curve_names())
def test_the_worked_example_of_every_curve_is_right(name: str) -> None:
    found = find_curve(name)
    assert found.example is not None
    x, y, z, parameters = found.example
    p = found.parameter_vector(parameters)
    second = () if z is None else (np.array([z]),)
    decimals = len(repr(y).partition(".")[2])
    assert round(float(found.value(np.array([x]), p, *second)[0]), decimals) == y


@pytest.mark.parametrize("name", curve_names())
def test_every_curve_has_a_title_of_one_sentence_and_says_where_it_comes_from(name: str) -> None:
    found = find_curve(name)
    assert "\n" not in found.title
    assert found.title.endswith(".")
    assert found.reference == "definition" or "References: " in found.notes


def test_no_two_curves_have_the_same_name() -> None:
    assert known_curves().problems == known_checks().problems == ()
    line = find_curve("linear")
    own, other, third = Family("", (line,)), Family("a 1", (replace(line),)), Family("b 2", (line,))
    known = known_of([own, other])
    assert known.by_name["linear"] is line
    assert (known.packages, known.problems) == ({}, ("linear is in edaphon and a 1: remove one",))
    known = known_of([other, third])
    assert known.by_name == {}
    assert known.problems == ("linear is in a 1 and b 2: remove one",)


def test_a_line_takes_the_names_of_old_certificates_for_ever() -> None:
    line = find_curve("linear")
    old, new = {"c1": 2.0, "c0": 0.5}, {"offset": 0.5, "slope": 2.0}
    assert line.parameter_vector(old).tolist() == line.parameter_vector(new).tolist() == [0.5, 2.0]
    assert line.in_order(old) == ("c0", "c1")
    assert line.in_order(["slope", "gain", "c0"]) == ("c0", "slope")
    assert line.spelled({"c1": 2.0}) == ("c0", "c1")
    assert line.spelled({"slope": 2.0}) == line.spelled(()) == ("offset", "slope")
    rows = [[0.04, 0.0], [0.0, 1e-6]]
    by_old = prepare_step(line, old, rows)
    assert by_old.covariance is not None
    assert np.diag(by_old.covariance).tolist() == [1e-6, 0.04]
    with pytest.raises(ParameterError, match="each parameter once; came c0, offset"):
        line.parameter_vector({"c0": 0.5, "offset": 0.5, "slope": 2.0})


def test_a_parameter_that_is_missing_is_named_as_the_curve_names_it() -> None:
    with pytest.raises(ParameterError, match="parameter slope is missing"):
        find_curve("linear").parameter_vector({"c0": 1.0})


def small_steps(x: Float) -> Float:
    """For each number a step that is small against it and against the range of all."""
    return 1e-6 * (np.abs(x) + 1e-2 * (x.max() - x.min()))


@pytest.mark.parametrize("name", curve_names())
def test_the_slope_is_the_derivative_in_x(name: str) -> None:
    found, p = with_parameters(name)
    # a curve may have a kink at the ends of its domain
    x, z = grid(found)[1:-1], tuple(column[1:-1] for column in second_input(found))
    step = small_steps(x)
    central = (found.value(x + step, p, *z) - found.value(x - step, p, *z)) / (2 * step)
    np.testing.assert_allclose(found.slope(x, p, *z), central, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in curve_names() if find_curve(n).second is not None])
def test_the_slope_of_the_second_input_is_the_derivative_in_z(name: str) -> None:
    found, p = with_parameters(name)
    second = found.second
    assert second is not None
    assert check_unit(second.unit, second.quantity) == second.unit
    assert second.domain[0] < second.domain[1]
    x, (z,) = grid(found)[1:-1], second_input(found)
    z = z[1:-1]
    step = 30.0 * small_steps(z)  # wide, where an inverse was found by steps
    central = (found.value(x, p, z + step) - found.value(x, p, z - step)) / (2 * step)
    slope = second.slope(x, p, z)
    least = max(1e-9, 2e-6 * float(np.abs(slope).max()))
    np.testing.assert_allclose(slope, central, rtol=2e-6, atol=least)


@pytest.mark.parametrize("name", [n for n in curve_names() if find_curve(n).second is not None])
def test_without_its_second_input_a_curve_has_no_number(name: str) -> None:
    found, p = with_parameters(name)
    assert found.second is not None
    x, (z,) = grid(found, 3), second_input(found, 3)
    z[[0, 2]] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        columns = [of(x, p, z) for of in (found.value, found.slope, found.second.slope)]
        columns += list(found.gradient(x, p, z))
    for column in columns:
        assert np.isnan(column).tolist() == [True, False, True]


@pytest.mark.parametrize("name", curve_names())
def test_the_gradient_is_the_derivative_in_each_parameter(name: str) -> None:
    found, p = with_parameters(name)
    x = grid(found)
    z = second_input(found)
    gradient = found.gradient(x, p, *z)
    assert gradient.shape == (len(p), len(x))
    for k in range(len(p)):
        up, down = p.copy(), p.copy()
        step = 1e-6 * (abs(p[k]) or 1e-3)
        up[k] += step
        down[k] -= step
        central = (found.value(x, up, *z) - found.value(x, down, *z)) / (up[k] - down[k])
        # a coefficient of t⁴ moves nothing near t = 0: there the difference is all rounding
        least = max(1e-6, 1e-7 * float(np.abs(gradient[k]).max()))
        np.testing.assert_allclose(gradient[k], central, rtol=1e-5, atol=least)


@pytest.mark.parametrize("name", curve_names())
def test_what_is_not_finite_becomes_nan_in_all_three(name: str) -> None:
    found, p = with_parameters(name)
    inside = float(grid(found)[50])
    x = np.array([np.nan, inside, np.inf])
    with np.errstate(invalid="ignore"):
        z = tuple(np.full(3, column[50]) for column in second_input(found))
        columns = (found.value(x, p, *z), found.slope(x, p, *z), *found.gradient(x, p, *z))
    for column in columns:
        assert np.isnan(column).tolist() == [True, False, True]


@pytest.mark.parametrize("name", curve_names())
def test_arrays_are_left_as_they_came_and_doubles_come_out(name: str) -> None:
    found, p = with_parameters(name)
    x = grid(found)
    z = second_input(found)
    before, p_before = x.copy(), p.copy()
    for column in (found.value(x, p, *z), found.slope(x, p, *z), found.gradient(x, p, *z)):
        assert column.dtype == np.float64
        assert not np.shares_memory(column, x)
    assert x.tobytes() == before.tobytes()
    assert p.tobytes() == p_before.tobytes()


@pytest.mark.parametrize("name", curve_names())
def test_every_split_of_an_array_gives_the_same_bits(name: str) -> None:
    found, p = with_parameters(name)
    places = np.random.default_rng(5).random(37)
    columns = [c[0] + places * (c[-1] - c[0]) for c in (grid(found), *second_input(found))]
    second = () if found.second is None else (found.second.slope,)
    for of in (found.value, found.slope, found.gradient, *second):
        whole = _parts(of, columns, p, [])
        # lengths of 1, 2, 3 .. end in every way that the processor's wide registers can end
        for cuts in ([1], [2, 5], [9, 20], [16, 33], list(range(1, len(places)))):
            assert _parts(of, columns, p, cuts) == whole


def _parts(of: Callable[..., Float], columns: list[Float], p: Float, cuts: list[int]) -> bytes:
    pieces = zip(*(np.split(column, cuts) for column in columns), strict=True)
    parts = [of(x.copy(), p, *(z.copy() for z in second)) for x, *second in pieces]
    return np.concatenate(parts, axis=-1).tobytes()


def test_outside_marks_what_leaves_the_domain_and_not_of_nan() -> None:
    for name in curve_names():
        found = find_curve(name)
        lowest, highest = found.domain
        below, above = np.nextafter(lowest, -np.inf), np.nextafter(highest, np.inf)
        outside = found.outside(np.array([below, lowest, highest, above, np.nan])).tolist()
        assert outside == [np.isfinite(lowest), False, False, np.isfinite(highest), False], name


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


def test_a_table_needs_its_first_two_points_and_no_other() -> None:
    table = find_curve("table")
    two = {"points": 2, "x1": 1.0, "y1": 10.0, "x2": 3.0, "y2": 14.0}
    assert table.value(np.array([2.0, 4.0]), table.parameter_vector(two)).tolist() == [12.0, 16.0]
    for missing in ("x1", "y1", "x2", "y2"):
        with pytest.raises(ParameterError, match=f"parameter {missing} is missing"):
            table.parameter_vector({name: x for name, x in two.items() if name != missing})


def test_a_polynomial_reaches_degree_six() -> None:
    found = find_curve("polynomial")
    p = found.parameter_vector({f"c{k}": 1.0 for k in range(7)})
    assert found.value(np.array([2.0]), p).tolist() == [127.0]


@pytest.mark.parametrize(
    "name",
    ["teros12", "definition", "Teros12_Mineral", "../units", "os", "", "a" * 500, "__init__"],
)
def test_an_unknown_curve_is_refused(name: str) -> None:
    with pytest.raises(UnknownCurve, match="expected the name of a curve"):
        find_curve(name)


def test_an_unknown_curve_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownCurve, match="did you mean teros12_mineral"):
        find_curve("teros12_minerals")
    with pytest.raises(UnknownCurve, match="did you mean topp_1980"):
        find_curve("topp")


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
        find_curve("polynomial").parameter_vector(given_parameters)


def test_defaults_fill_what_is_not_given_and_integers_become_doubles() -> None:
    assert find_curve("teros12_mineral").parameter_vector({"c0": -1}).tolist() == [-1.0, 3.879e-4]
