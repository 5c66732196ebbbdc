"""Electrical conductivity of soil and of its water."""

import numpy as np

from edaphon_calibration.arrays import Float, finite, nan_like, positive, reciprocal
from edaphon_calibration.curves.definition import Curve, Example, Second

_TO_C = 25.0


def _at_25_over(p: Float, z: Float) -> Float:
    return reciprocal(positive(1.0 + float(p[0]) * (z - _TO_C)))


def _at_25(x: Float, p: Float, z: Float) -> Float:
    return nan_like(x * _at_25_over(p, z), x)


def _at_25_slope(x: Float, p: Float, z: Float) -> Float:
    return nan_like(_at_25_over(p, z), x)


def _at_25_gradient(x: Float, p: Float, z: Float) -> Float:
    row = -_at_25(x, p, z) * (z - _TO_C) * _at_25_over(p, z)
    return row[np.newaxis]


def _at_25_in_temperature(x: Float, p: Float, z: Float) -> Float:
    return -_at_25(x, p, z) * float(p[0]) * _at_25_over(p, z)


_PORE_WATER_PER_DEGREE = -0.37


def _pore_water_factor(p: Float, z: Float) -> tuple[float, Float]:
    """ε_p and 1/(ε_b - ε_0)."""
    offset, temperature = p.tolist()
    return 80.3 + _PORE_WATER_PER_DEGREE * (temperature - 20.0), reciprocal(positive(z - offset))


def _pore_water(x: Float, p: Float, z: Float) -> Float:
    water, over = _pore_water_factor(p, z)
    return water * finite(x) * over


def _pore_water_slope(x: Float, p: Float, z: Float) -> Float:
    water, over = _pore_water_factor(p, z)
    return nan_like(water * over, x)


def _pore_water_gradient(x: Float, p: Float, z: Float) -> Float:
    _, over = _pore_water_factor(p, z)
    return np.stack([_pore_water(x, p, z) * over, _PORE_WATER_PER_DEGREE * finite(x) * over])


def _pore_water_in_permittivity(x: Float, p: Float, z: Float) -> Float:
    _, over = _pore_water_factor(p, z)
    return -_pore_water(x, p, z) * over


CURVES: tuple[Curve, ...] = (
    Curve(
        name="conductivity_at_25",
        title=(
            "Electrical conductivity brought to 25 °C, of soil, pore water or solution, in its "
            "own unit."
        ),
        formula="σ_25 = σ / (1 + α (T - 25)), T the temperature [°C].",
        value=_at_25,
        slope=_at_25_slope,
        gradient=_at_25_gradient,
        parameters={"alpha": 0.02},
        compensates=("25 degC",),
        second=Second("soil_temperature", "degC", _at_25_in_temperature, (0.0, 50.0)),
        reference="Campbell Scientific CS650 manual, section 8.3.3.2",
        example=Example(0.5, 0.71429, 10.0),
        notes="""References: Campbell Scientific CS650 manual, section 8.3.3.2 (α = 0.02); α =
        0.0191 is common for natural water.
        Notes: only for conductivities that the instrument reports as measured; TEROS 12 and others
        bring them to 25 °C themselves, and what is compensated already must not come here. The line
        has a pole at T = 25 - 1/α, far below frost, and no value there or below; in frozen soil it
        says nothing.""",
    ),
    Curve(
        name="hilhorst_2000",
        title=(
            "Hilhorst 2000: conductivity of the pore water from that of the soil and its "
            "permittivity."
        ),
        formula=(
            "σ_p = ε_p σ_b / (ε_b - ε_0), ε_p = 80.3 - 0.37 (T - 20) that of the pore water; z "
            "is ε_b, the\n"
            "permittivity of the soil as a whole."
        ),
        value=_pore_water,
        slope=_pore_water_slope,
        gradient=_pore_water_gradient,
        parameters={"offset": 4.1, "temperature": 20.0},
        from_unit="dS/m",
        to_unit="dS/m",
        quantity="pore_water_electrical_conductivity",
        domain=(0.0, 7.0),
        second=Second(
            "relative_permittivity", "dimensionless", _pore_water_in_permittivity, (10.0, 80.0)
        ),
        reference="Hilhorst 2000, doi:10.2136/sssaj2000.6461922x",
        example=Example(0.2, 1.47339, 15.0),
        notes="""References: Hilhorst 2000, Soil Science Society of America Journal 64(6),
        1922-1925, doi:10.2136/sssaj2000.6461922x; as the Decagon 5TE operator's manual, section
        3.4, gives it.
        Notes: ε_0 is 4.1 on average, 1.9 to 7.6 by soil. Not for soil drier than about 0.10 m³/m³
        (ε_b below 10). There is a pole at ε_0 and no value below it; less than 4 above it the first
        order misses the uncertainty and `monte_carlo` gives it. T [°C] is a parameter of the
        calibration: it changes σ_p by 0.46 % for a degree. Where σ_b was brought to 25 °C, σ_p is
        that of 25 °C.""",
    ),
)
