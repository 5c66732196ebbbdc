"""Weighed rings and two-point calibrations: worked examples, and samples that cannot be."""

import numpy as np
import pytest

from edaphon_calibration import ParameterError, find_curve
from edaphon_calibration.soil import two_point_soil, weighed_ring

# Delta-T SM150T user manual 1.0, page 48
WET, MOIST, DRY, VOLUME = 743.3, 693.2, 627.2, 463.5


def test_a_ring_gives_the_water_contents_of_the_makers_example() -> None:
    assert weighed_ring(WET, DRY, VOLUME).volumetric == pytest.approx(0.25, abs=0.0005)
    assert weighed_ring(MOIST, DRY, VOLUME).volumetric == pytest.approx(0.14, abs=0.0025)


def test_a_ring_full_of_water_is_saturated() -> None:
    ring = weighed_ring(moist_g=132.5 + 50.0, dry_g=132.5, ring_cm3=100.0)
    assert ring.bulk_density == pytest.approx(1.325)
    assert ring.porosity == pytest.approx(0.5)
    assert ring.filled == pytest.approx(1.0)
    assert ring.gravimetric == pytest.approx(50.0 / 132.5)


def test_a_ring_says_what_the_curve_from_mass_to_volume_says() -> None:
    ring = weighed_ring(WET, DRY, VOLUME, water_density=0.9982)
    p = find_curve("gravimetric").parameter_vector(
        {"bulk_density": ring.bulk_density, "water_density": 0.9982}
    )
    found = find_curve("gravimetric").value(np.array([ring.gravimetric]), p)
    assert found[0] == pytest.approx(ring.volumetric)


def test_two_points_of_the_own_soil_give_the_makers_parameters() -> None:
    found = two_point_soil(0.25, 3.83, 0.14, 2.84)
    assert found == pytest.approx((1.58, 9.0), abs=0.005)


def test_without_the_makers_rounding_the_parameters_differ_in_the_second_place() -> None:
    wet, moist = (weighed_ring(mass, DRY, VOLUME).volumetric for mass in (WET, MOIST))
    assert two_point_soil(wet, 3.83, moist, 2.84) == pytest.approx((1.536, 9.159), abs=0.0005)


def test_the_curve_goes_through_both_points() -> None:
    refraction = find_curve("refractive_index")
    p = refraction.parameter_vector(two_point_soil(0.25, 3.83, 0.14, 2.84)._asdict())
    found = refraction.value(np.array([3.83, 2.84]) ** 2, p)
    np.testing.assert_allclose(found, [0.25, 0.14], rtol=1e-12)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ((100.0, 0.0, 100.0), "a dry mass and a volume above 0"),
        ((100.0, 90.0, -1.0), "a dry mass and a volume above 0"),
        ((90.0, 100.0, 100.0), "weigh no less than dry"),
        ((400.0, 300.0, 100.0), "a bulk density below"),
        ((300.0, 265.0, 100.0), "a bulk density below"),
        ((100.0, 90.0, 0.0), "a dry mass and a volume above 0"),
        ((float("nan"), 90.0, 100.0), "weigh no less"),
    ],
)
def test_a_ring_that_cannot_be_is_refused(sample: tuple[float, ...], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        weighed_ring(*sample)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ((0.2, 3.0, 0.2, 2.0), "more water"),
        ((0.3, 2.0, 0.2, 3.0), "more water"),
        ((0.3, 3.0, 0.2, 3.0), "more water"),
        ((float("inf"), 3.0, 0.2, 2.0), "finite"),
    ],
)
def test_two_points_that_make_no_line_are_refused(points: tuple[float, ...], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        two_point_soil(*points)
