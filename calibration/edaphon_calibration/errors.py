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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import Distribution


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


OWN = "edaphon"
# What an import may raise; whatever it is, only what needs the part waits.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class Family(Generic[T]):
    """What one entry point gives: a tuple of curves, or of checks.

    `package` is its name and version, "" for edaphon's own; `problem` says why it can't be used.
    """

    package: str
    members: tuple[T, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Known(Generic[T]):
    """All curves, or all checks, by name; `packages` names those of other packages."""

    by_name: Mapping[str, T]
    packages: Mapping[str, str]
    problems: tuple[str, ...]


def installed(group: str) -> Known[T]:
    """The members of all families of a group; edaphon's own are not replaced by others."""
    return known_of(sorted(_families(group), key=lambda family: family.package))


def known_of(families: list[Family[T]]) -> Known[T]:
    """A name that is given twice is what the first family gives, if that is edaphon's, or nothing.

    >>> known_of([Family("a 1", problem="part x of a 1 can't be used")]).problems
    ("part x of a 1 can't be used",)
    """
    found: dict[str, T] = {}
    packages: dict[str, str] = {}
    problems = [family.problem for family in families if family.problem]
    for family in families:
        for member in family.members:
            name = member.name
            if name in packages:
                other = packages[name] or OWN
                problems.append(f"{name} is in {other} and {family.package or OWN}: remove one")
                if packages[name]:
                    found.pop(name, None)
                continue
            found[name], packages[name] = member, family.package
    of_others = {name: package for name, package in packages.items() if package}
    return Known(dict(sorted(found.items())), of_others, tuple(problems))


@cache
def _packages() -> "Mapping[str, Distribution]":
    """By name, the installed packages that give any part; read once in a process."""
    from importlib.metadata import distributions  # it loads a parser of mail

    found: dict[str, Distribution] = {}
    for one in distributions():
        if "[edaphon." in (one.read_text("entry_points.txt") or ""):
            found.setdefault(one.name, one)
    return found


def _families(group: str) -> Iterator[Family[T]]:
    parts = [part for one in _packages().values() for part in one.entry_points.select(group=group)]
    for part in parts:
        package = f"{part.dist.name} {part.dist.version}" if part.dist is not None else part.value
        if part.dist is not None and part.dist.name == OWN:
            yield Family("", tuple(part.load()))
            continue
        try:
            yield Family(package, tuple(part.load()))
        except BROKEN as error:
            words = f"{type(error).__name__}: {error}"
            yield Family(package, problem=f"{part.name} of {package} can't be used: {words}")
