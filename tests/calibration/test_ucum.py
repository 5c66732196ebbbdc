"""UCUM codes both ways, and texts of units that nobody meant well: none keeps anybody busy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon_calibration import QUANTITIES, UnitError, check_unit, conversion, units
from edaphon_calibration.ucum import from_ucum, to_ucum
from edaphon_calibration.units import LONGEST

UNITS = sorted({line.unit for line in QUANTITIES.values()})


@pytest.mark.parametrize("unit", UNITS)
def test_each_unit_of_the_nomenclature_has_a_code_that_reads_as_the_same(unit: str) -> None:
    code = to_ucum(unit)
    assert code.isascii()
    assert " " not in code
    back = from_ucum(code)
    # a difference of temperatures is K to UCUM: the same size, another zero
    assert back == ("K" if unit == "delta_degC" else unit)


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ("°C", "Cel"),
        ("m³/m³", "m3/m3"),
        ("dS/m", "dS/m"),
        ("uS/cm", "uS/cm"),
        ("ppm", "[ppm]"),
        ("umol m-2 s-1", "umol/(m2.s)"),
        ("mg/kg/h", "mg/(h.kg)"),
        ("mg/l", "mg/L"),
        ("ml/min", "mL/min"),
        ("kohm", "kOhm"),
        ("count", "{count}"),
        ("1", "1"),
        ("%", "%"),
        ("degF", "[degF]"),
        ("1/cm**3", "/cm3"),
        ("degree", "deg"),
        ("dBm", "dB{mW}"),
    ],
)
def test_codes_that_others_write_are_written(unit: str, code: str) -> None:
    assert to_ucum(unit) == code


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("umol.m-2.s-1", "umol/(m**2*s)"),
        ("umol/m2/s", "umol/(m**2*s)"),
        ("m/s.kg", "kg*m/s"),  # from left to right: (m/s).kg
        ("mg/l", "mg/l"),
        ("cmol/kg", "cmol/kg"),
        ("%{RH}", "%"),
        ("m3{water}/m3{soil}", "m**3/m**3"),
        ("1/cm3", "1/cm**3"),
        ("min", "min"),
        ("cd", "cd"),
        ("dam", "dam"),
    ],
)
def test_codes_in_other_dresses_are_read(code: str, unit: str) -> None:
    assert from_ucum(code) == unit


@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        "m ",
        "10*3/uL",
        "2m",
        "m22",
        "m0",
        "m--2",
        "m/",
        "m..s",
        "(m",
        "m)",
        "((m))",
        "(m.(s))",
        "m/(s",
        "{x}",
        "m{",
        "m{a}b",
        "[nonsense]",
        "mm[Hg]",
        "degC",
        "kmin",
        "kCel",
        "celsius",
        "µmol",
        "ｍ",
        "m\u200b",
        "m\x00",
        "m\n",
        "__import__('os')",
        "9**9**9",
        ".".join("m" * 13),
        "(" * 39,
        "m" * (LONGEST + 1),
    ],
)
def test_codes_of_no_unit_of_ours_are_refused(code: str) -> None:
    with pytest.raises(UnitError, match="expected"):
        from_ucum(code)


@pytest.mark.parametrize("unit", ["torr", "gravity", "kilocount", "byte"])
def test_a_unit_without_a_code_is_refused_and_not_made_up(unit: str) -> None:
    with pytest.raises(UnitError, match="has none"):
        to_ucum(unit)


@given(st.text(alphabet="mskgLCPa%[]{}()./-+0123456789 ", max_size=44))
def test_any_text_is_a_unit_that_has_a_code_or_is_refused(text: str) -> None:
    try:
        unit = from_ucum(text)
    except UnitError:
        return
    assert from_ucum(to_ucum(unit)) == unit


HOSTILE = [
    "(" * 20_000 + "m" + ")" * 20_000,
    "m" + "**2" * 10_000,
    "9**9**9",
    "10**(10**8)",
    "m**999999999",
    "m" + "9" * 10_000,
    "kilo" * 9 + "m",
    "/".join("m" * 20),
    "*".join(["Ym9"] * 10),
    "Ym9/ym9",
    "micromicromicromicromicromicrometer",
    "ͫ" * 30,
    "m\u202e2",
    "ﬁ/m",
    "𝐦/𝐬",
    "m²²²²²²²²²²",
    "\ud800",
    "²" * 40,
    "{" * 40,
    "' OR 1=1 --",
]


class Counted:
    """The registry, and each text that reached it."""

    def __init__(self, registry, seen: list[str]) -> None:
        self._registry, self._seen = registry, seen

    def convert(self, number, source, target):
        self._seen += [source, target]
        return self._registry.convert(number, source, target)

    def get_symbol(self, symbol):
        self._seen.append(symbol)
        return self._registry.get_symbol(symbol)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_reaches_pint_short_and_seldom_or_not_at_all(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    registry = units._registry()
    monkeypatch.setattr(units, "_registry", lambda: Counted(registry, seen))
    for call in (lambda: check_unit(text, "soil_temperature"), lambda: conversion(text, "kPa")):
        with pytest.raises(UnitError) as refused:
            call()
        assert len(str(refused.value)) < 400
    with pytest.raises(UnitError):
        from_ucum(text)
    assert all(len(some) <= 2 * LONGEST for some in seen)
    assert all(some.count("**") <= LONGEST // 2 and "****" not in some for some in seen)
    assert len(seen) <= 40 * len(units._SYMBOLS)
