"""Impossible numbers give way to a status, in their order; limits are possible themselves."""

import pytest

from edaphon.derive.calibrate import possible, why_impossible, within_physics
from edaphon_drivers.readings import Reading, Status

LIMITS = possible("soil_temperature", "degC")


def reading(number: float | None, name: str = "t") -> Reading:
    return Reading(name, "soil_temperature", number, "degC")


@pytest.mark.parametrize("number", [LIMITS.lowest, LIMITS.highest, 20.0, None])
def test_what_is_possible_stays_as_it_is(number):
    readings = (reading(number), reading(15.0, "other"))
    assert within_physics(readings) is readings
    assert why_impossible(reading(number)) == ""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (
            LIMITS.lowest - 0.5,
            f"below the lowest possible soil_temperature, {LIMITS.lowest:g} degC",
        ),
        (
            LIMITS.highest + 0.5,
            f"above the highest possible soil_temperature, {LIMITS.highest:g} degC",
        ),
    ],
)
def test_a_number_beyond_a_limit_gives_way_to_the_status_and_its_neighbours_stay(number, words):
    good, none, bad = reading(15.0, "a"), reading(None, "b"), reading(number, "c")
    assert within_physics((good, bad, none)) == (
        good,
        bad._replace(number=None, status=Status.IMPOSSIBLE),
        none,
    )
    assert words in why_impossible(bad)
    assert why_impossible(bad).endswith(f"({LIMITS.why})")


def test_a_unit_that_does_not_suit_bounds_nothing():
    wrong = Reading("t", "soil_temperature", 1e9, "kPa")
    assert within_physics((wrong,)) == (wrong,)
