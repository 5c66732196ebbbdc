"""The lowest and the highest number of a quantity that soil, air or an instrument can have."""

from math import inf

from edaphon_calibration.nomenclature import QUANTITIES, Physics, quantity
from edaphon_calibration.units import conversion

PHYSICS = {name: line.physics for name, line in QUANTITIES.items()}


def physical_limits(name: str, unit: str | None = None) -> Physics:
    """The limits of a quantity in `unit` (the nomenclature's if None).

    Raises UnknownQuantity and UnitError.

    >>> physical_limits("volumetric_water_content", "%")[:2]
    (-15.0, 110.0)
    """
    known = PHYSICS[quantity(name).name]
    line = conversion(quantity(name).unit, unit or quantity(name).unit)
    ends = sorted(_rounded(x * line.scale + line.offset) for x in known[:2])
    domain = sorted(_rounded(x * line.scale + line.offset) for x in known[3:])
    return Physics(ends[0], ends[1], known.why, domain[0], domain[1])


def _rounded(number: float) -> float:
    """Without the last digits of a conversion, so that a limit reads as it was written."""
    return number if abs(number) == inf else float(f"{number:.12g}")
