"""The errors of this package as one tree, and the words `did you mean` that go with them.

CalibrationError
├── UnitError         a unit that is not one, or not one of this quantity
├── UnknownQuantity   a quantity without a line in the nomenclature
├── UnknownCurve      a curve that nobody offers
├── ParameterError    parameters or a covariance that do not fit their curve
├── FitError          points through which no curve can be fitted
├── UnknownCheck      a check that nobody offers
└── LimitError        limits that do not fit their check
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CalibrationError(ValueError):
    """What a person wrote cannot be used; the message says what was expected and what came."""


class UnitError(CalibrationError):
    """A unit that is not one, or not one of this quantity."""


class UnknownQuantity(CalibrationError):
    """A quantity without a line in the nomenclature."""


class UnknownCurve(CalibrationError):
    """A curve that nobody offers."""


class ParameterError(CalibrationError):
    """Parameters or a covariance that do not fit their curve."""


class FitError(CalibrationError):
    """Points through which no curve can be fitted."""


class UnknownCheck(CalibrationError):
    """A check that nobody offers."""


class LimitError(CalibrationError):
    """Limits that do not fit their check."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message: the nearest known words, else all of them when they are few.

    >>> suggestion("soil_temprature", ["soil_temperature", "precipitation"])
    '; did you mean soil_temperature?'
    """
    words = sorted(known)
    folded = {w.casefold(): w for w in words}
    near = get_close_matches(word[:80].casefold(), folded, n=2, cutoff=0.6)
    if near:
        return f"; did you mean {' or '.join(folded[n] for n in near)}?"
    return f"; known are {', '.join(words)}" if 0 < len(words) <= 12 else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that nobody offers.

    >>> unknown("check", "rat", ["range", "rate"])
    "expected the name of a check; came 'rat'; did you mean rate?"
    """
    return f"expected the name of a {kind}; came {name[:80]!r}" + suggestion(name, known)
