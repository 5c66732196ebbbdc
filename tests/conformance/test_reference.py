"""Published and recomputed numbers come out of the calibration room's own functions."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from tests.conformance.comparing import same_number
from tests.conformance.known_groups import known_groups
from tests.conformance.not_yet import GROUPS as NOT_YET


def test_reference(group: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    name = group["id"]
    if name not in known_groups() and name in NOT_YET:
        pytest.skip(f"not supported yet: {name}")
    if name not in known_groups():
        pytest.fail(f"unknown case group {name!r}: name it in a module of groups/ or in not_yet.py")
    check(case["expected"], known_groups()[name](case["inputs"]), group["tolerance"])


def check(expected: Any, found: Any, tolerance: Mapping[str, float]) -> None:
    """Numbers one by one, within mappings by name; what is expected to be missing is NaN."""
    if isinstance(expected, Mapping):
        for name, number in expected.items():
            check(number, found[name], tolerance)
    elif isinstance(expected, list):
        assert len(expected) == len(found)
        for number, given in zip(expected, found, strict=True):
            check(number, given, tolerance)
    elif expected is None:
        assert math.isnan(found)
    elif isinstance(expected, str | bool):
        assert found == expected
    else:
        relative, absolute = tolerance.get("rel", 0), tolerance.get("abs", 0)
        if tolerance.get("last_digit"):
            absolute = 0.5 * 10.0 ** -len(repr(expected).partition(".")[2]) + 1e-12
        assert same_number(expected, found, relative, absolute), f"{found} for {expected}"
