"""Quality checks: every module here but `definition` and `limits` holds one, by its name.

A check module has `METADATA` (CheckMeta), `evaluate(time_ns, value, limits) -> int8 Results` and
`DEFAULTS` (its usual limits by quantity); nothing else lists it. `evaluate` is pure, gets whole
arrays (context, new values, context) and tells of each value by the declared neighbours alone.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from edaphon_calibration.checks.definition import Check, CheckMeta, LimitKind
from edaphon_calibration.checks.limits import DefaultLimits, DefaultLine, default_line, levels
from edaphon_calibration.errors import UnknownCheck, suggestion
from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.units import conversion

__all__ = [
    "Check",
    "CheckMeta",
    "LimitKind",
    "check_names",
    "default_limits",
    "metadata",
    "prepare",
]


@cache
def check_names() -> tuple[str, ...]:
    """All checks there are, sorted."""
    shared = {"definition", "limits"}
    return tuple(sorted(m.name for m in iter_modules(__path__) if m.name not in shared))


def metadata(name: str) -> CheckMeta:
    """What is fixed about a check; raises UnknownCheck.

    >>> metadata("rate").looks_back
    1
    """
    meta: CheckMeta = _module(name).METADATA
    return meta


def prepare(name: str, limits: Mapping[str, float]) -> Check:
    """A check with its limits; raises UnknownCheck or LimitError.

    A limit named plainly works with the check's own flag; `suspect_` or `fail_` before the name
    gives the flag. Limits in hours belong to all levels.

    >>> import numpy as np
    >>> check = prepare("range", {"fail_lowest": 0.0, "fail_highest": 0.6, "suspect_highest": 0.5})
    >>> check.flags(np.array([0, 1, 2]), np.array([0.3, 0.55, 0.7])).tolist()
    [1, 3, 4]
    """
    module = _module(name)
    return Check(module.METADATA, module.evaluate, levels(module.METADATA, limits))


def default_limits(
    quantity_name: str, depth_cm: float | None = None, unit: str | None = None
) -> dict[str, dict[str, float]]:
    """The usual limits of a quantity by check, ready for `prepare`; {} where there are none.

    They are in `unit` (the nomenclature's if None). Starting points for a site's own: where they
    come from stands beside them in the module of each check (`DEFAULTS`).

    >>> default_limits("soil_temperature", depth_cm=50)["rate"]["fall_per_hour"]
    0.3
    """
    known = quantity(quantity_name).unit
    line = conversion(known, unit or known)
    found = {}
    for name in check_names():
        module = _module(name)
        defaults: DefaultLimits = module.DEFAULTS
        row: DefaultLine | None = default_line(defaults, quantity_name, depth_cm)
        if row is not None:
            found[name] = row.in_unit(module.METADATA, line)
    return found


@cache
def _module(name: str) -> ModuleType:
    if not re.fullmatch("[a-z0-9_]+", name) or name not in check_names():
        raise UnknownCheck(
            f"expected the name of a check; came {name[:80]!r}" + suggestion(name, check_names())
        )
    return import_module(f"{__name__}.{name}")
