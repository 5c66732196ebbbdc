"""The flag of every value, the result of one test, and how results make a flag.

Codes follow the U.S. IOOS QARTOD manuals (flags 1, 2, 3, 4, 9). Unlike ioos_qc the worst of the
evaluated tests counts, and 2 is left only when no test could be evaluated.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Flag(IntEnum):
    PASSED = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


# A plain number: numpy asks an enum member for half a dozen attributes at every comparison.
_UNSET = int(Flag.NOT_EVALUATED)


class Result(IntEnum):
    """What one test found for one value."""

    NOT_EVALUABLE = -1
    PASS = 0
    FAIL = 1


NOT_EVALUABLE = int(Result.NOT_EVALUABLE)


def worst_flag(flags: list[npt.NDArray[np.int8]], n: int) -> npt.NDArray[np.int8]:
    """The worst of several flag arrays of shape (n,); NOT_EVALUATED yields to any other."""
    found = np.array(flags, np.int8).reshape(-1, n)
    found[found == _UNSET] = 0  # below any other
    worst: npt.NDArray[np.int8] = found.max(axis=0, initial=0)
    worst[worst == 0] = _UNSET
    return worst
