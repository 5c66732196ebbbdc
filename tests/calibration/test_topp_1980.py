"""Topp et al. 1980 against printed values, another implementation, and first-order uncertainty."""

import numpy as np

from edaphon_calibration import find_curve

TOPP = find_curve("topp_1980")
P = TOPP.parameter_vector()


def test_topp_1980_gives_what_another_implementation_gives() -> None:
    # FDR2soilmoisture, R/eps2theta.R, run in R 4.2.2
    epsilon = np.array([5.0, 8.0, 10.0, 15.0, 25.0, 30.0, 40.0])
    theta = [0.0797875, 0.1476016, 0.1883, 0.2757625, 0.4004375, 0.4441, 0.5102]
    np.testing.assert_allclose(TOPP.value(epsilon, P), theta, atol=1e-9)


def test_topp_1980_gives_what_a_report_printed() -> None:
    # CRREL Special Report 98-2, table 14, in % by volume to one decimal
    epsilon = np.array([7.6, 9.8, 12.4, 13.7, 15.3, 16.3])
    printed = [13.9, 18.4, 23.3, 25.5, 28.0, 29.5]
    np.testing.assert_allclose(100 * TOPP.value(epsilon, P), printed, atol=0.05)


def test_topp_1980_passes_an_uncertainty_of_permittivity_on() -> None:
    # JCGM 100:2008, equation 10, worked by hand
    epsilon, u = np.array([10.0, 20.0, 30.0]), np.array([0.5, 0.5, 1.0])
    np.testing.assert_allclose(TOPP.slope(epsilon, P) * u, [0.009745, 0.00618, 0.00781], rtol=1e-9)


def test_topp_1980_holds_from_3_to_40() -> None:
    assert TOPP.outside(np.array([2.9, 3.0, 40.0, 40.1])).tolist() == [True, False, False, True]
