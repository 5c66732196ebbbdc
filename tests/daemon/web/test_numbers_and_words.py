"""Numbers rounded to their uncertainty, units as printed, times and names in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon.web.column import count, decimals_for, pretty_unit, rounded
from edaphon.web.view import age, flag_sign, moment, offset_words, quantity_name, shortened

S = 10**9
NOON = 1_763_812_800 * S  # 2025-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("value", "u", "shown"),
    [
        (0.23149, 0.02996, "0.231 ± 0.030"),
        (0.23149, 0.0996, "0.23 ± 0.10"),
        (12.3456, 0.25, "12.35 ± 0.25"),
        (12.3456, 1.5, "12.3 ± 1.5"),
        (1234.0, 123.0, "1230 ± 120"),
        (-31.26, 3.1, "−31.3 ± 3.1"),
        (-0.001, 0.25, "0.00 ± 0.25"),
        (0.5, 12.0, "0 ± 12"),
        (4.2e12, 3.1e10, "4.2e+12 ± 3.1e+10"),
        (4.2e-12, 3.1e-13, "4.2e−12 ± 3.1e−13"),
    ],
)
def test_a_value_is_rounded_to_two_digits_of_its_uncertainty(value, u, shown):
    decimals = decimals_for(value, u)
    assert f"{rounded(value, decimals)} ± {rounded(u, decimals)}" == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(12.34567, "12.35"), (2405.0, "2405"), (0.0, "0.000"), (12345.6, "12350")]
)
def test_a_value_without_uncertainty_has_four_digits(value, shown):
    assert rounded(value, decimals_for(value, None)) == shown
    assert decimals_for(value, 0.0) == decimals_for(value, None)


@given(st.floats(-1e8, 1e8), st.floats(1e-6, 1e6))
def test_rounding_moves_a_value_by_less_than_a_tenth_of_its_uncertainty(value, u):
    shown = rounded(value, decimals_for(value, u)).replace("−", "-")
    assert math.isclose(float(shown), value, abs_tol=0.051 * u)


@pytest.mark.parametrize(
    ("unit", "printed"),
    [
        ("m**3/m**3", "m³/m³"),
        ("degC", "°C"),
        ("uS/cm", "µS/cm"),
        ("umol/(m**2*s)", "µmol/(m²·s)"),
        ("m**-2", "m⁻²"),
        ("dimensionless", ""),
        ("%", "%"),
        ("kPa", "kPa"),
    ],
)
def test_units_are_printed_as_in_a_paper(unit, printed):
    assert pretty_unit(unit) == printed


def test_large_counts_are_grouped_without_a_break():
    assert count(1234567) == "1\u202f234\u202f567"
    assert count(-3) == "−3"


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (-3600 * S, "in the future"),
        (-2 * S, "just now"),
        (4 * S, "just now"),
        (59 * S, "59 s ago"),
        (60 * S, "1 min ago"),
        (3599 * S, "59 min ago"),
        (47 * 3600 * S, "47 h ago"),
        (48 * 3600 * S, "2 days ago"),
    ],
)
def test_an_age_has_one_unit(ns, words):
    assert age(ns) == words


def test_a_moment_has_a_date_only_when_it_is_not_today_at_the_site():
    assert moment(NOON, NOON) == "12:00"
    assert moment(NOON, NOON, 3600) == "13:00"
    assert moment(NOON - 11 * 3600 * S, NOON, -7200) == "21 Nov 23:00"
    assert moment(NOON - 400 * 86400 * S, NOON) == "18 Oct 2024 12:00"


def test_an_offset_names_hours_and_minutes():
    assert offset_words(3600) == "UTC+01:00"
    assert offset_words(-12600) == "UTC−03:30"


def test_quantities_have_short_names_and_unknown_ones_keep_their_words():
    assert quantity_name("volumetric_water_content") == "Water content"
    assert quantity_name("soil_co2_efflux") == "Soil CO₂ efflux"
    assert quantity_name("co2_mole_fraction") == "CO₂ mole fraction"
    assert quantity_name("battery_voltage") == "Battery voltage"
    assert quantity_name("") == ""


def test_every_flag_has_its_own_word_and_its_own_shape():
    signs = [flag_sign(flag) for flag in (1, 2, 3, 4, 9)]
    assert len({sign.word for sign in signs}) == len({sign.shape for sign in signs}) == 5
    assert flag_sign(7).word == "flag 7"


def test_foreign_text_is_cut_to_the_phone():
    assert shortened("a" * 160) == "a" * 160
    assert shortened("a" * 161) == "a" * 159 + "…"
