"""Collects curves and checks by name from the tuples that this package and others offer."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


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
