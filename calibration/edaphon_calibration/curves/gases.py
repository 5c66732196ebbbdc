"""Infrared gas analysers: density of the gas they measured, and its water vapour."""

import numpy as np

from edaphon_calibration.arrays import Float, finite, nan_like, positive, reciprocal
from edaphon_calibration.curves.definition import ICE_K, Curve, Example, Second
from edaphon_calibration.curves.shapes import no_parameters

_P0_KPA, _T0_C, _T0_K = 101.3, 25.0, 298.15


def _ideal(x: Float, p: Float) -> Float:
    return finite(x) * _ideal_factor(p)


def _ideal_slope(x: Float, p: Float) -> Float:
    return np.full_like(x, _ideal_factor(p)) + (finite(x) - x)


def _ideal_gradient(x: Float, p: Float) -> Float:
    per_pressure = -_ideal(x, p) / p[0]
    per_temperature = finite(x) * (_P0_KPA / p[0] / _T0_K)
    return np.stack([per_pressure, per_temperature])


def _ideal_factor(p: Float) -> float:
    return float(_P0_KPA / p[0] * (p[1] + ICE_K) / _T0_K)


def _ndir(x: Float, p: Float, z: Float) -> Float:
    return finite(x) * _ndir_factor(p, z)


def _ndir_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_ndir_factor(p, z), x)


def _ndir_gradient(x: Float, p: Float, z: Float) -> Float:
    return np.stack([finite(x) * (_P0_KPA / positive(z) / _T0_K)])


def _ndir_slope_second(x: Float, p: Float, z: Float) -> Float:
    return -_ndir(x, p, z) / positive(z)


def _ndir_factor(p: Float, z: Float) -> Float:
    return _P0_KPA / positive(z) * (float(p[0] + ICE_K) / _T0_K)


def _gmp343(x: Float, p: Float, z: Float) -> Float:
    return finite(x) * _gmp343_factor(p, z)


def _gmp343_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_gmp343_factor(p, z), x)


def _gmp343_gradient(x: Float, p: Float, z: Float) -> Float:
    temperature, per_degree, _ = p.tolist()
    falling = -_gmp343(x, p, z) * _gmp343_factor(p, z)
    parts = (per_degree, temperature - _T0_C, z - _P0_KPA)
    return np.stack([falling * part for part in parts])


def _gmp343_slope_second(x: Float, p: Float, z: Float) -> Float:
    return -_gmp343(x, p, z) * _gmp343_factor(p, z) * float(p[2])


def _gmp343_factor(p: Float, z: Float) -> Float:
    temperature, per_degree, per_kpa = p.tolist()
    error = per_degree * (temperature - _T0_C) + per_kpa * (finite(z) - _P0_KPA)
    return reciprocal(1.0 + error)


def _dry(x: Float, p: Float, z: Float) -> Float:
    return finite(x) * _dry_factor(z)


def _dry_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_dry_factor(z), x)


def _dry_slope_second(x: Float, p: Float, z: Float) -> Float:
    return _dry(x, p, z) * _dry_factor(z) * 1e-3


def _dry_factor(z: Float) -> Float:
    """1 over the share of dry air, NaN where there is none."""
    return reciprocal(positive(1.0 - z * 1e-3))


