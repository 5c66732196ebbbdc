"""Curves and checks: each family is an entry point of an installed package, edaphon's own too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import Distribution

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
