"""Units: spellings, conversions, what suits a quantity, and texts that nobody meant well."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_calibration import QUANTITIES, UnitError, UnknownQuantity, quantity
from edaphon_calibration.chain import SAME, Conversion
from edaphon_calibration.units import (
    _SPELLINGS,
    _SYMBOLS,
    LONGEST,
    _registry,
    canonical,
    check_unit,
    conversion,
    factors,
    rendered,
)


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("%", "%"),
        ("percent", "%"),
        ("vol%", "%"),
        ("% r.h.", "%"),
        ("m3/m3", "m**3/m**3"),
        ("m³/m³", "m**3/m**3"),
        ("m^3 m^-3", "m**3/m**3"),
        ("m³⋅m⁻³", "m**3/m**3"),
        ("°C", "degC"),
        ("degC", "degC"),
        ("celsius", "degC"),
        ("uS/cm", "uS/cm"),
        ("\N{MICRO SIGN}S/cm", "uS/cm"),
        ("\N{GREEK SMALL LETTER MU}S/cm", "uS/cm"),
        ("microsiemens/centimeter", "uS/cm"),
        ("count", "count"),
        ("counts", "count"),
        ("1", "dimensionless"),
        ("-", "dimensionless"),
        (" ppm ", "ppm"),
        ("mm", "mm"),
        ("V", "V"),
        ("kPa", "kPa"),
        ("mbar", "mbar"),
        ("umol/m2/s", "umol/(m**2*s)"),
        ("umol m-2 s-1", "umol/(m**2*s)"),
        ("umol/(s*m**2)", "umol/(m**2*s)"),
        ("1/s", "1/s"),
        ("m-2", "1/m**2"),
        ("m*m", "m**2"),
        ("kΩ", "kohm"),
        ("L/min", "l/min"),
    ],
)
def test_spellings_that_people_use_become_one(written: str, spelt: str) -> None:
    assert canonical(written) == spelt
    assert canonical(spelt) == spelt


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "10**(10**8)",
        "m**2**2",
        "m^2^2",
        "m**2**2**2**2**2**2**2**2**2**2**2",
        "m²²",
        "m**³",
        "m**-²",
        "m**10",
        "m99999999",
        "m9*m9",
        "((((((m))))))",
        "m/(s*(m))",
        "m/(s",
        "m)",
        "2 m",
        "1e9 m",
        "m//s",
        "m/s*m",
        "__import__('os').system('true')",
        "().__class__.__bases__",
        "m.units",
        "m\x00",
        "m\n",
        "m;s",
        "ｍ",
        "",
        "   ",
        "/",
        "1/",
        "*m",
        "m" * (LONGEST + 1),
        "m/s/kg/A/K/mol/cd/V/W/J/N/Pa/Hz/S/ohm/T/F",
    ],
)
def test_hostile_or_broken_unit_texts_are_refused_by_the_grammar(text: str) -> None:
    with pytest.raises(UnitError, match="expected"):
        rendered(factors(text))


UNIT_TEXTS = st.text(alphabet="mskKPaC%°µ·⋅/*^-+() 0123456789²³⁻_", max_size=44)


@given(UNIT_TEXTS)
def test_what_passes_the_grammar_is_small(text: str) -> None:
    try:
        parts = factors(text)
        spelt = rendered(parts)
    except UnitError:
        return
    assert len(parts) <= LONGEST
    assert all(1 <= abs(f.power) <= 9 for f in parts)
    assert "****" not in spelt.replace(" ", "")
    assert spelt.count("(") <= 1
    assert rendered(factors(spelt)) == spelt if len(spelt) <= LONGEST else True


@settings(deadline=None)  # the first text that needs pint waits for it
@given(UNIT_TEXTS, st.sampled_from(["degC", "dimensionless", "m", "s"]))
def test_any_text_gives_a_finite_conversion_or_a_unit_error(text: str, target: str) -> None:
    try:
        line = conversion(text, target)
    except UnitError:
        return
    assert np.isfinite([line.scale, line.offset]).all()


@pytest.mark.parametrize(
    ("source", "target", "scale", "offset"),
    [
        ("degF", "degC", 5 / 9, -160 / 9),
        ("degC", "degF", 9 / 5, 32.0),
        ("degC", "K", 1.0, 273.15),
        ("K", "degC", 1.0, -273.15),
        ("uS/cm", "dS/m", 0.001, 0.0),
        ("mS/cm", "dS/m", 1.0, 0.0),
        ("%", "m**3/m**3", 0.01, 0.0),
        ("m3/m3", "dimensionless", 1.0, 0.0),
        ("hPa", "kPa", 0.1, 0.0),
        ("mbar", "kPa", 0.1, 0.0),
        ("ppm", "umol/mol", 1.0, 0.0),
        ("ppb", "ppm", 0.001, 0.0),
        ("mV", "V", 0.001, 0.0),
        ("mm/h", "mm/d", 24.0, 0.0),
        ("kilocount", "count", 1000.0, 0.0),
    ],
)
def test_conversions_are_exact_to_the_last_bit(
    source: str, target: str, scale: float, offset: float
) -> None:
    assert conversion(source, target) == Conversion(scale, offset)


def test_a_conversion_applies_to_arrays_and_leaves_nan() -> None:
    found = conversion("degF", "degC").apply(np.array([32.0, 212.0, np.nan]))
    np.testing.assert_allclose(found, [0.0, 100.0, np.nan], atol=1e-12)
    raw = np.array([1.0])
    assert SAME.apply(raw) is raw


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("count", "m3/m3"),
        ("count", "%"),
        ("pH", "dimensionless"),
        ("kPa", "degC"),
        ("dBm", "W"),
        ("Ym**9", "ym**9"),
    ],
)
def test_no_line_leads_between_these_units(source: str, target: str) -> None:
    with pytest.raises(UnitError, match="expected .* came"):
        conversion(source, target)


def test_a_temperature_scale_inside_a_compound_unit_is_refused() -> None:
    with pytest.raises(UnitError, match="K or delta_degC"):
        canonical("degC/m")
    assert conversion("delta_degC/m", "K/m") == SAME


@pytest.mark.parametrize(
    ("text", "quantity_name", "words"),
    [
        ("kPa", "soil_temperature", "a temperature unit such as degC, K; came 'kPa'"),
        ("C", "soil_temperature", "came 'C'; did you mean degC"),
        ("F", "air_temperature", "did you mean degF"),
        ("kpa", "matric_potential", "did you mean kPa"),
        ("pF", "matric_potential", "a pressure unit such as kPa"),
        ("count", "volumetric_water_content", "a ratio such as"),
        ("Degc", "soil_temperature", "did you mean degC"),
        ("m3/m", "volumetric_water_content", "came 'm3/m'"),
        (
            "nonsense",
            "soil_temperature",
            "expected a unit; came 'nonsense'; such as degC, %, m3/m3 or kPa",
        ),
        ("Vol%", "soil_moisture_index", "expected a unit; came 'Vol%'; did you mean %?"),
    ],
)
def test_a_unit_that_does_not_suit_says_what_would(
    text: str, quantity_name: str, words: str
) -> None:
    with pytest.raises(UnitError) as refused:
        check_unit(text, quantity_name)
    assert words in str(refused.value)


def test_a_unit_that_suits_is_given_back_in_its_one_spelling() -> None:
    assert check_unit("°F", "soil_temperature") == "degF"
    assert check_unit("vol%", "volumetric_water_content") == "%"
    assert check_unit("counts", "water_content_counts") == "count"
    assert check_unit("m/s") == "m/s"


def test_an_unknown_quantity_is_named_with_a_suggestion() -> None:
    with pytest.raises(UnknownQuantity, match="soil_temprature.*soil_temperature"):
        check_unit("degC", "soil_temprature")


@pytest.mark.parametrize("line", QUANTITIES.values(), ids=QUANTITIES)
def test_each_quantity_has_a_canonical_unit_and_a_meaning(line: object) -> None:
    found = quantity(line.name)  # type: ignore[attr-defined]
    assert check_unit(found.unit, found.name) == found.unit
    assert conversion(found.unit, found.unit) == SAME
    assert found.meaning
    assert found.name == found.name.lower()


def test_the_symbols_known_without_pint_are_known_to_pint() -> None:
    for symbol in _SYMBOLS | set(_SPELLINGS.values()):
        assert canonical(symbol) == symbol
        assert _registry().parse_units(symbol) is not None


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("inch", "in"),
        ("micron", "um"),
        ("gravity", "gravity"),  # pint's short names of these two are no units of ours
        ("mu_B", "mu_B"),
        ("permille", "permille"),
        ("‰", "permille"),
    ],
)
def test_a_short_name_is_taken_from_pint_only_where_it_means_the_same(
    written: str, spelt: str
) -> None:
    assert canonical(written) == spelt
    assert canonical(spelt) == spelt


def test_pint_is_not_loaded_for_units_that_are_alike() -> None:
    code = (
        "import sys, edaphon_calibration as c;"
        "c.check_unit('m3/m3', 'volumetric_water_content'); c.conversion('°C', 'degC');"
        "sys.exit('pint' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
