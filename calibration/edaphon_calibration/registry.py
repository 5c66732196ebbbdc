"""Finds curves and checks by name in the tuples that this package and others offer."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from edaphon_calibration.errors import CalibrationError, suggestion


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def by_name(groups: Iterable[Iterable[T]]) -> dict[str, T]:
    """All members of the groups, sorted by name; raises ValueError where two have the same name."""
    found: dict[str, T] = {}
    for member in (member for group in groups for member in group):
        if found.setdefault(member.name, member) is not member:
            raise ValueError(f"expected one definition of {member.name}; received two")
    return dict(sorted(found.items()))


def find(kind: str, name: str, known: Mapping[str, T], unknown: type[CalibrationError]) -> T:
    """The member of that name; raises `unknown` with the nearest names."""
    if name not in known:
        raise unknown(
            f"expected the name of a {kind}; came {name[:80]!r}" + suggestion(name, known)
        )
    return known[name]
