"""The flag beside every value, the result of one test, and how results make a flag.

Codes follow the U.S. IOOS QARTOD manuals (flags 1, 2, 3, 4, 9). Unlike ioos_qc the worst of the
evaluated tests stands, and 2 is left only when no test could be evaluated.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["Flag", "Result", "worst_flag"]


class Flag(IntEnum):
    PASSED = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Result(IntEnum):
    """What one test found for one value."""

    NOT_EVALUABLE = -1
    PASS = 0
    FAIL = 1


def worst_flag(flags: list[npt.NDArray[np.int8]], n: int) -> npt.NDArray[np.int8]:
    """The worst of several flag arrays of shape (n,); NOT_EVALUATED yields to any other."""
    worst = np.full(n, Flag.NOT_EVALUATED, np.int8)
    for found in flags:
        evaluated = found != Flag.NOT_EVALUATED
        unset = worst == Flag.NOT_EVALUATED
        worst = np.where(evaluated & (unset | (found > worst)), found, worst).astype(np.int8)
    return worst
