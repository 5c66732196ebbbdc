"""The curves: a module for each family, and the way from a name to its curve."""

from functools import cache

from edaphon_calibration.curves.definition import Curve, Example, Second
from edaphon_calibration.errors import Known, UnknownCurve, installed, unknown

__all__ = ["Curve", "Example", "Second", "curve_names", "find_curve", "known_curves"]


@cache
def known_curves() -> Known[Curve]:
    """All curves that are installed; read once."""
    return installed("edaphon.curves")


def curve_names() -> tuple[str, ...]:
    """The names of all curves, sorted."""
    return tuple(known_curves().by_name)


def find_curve(name: str) -> Curve:
    """The curve of that name; raises UnknownCurve.

    >>> find_curve("teros12_mineral").to_unit
    'm**3/m**3'
    """
    known = known_curves().by_name
    if name not in known:
        raise UnknownCurve(unknown("curve", name, known))
    return known[name]
