"""Soil curves: printed numbers, what public copies disagree about, poles and turning points."""

import numpy as np
import pytest

from edaphon_calibration import SAME, SecondInput, apply_chain, find_curve, prepare_step
from edaphon_calibration.arrays import Float


def at(name: str, x: object, *z: object, **given: float) -> Float:
    found = find_curve(name)
    columns = np.broadcast_arrays(*(np.atleast_1d(np.array(c, np.float64)) for c in (x, *z)))
    return found.value(columns[0].copy(), found.parameter_vector(given), *columns[1:])


def test_the_cs616_manual_prints_what_its_quadratic_gives() -> None:
    # manual, section 8: 16 us is about 1.2 %, 32 us 44.9 %; the line is within 2.7 % of it
    np.testing.assert_allclose(at("cs616_quadratic", [16.0, 32.0]), [0.012, 0.449], atol=5e-4)
    period = np.linspace(16.0, 32.0, 50)
    apart = at("cs616_linear", period) - at("cs616_quadratic", period)
    assert np.abs(apart).max() == pytest.approx(0.027, abs=0.001)


def test_the_temperature_of_a_cs616_counts_for_nothing_at_20_degrees() -> None:
    period = np.array([18.0, 25.0, 32.0])
    np.testing.assert_array_equal(at("cs616_temperature", period, 20.0), period)
    assert (at("cs616_temperature", period, 30.0) < period).all()
    assert (at("cs616_temperature", period, 10.0) > period).all()


def test_a_period_goes_through_temperature_to_water_content() -> None:
    steps = (
        prepare_step(find_curve("cs616_temperature"), from_unit="us"),
        prepare_step(find_curve("cs616_quadratic")),
    )
    warmth = SecondInput(np.array([35.0]), u_systematic=0.5)
    raw = np.array([28.0])
    found = apply_chain(raw, SAME, steps, seconds=(warmth, None))
    without = apply_chain(raw, SAME, steps, seconds=(SecondInput(warmth.value), None))
    # 28 + (20 - 35) (0.526 - 0.052 * 28 + 0.00136 * 28²) = 25.9564
    assert found.value[0] == pytest.approx(-0.0663 - 0.0063 * 25.9564 + 7e-4 * 25.9564**2)
    assert found.u_systematic[0] > without.u_systematic[0]
    assert not found.outside[0]


def test_the_parts_of_the_pr2_in_a_row_agree_with_the_makers_expansion() -> None:
    volts = np.linspace(0.1, 0.9, 30)
    two = at("deltat_mineral", at("deltat_pr2_permittivity", volts))
    np.testing.assert_allclose(two, at("deltat_pr2_mineral", volts), atol=0.0012)


@pytest.mark.parametrize("name", ["deltat_pr2_permittivity", "deltat_pr2_mineral"])
def test_the_pr2_is_outside_where_its_polynomial_turns_over(name: str) -> None:
    assert find_curve(name).outside(np.array([0.0, 0.05, 0.06])).tolist() == [True, True, False]
    assert at(name, 0.0)[0] > at(name, 0.055)[0]
    assert (np.diff(at(name, np.linspace(0.06, 1.0, 200))) > 0).all()


def test_the_organic_curve_of_roth_has_a_minus() -> None:
    # with the plus of another public copy, dry organic soil would hold 10 % of water
    assert at("roth_1992_organic", 3.0)[0] == pytest.approx(0.0584, abs=5e-5)


def test_malicki_takes_the_second_coefficient_for_the_square() -> None:
    expected = (4.0 - 0.819 - 0.168 * 0.5 - 0.159 * 0.25) / (7.17 + 1.18 * 0.5)
    assert at("malicki_1996_density", 16.0, bulk_density=0.5)[0] == pytest.approx(expected)


def test_crim_gives_nothing_in_dry_and_porosity_in_saturated_soil() -> None:
    n, solid, water = 0.49, np.sqrt(3.29), np.sqrt(80.0)
    ends = [((1 - n) * solid + n) ** 2, ((1 - n) * solid + n * water) ** 2]
    np.testing.assert_allclose(at("crim", ends, porosity=n), [0.0, n], atol=1e-15)


