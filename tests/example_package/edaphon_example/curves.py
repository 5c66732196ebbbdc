"""A curve y = f(x; p) with its exact derivatives, as functions of arrays."""

import numpy as np

from edaphon_calibration.arrays import Float
from edaphon_calibration.curves import Curve, Example


def _value(x: Float, p: Float) -> Float:
    return x + float(p[0]) * x * x


def _slope(x: Float, p: Float) -> Float:
    return 1.0 + 2.0 * float(p[0]) * x


def _gradient(x: Float, p: Float) -> Float:
    return np.stack([x * x])


CURVES = (
    Curve(
        name="example_bend",
        title="A thermometer that bends a little.",
        formula="y = x + bend x² [degC].",
        value=_value,
        slope=_slope,
        gradient=_gradient,
        parameters={"bend": None},
        reference="definition",
        from_unit="degC",
        to_unit="degC",
        quantity="soil_temperature",
        domain=(-40.0, 60.0),
        example=Example(20.0, 20.4, parameters={"bend": 0.001}),
    ),
)
