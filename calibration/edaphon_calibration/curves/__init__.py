"""Calibration curves: every module here but `definition` holds one, named like the module.

A new curve is one new module with a `CURVE`; nothing else lists them.
"""

import re
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from edaphon_calibration.curves.definition import Curve, Second
from edaphon_calibration.errors import UnknownCurve, suggestion

__all__ = ["Curve", "Second", "curve", "curve_names"]


@cache
def curve_names() -> tuple[str, ...]:
    """All curves there are, sorted."""
    return tuple(sorted(m.name for m in iter_modules(__path__) if m.name != "definition"))


@cache
def curve(name: str) -> Curve:
    """The curve of that name; raises UnknownCurve.

    >>> curve("teros12_mineral").to_unit
    'm**3/m**3'
    """
    if not re.fullmatch("[a-z0-9_]+", name) or name not in curve_names():
        raise UnknownCurve(
            f"expected the name of a curve; came {name[:80]!r}" + suggestion(name, curve_names())
        )
    found: Curve = import_module(f"{__name__}.{name}").CURVE
    return found