def test_crim_is_below_the_public_copy_with_the_misplaced_bracket() -> None:
    slip = (np.sqrt(10.0) - (1 - 0.49 * np.sqrt(3.29)) - 0.49) / (np.sqrt(80.0) - 1)
    assert slip - at("crim", 10.0, porosity=0.49)[0] == pytest.approx(0.1024, abs=1e-4)


def test_the_published_polynomial_for_permittivity_is_not_the_inverse() -> None:
    theta = np.linspace(0.05, 0.5, 40)
    there = at("topp_1980", at("topp_1980_inverse", theta))
    np.testing.assert_allclose(there, theta, atol=1e-12)
    apart = np.abs(at("topp_1980", at("topp_1980_permittivity", theta)) - theta)
    assert 0.02 < apart.max() < 0.025


def test_the_inverse_of_topp_settles_far_beyond_its_domain() -> None:
    theta = np.array([-0.05, 0.0, 0.7, 0.9])
    np.testing.assert_allclose(at("topp_1980", at("topp_1980_inverse", theta)), theta, atol=1e-10)


def test_counts_of_an_smt100_beyond_the_pole_are_outside() -> None:
    found = find_curve("smt100_permittivity")
    assert found.outside(np.array([8000.0, 9000.0, 9200.0, 18000.0])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert at("smt100_permittivity", 8000.0)[0] < 0.0
    assert at("smt100_permittivity", 18000.0)[0] == pytest.approx(1.8342)
    assert at("smt100_permittivity", found.domain[0])[0] == pytest.approx(80.0, rel=1e-3)


def test_an_smt100_at_the_pole_has_no_number() -> None:
    # alpha c + beta is exactly 0 at c = 1
    pole = {"alpha": -0.25, "beta": 0.25}
    assert np.isnan(at("smt100_permittivity", 13000.0, **pole)).all()


def test_a_soil_sensor_in_frozen_soil_has_no_number() -> None:
    found = at("tomst_tms", [1500.0, 1500.0, 1500.0], [-0.01, 0.0, 24.0])
    assert np.isnan(found).tolist() == [True, False, False]


def test_counts_at_24_degrees_need_no_correction() -> None:
    a, b, c = -3e-9, 0.000161192, -0.109956505  # myClim, class sand
    found = at("tomst_tms", 2200.0, 24.0, a=a, b=b, c=c)
    assert found[0] == pytest.approx(a * 2200**2 + b * 2200 + c)


def test_a_water_content_below_nothing_is_told_and_not_clipped() -> None:
    assert at("tomst_tms", 200.0, 24.0)[0] < 0.0
    assert find_curve("tomst_tms").outside(np.array([200.0])).tolist() == [True]


def test_pore_water_has_no_conductivity_where_the_soil_is_as_dry_as_its_offset() -> None:
    found = at("hilhorst_2000", 0.2, [4.0, 4.1, 15.0])
    assert np.isnan(found).tolist() == [True, True, False]
    second = find_curve("hilhorst_2000").second
    assert second is not None
    assert second.outside(np.array([9.0, 10.0])).tolist() == [True, False]


def test_conductivity_is_compensated_once() -> None:
    assert find_curve("conductivity_at_25").compensates == ("25 degC",)
    assert at("conductivity_at_25", 0.5, 25.0)[0] == 0.5
    assert np.isnan(at("conductivity_at_25", 0.5, [-25.0, -30.0])).all()


# Irrometer example program and Shock et al. 1998 at 24 °C
WATERMARK = [(550.0, 0.0), (1000.0, -10.421), (8000.0, -47.078), (8500.0, -51.6587)]


@pytest.mark.parametrize(("ohm", "kpa"), WATERMARK)
def test_a_watermark_gives_the_tension_of_its_maker(ohm: float, kpa: float) -> None:
    assert at("watermark_200ss_shock", ohm, 24.0)[0] == pytest.approx(kpa, abs=1e-3)


def test_the_wet_branch_of_a_watermark_is_the_continuous_one() -> None:
    assert at("watermark_200ss_shock", 700.0, [24.0, 10.0]) == pytest.approx([-3.4732, -2.597954])
    just = at("watermark_200ss_shock", [550.001, 999.999, 1000.0], 24.0)
    np.testing.assert_allclose(just, [0.0, -10.421, -10.421], atol=2e-3)
    jumping = {"w0": 11.0, "w1": 0.0, "w2": 20.0}
    assert at("watermark_200ss_shock", 999.999, 24.0, **jumping)[0] == pytest.approx(-9.0, abs=1e-3)


def test_a_watermark_that_is_short_or_open_has_no_tension() -> None:
    found = at("watermark_200ss_shock", [299.0, 300.0, 35000.0, 35001.0], 24.0)
    assert np.isnan(found).tolist() == [True, False, False, True]
    assert find_curve("watermark_200ss_shock").outside(np.array([500.0])).tolist() == [True]


LOAM = {"theta_r": 0.078, "theta_s": 0.43, "alpha": 0.036, "n": 1.56}


def test_retention_and_its_inverse_meet() -> None:
    psi = -np.geomspace(0.1, 1500.0, 30)
    there = at("van_genuchten_1980_inverse", at("van_genuchten_1980", psi, **LOAM), **LOAM)
    np.testing.assert_allclose(there, psi, rtol=1e-7)


def test_saturated_soil_holds_its_saturated_water_content() -> None:
    assert at("van_genuchten_1980", [0.0, 1.0], **LOAM).tolist() == [0.43, 0.43]


def test_a_water_content_that_the_soil_cannot_have_has_no_tension() -> None:
    found = at("van_genuchten_1980_inverse", [0.07, 0.078, 0.43, 0.5, 0.2], **LOAM)
    assert np.isnan(found).tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("wrong", [{"n": 1.0}, {"n": 0.5}, {"alpha": -0.1}])
def test_a_retention_curve_that_cannot_be_has_no_number(wrong: dict[str, float]) -> None:
    assert np.isnan(at("van_genuchten_1980", -10.0, **{**LOAM, **wrong})).all()


def test_zhao_has_no_number_beyond_its_pole() -> None:
    assert np.isnan(at("zhao_2016", [1.5, 1.9], bulk_density=0.9)).all()
    assert np.isfinite(at("zhao_2016", 3.0, bulk_density=0.9)).all()


@pytest.mark.parametrize(
    "name", ["deltat_mineral", "ledieu_1986", "hydraprobe_loam", "schaap_1997", "crim"]
)
def test_a_permittivity_of_nothing_or_less_gives_no_water_content(name: str) -> None:
    given = {"porosity": 0.5} if name == "crim" else {}
    assert np.isnan(at(name, [0.0, -1.0], **given)).all()


def test_a_table_goes_through_its_points_and_on_along_its_last_lines() -> None:
    points = {"points": 3.0, "x1": 0.0, "y1": 1.0, "x2": 2.0, "y2": 5.0, "x3": 4.0, "y3": 6.0}
    found = at("table", [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0], **points)
    assert found.tolist() == [-1.0, 1.0, 3.0, 5.0, 5.5, 6.0, 7.0]


@pytest.mark.parametrize("wrong", [{"points": 1.0}, {"points": 13.0}, {"x2": 0.0}, {"x2": -1.0}])
def test_a_table_that_does_not_rise_has_no_number(wrong: dict[str, float]) -> None:
    points = {"points": 2.0, "x1": 0.0, "y1": 1.0, "x2": 2.0, "y2": 5.0}
    assert np.isnan(at("table", 1.0, **{**points, **wrong})).all()


def test_a_quotient_has_no_number_beyond_its_pole() -> None:
    found = at("rational", [-1.0, -2.0, -3.0], a1=1.0, b1=0.5)
    assert np.isnan(found).tolist() == [False, True, True]
