"""Published and recomputed numbers come out of the calibration room's own functions."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from tests.conformance.comparing import same_number
from tests.conformance.groups import GROUPS
from tests.conformance.not_yet import GROUPS as NOT_YET


def test_reference(group: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    name = group["id"]
    if name not in GROUPS and name in NOT_YET:
        pytest.skip(f"not supported yet: {name}")
    if name not in GROUPS:
        pytest.fail(f"unknown case group {name!r}: name it in groups.py or in not_yet.py")
    found = GROUPS[name](case["inputs"])
    expected, tolerance = case["expected"], group["tolerance"]
    if expected is None:
        assert math.isnan(found)
    else:
        relative, absolute = tolerance.get("rel", 0), tolerance.get("abs", 0)
        assert same_number(expected, found, relative, absolute), f"{found} for {expected}"
