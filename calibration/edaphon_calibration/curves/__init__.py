"""The curves: a module for each family, and the way from a name to its curve."""

from edaphon_calibration.curves import (
    conductivity,
    gases,
    general,
    matric_potential,
    platinum,
    soil_probes,
    soil_properties,
    soil_water,
    thermistors,
    thermocouples,
)
from edaphon_calibration.curves.definition import Curve, Example, Second
from edaphon_calibration.errors import UnknownCurve, unknown
from edaphon_calibration.registry import by_name

__all__ = ["BUILT_IN", "Curve", "Example", "Second", "curve_names", "find_curve"]

BUILT_IN: tuple[tuple[Curve, ...], ...] = (
    general.CURVES,
    soil_water.CURVES,
    soil_properties.CURVES,
    soil_probes.CURVES,
    matric_potential.CURVES,
    conductivity.CURVES,
    gases.CURVES,
    thermistors.CURVES,
    platinum.CURVES,
    thermocouples.CURVES,
)


_BY_NAME = by_name(BUILT_IN)


def curve_names() -> tuple[str, ...]:
    """The names of all curves, sorted."""
    return tuple(_BY_NAME)


def find_curve(name: str) -> Curve:
    """The curve of that name; raises UnknownCurve.

    >>> find_curve("teros12_mineral").to_unit
    'm**3/m**3'
    """
    if name not in _BY_NAME:
        raise UnknownCurve(unknown("curve", name, _BY_NAME))
    return _BY_NAME[name]
