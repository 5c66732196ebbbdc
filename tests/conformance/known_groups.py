"""From a case group of the reference numbers to the function that computes it.

Each module of `groups/` knows some groups in its `GROUPS`; it is found by its name, so a new one
touches no file. A function takes the inputs of a case by name and gives a number, or several by
the names under which they are expected.
"""

import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["Computed", "known_groups"]

Computed = Callable[[Mapping[str, Any]], Any]


@cache
def known_groups() -> Mapping[str, Computed]:
    folder = str(Path(__file__).parent / "groups")
    found: dict[str, Computed] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules([folder])):
        groups = import_module(f"tests.conformance.groups.{name}").GROUPS
        twice = found.keys() & groups.keys()
        if twice:
            raise ValueError(f"groups/{name}.py: another module has {sorted(twice)} already")
        found |= groups
    return found
