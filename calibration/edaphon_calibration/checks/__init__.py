"""Quality checks: what one is, those of this package, and the way from a name to a check."""

from collections.abc import Mapping
from functools import cache

from edaphon_calibration.checks.built_in import CHECKS
from edaphon_calibration.checks.definition import (
    Check,
    LimitKind,
    PreparedCheck,
    UsualRow,
    prepare_check,
)
from edaphon_calibration.errors import UnknownCheck
from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.registry import by_name, find
from edaphon_calibration.units import conversion

__all__ = [
    "BUILT_IN",
    "Check",
    "LimitKind",
    "PreparedCheck",
    "UsualRow",
    "check_names",
    "default_limits",
    "find_check",
    "prepare_check",
]

BUILT_IN: tuple[tuple[Check, ...], ...] = (CHECKS,)


@cache
def _checks() -> Mapping[str, Check]:
    return by_name(BUILT_IN)


@cache
def check_names() -> tuple[str, ...]:
    """The names of all checks, sorted."""
    return tuple(_checks())


def find_check(name: str) -> Check:
    """The check of that name; raises UnknownCheck.

    >>> find_check("rate").looks_back
    1
    """
    return find("check", name, _checks(), UnknownCheck)


def default_limits(
    quantity_name: str, depth_cm: float | None = None, unit: str | None = None
) -> dict[str, dict[str, float]]:
    """The usual limits of a quantity by check, ready for `prepare_check`; {} if there are none.

    They are in `unit` (the nomenclature's if None). Starting points for a site's own: each row of
    a check's `usual` names its source.

    >>> default_limits("soil_temperature", depth_cm=50)["rate"]["fall_per_hour"]
    0.3
    """
    known = quantity(quantity_name).unit
    line = conversion(known, unit or known)
    found = {
        name: check.usual_limits(quantity_name, depth_cm, line) for name, check in _checks().items()
    }
    return {name: limits for name, limits in found.items() if limits}
