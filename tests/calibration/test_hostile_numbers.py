"""Coefficients, readings and units that nobody measures: a number, none, or a clear refusal."""

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_calibration import (
    SAME,
    CalibrationError,
    SecondInput,
    apply_chain,
    conversion,
    prepare_step,
)
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.ucum import from_ucum, to_ucum
from edaphon_calibration.units import canonical, check_unit

HARD = [0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 1.7976931348623157e308, 5e-324, -5e-324, 1e-300, 3.7]
HARD += [1e15, 2.0**63, -(2.0**63), 25.0, 0.3]
NEVER = [float("nan"), float("inf"), float("-inf")]
UNITS = ["m**1e9", "10**10**10 m", "kg" * 10_000, "(" * 5000 + "m" + ")" * 5000, "m**9999999"]
UNITS += ["__import__('os')", "lambda:0", "degC*m", "degC/s", "m²²²²", "1e400 m", "m\x00", "٣m"]
UNITS += ["m**٣", "m3" * 20, "a" * 40, "_" * 40, "%" * 40, "m*" * 13 + "m", "m/(s", "[[x]]"]
UNITS += ["dBm/s", "dB*m", "kg.m.s-9", "0", "-1", "é", "🌡", "/", "*", "**", "m**-9*m**-9", "{}"]
UNITS += ["Ym*Ym*Ym*Ym*Ym", "", " ", "\n", "m if 1 else 2", "nan", "inf", "1_000 m", "µ" * 39]


@pytest.mark.parametrize("name", curve_names())
def test_a_curve_with_hard_coefficients_gives_numbers_none_or_a_refusal(name):
    drawn = random.Random(name)
    own = find_curve(name)
    x = np.array(HARD + NEVER)
    for _ in range(25):
        choices = HARD + (NEVER if drawn.random() < 0.2 else [])
        parameters = {key: drawn.choice(choices) for key in own.parameters}
        rows = None
        if drawn.random() < 0.3 and parameters:
            rows = np.diag([abs(drawn.choice(choices)) for _ in parameters]).tolist()
        try:
            step = prepare_step(find_curve(name), parameters, rows)
        except CalibrationError as refusal:
            assert "expected" in str(refusal)  # noqa: PT017
            assert len(str(refusal)) < 1000  # noqa: PT017
            continue
        second = [SecondInput(np.array(x[::-1]), 0.1, 0.1)] if step.takes_second else [None]
        found = apply_chain(x, SAME, (step,), seconds=second)
        assert len(found.value) == len(x)
        assert not np.isinf(found.value).any()


@pytest.mark.parametrize("wrong", NEVER)
@pytest.mark.parametrize("name", ["polynomial", "table", "linear", "steinhart_hart"])
def test_a_coefficient_that_is_no_finite_number_is_refused(name, wrong):
    parameters = dict.fromkeys(find_curve(name).parameters, 1.0)
    for key in parameters:
        with pytest.raises(CalibrationError, match="expected"):
            prepare_step(find_curve(name), {**parameters, key: wrong})


@pytest.mark.parametrize("names", [10_000, 1])
def test_a_curve_has_no_further_coefficients(names):
    with pytest.raises(CalibrationError, match="expected") as refusal:
        prepare_step(
            find_curve("polynomial"), {"c1": 1.0} | {f"c{k + 7}": 1.0 for k in range(names)}
        )
    assert len(str(refusal.value)) < 2000


@pytest.mark.parametrize("text", UNITS, ids=range(len(UNITS)))
def test_a_unit_is_read_or_refused_at_once(text):
    begun = time.monotonic()
    for read in (canonical, from_ucum, to_ucum, of_temperature, of_water):
        try:
            read(text)
        except CalibrationError as refusal:
            assert len(str(refusal)) < 400  # noqa: PT017
    assert time.monotonic() - begun < 10


def of_temperature(text: str) -> object:
    return conversion(text, "degC")


def of_water(text: str) -> object:
    return check_unit(text, "volumetric_water_content")


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60) | st.text("mskgPadeg°C%*/().-²³0123456789 ", max_size=45))
def test_any_text_is_a_unit_or_none(text):
    for read in (canonical, from_ucum, of_temperature):
        try:
            read(text)
        except CalibrationError:
            continue
