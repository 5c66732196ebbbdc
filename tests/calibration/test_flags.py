"""The worst of the evaluated tests counts, and one that could not be evaluated hides nothing."""

import numpy as np
import pytest

from edaphon_calibration import Flag, worst_flag


@pytest.mark.parametrize(
    ("found", "worst"),
    [
        ([], 2),
        ([2], 2),
        ([2, 1], 1),
        ([1, 2], 1),
        ([1, 3, 2], 3),
        ([4, 3], 4),
        ([3, 9, 4], 9),
        ([1, 1], 1),
    ],
)
def test_the_worst_flag_stands(found: list[int], worst: int) -> None:
    flags = [np.array([flag], np.int8) for flag in found]
    assert worst_flag(flags, 1).tolist() == [worst]


def test_flag_codes_are_those_of_qartod() -> None:
    assert [flag.value for flag in Flag] == [1, 2, 3, 4, 9]