CURVES: tuple[Curve, ...] = (
    Curve(
        name="ndir_ideal_gas",
        title=(
            "Infrared gas analyser without compensation of its own: density at one pressure and "
            "temperature."
        ),
        formula=(
            "C = C_ind (101.3 kPa / P) (T / 298.15 K) [1], with P and T of the gas that was "
            "measured. For a probe\n"
            "that corrects for them inside, this would correct twice."
        ),
        value=_ideal,
        slope=_ideal_slope,
        gradient=_ideal_gradient,
        parameters={"pressure": None, "temperature": 25.0},
        from_unit="ppm",
        to_unit="ppm",
        quantity="co2_mole_fraction",
        domain=(0.0, 100000.0),
        compensates=("pressure", "temperature"),
        reference="Vaisala GMP343 User's Guide M210514EN; ideal gas law",
        example=Example(3000.0, 3150.15875678, parameters={"pressure": 90, "temperature": 5}),
        notes="""References: [1] Vaisala GMP343 User's Guide M210514EN, section on compensation;
        ideal gas law.
        Notes: the slopes of a real probe differ: uncompensated, a GMP343 reads -0.35 % per degC and
        +0.15 % per hPa away from 25 degC and 1013 hPa [1, table 9]; the ideal gas gives -0.34 and
        +0.10.""",
    ),
    Curve(
        name="ndir_pressure",
        title=(
            "Infrared gas analyser without compensation of its own, with the air pressure of "
            "each reading."
        ),
        formula=(
            "C = C_ind (101.3 kPa / P) (T / 298.15 K) [1]; P is the second input, T a parameter.\n"
            "For a probe that corrects for them inside, this would correct twice."
        ),
        value=_ndir,
        slope=_ndir_slope,
        gradient=_ndir_gradient,
        parameters={"temperature": 25.0},
        from_unit="ppm",
        to_unit="ppm",
        quantity="co2_mole_fraction",
        domain=(0.0, 100000.0),
        compensates=("pressure", "temperature"),
        second=Second("air_pressure", "kPa", _ndir_slope_second, (50.0, 110.0)),
        reference="Vaisala GMP343 User's Guide M210514EN; ideal gas law",
        example=Example(3000.0, 3150.15875678, 90.0, {"temperature": 5}),
        notes="""References: [1] Vaisala GMP343 User's Guide M210514EN, section on compensation, and
        Vaisala's note on error correction; ideal gas law.
        Notes: as `ndir_ideal_gas`, which takes one pressure for all readings. In soil the
        temperature is steadier than air pressure, so it is the pressure that follows each reading.
        A real probe's slopes differ: `gmp343_uncompensated` has the typical ones of that probe.""",
    ),
    Curve(
        name="gmp343_uncompensated",
        title="Vaisala GMP343 with its compensation switched off: the typical slopes of the maker.",
        formula=(
            "C = C_ind / (1 + per_degree (T - 25) + per_kpa (P - 101.3)); P [kPa] is the second "
            "input, T [°C] a\n"
            "parameter."
        ),
        value=_gmp343,
        slope=_gmp343_slope,
        gradient=_gmp343_gradient,
        parameters={"temperature": 25.0, "per_degree": -0.0035, "per_kpa": 0.015},
        from_unit="ppm",
        to_unit="ppm",
        quantity="co2_mole_fraction",
        domain=(0.0, 20000.0),
        compensates=("pressure", "temperature"),
        second=Second("air_pressure", "kPa", _gmp343_slope_second, (70.0, 130.0)),
        reference="Vaisala GMP343 User's Guide M210514EN-E, page 76",
        example=Example(400.0, 416.667, 96.3, {"temperature": 15.0}),
        notes="""References: Vaisala GMP343 User's Guide M210514EN-E, page 76: typical effect
        without compensation -0.35 % of reading per °C, +0.15 % of reading per hPa. The probe has no
        pressure sensor.
        Notes: per_degree and per_kpa are shares, typical of the model and not of one probe: the
        compensation inside the probe is better where it can be used. The maker's straight lines
        hold near 25 °C and 1013 hPa; the domain of pressure is where his accuracy for compensated
        readings is stated.""",
    ),
    Curve(
        name="dry_mole_fraction",
        title=(
            "Wet to dry: a gas as share of the dry air, from its share of the moist air and the "
            "vapour."
        ),
        formula=(
            "C_dry = C_wet / (1 - W / 1000), W in mmol of water vapour per mol of moist air [1]."
        ),
        value=_dry,
        slope=_dry_slope,
        gradient=no_parameters,
        parameters={},
        compensates=("dry air",),
        second=Second("h2o_mole_fraction", "mmol/mol", _dry_slope_second, (0.0, 100.0)),
        reference="LI-COR LI-8100A manual, Theory of Operation, table 4-1",
        example=Example(400.0, 405.1043, 12.6),
        notes="""References: [1] LI-COR LI-8100A manual, Theory of Operation, table 4-1 (water
        corrected CO2).
        Notes: for any gas whose analyser reports its share of moist air; units and quantity stay
        those of the input. An analyser that already reports dry mole fractions must not come here:
        `compensates` keeps that apart. 10 mmol/mol of added vapour imitate a fall of 4 ppm in 400
        ppm.""",
    ),
)
