"""The service at the plot, and its values for programs: `edaphon.open(PATH)`."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edaphon.api import Site
    from edaphon.api import open_site as open
    from edaphon.errors import (
        DamagedError,
        EdaphonError,
        FolderUnknown,
        IncompleteWarning,
        NoExplanation,
        NothingKnown,
        StaleError,
        StorageError,
        TimeError,
        UnknownChannel,
    )
    from edaphon.tables import ChannelRow, ChannelTable, Values

__all__ = [
    "ChannelRow",
    "ChannelTable",
    "DamagedError",
    "EdaphonError",
    "FolderUnknown",
    "IncompleteWarning",
    "NoExplanation",
    "NothingKnown",
    "Site",
    "StaleError",
    "StorageError",
    "TimeError",
    "UnknownChannel",
    "Values",
    "__version__",
    "open",
]

__version__ = version("edaphon")
_API = {"Site": "Site", "open": "open_site"}
_TABLES = frozenset({"ChannelRow", "ChannelTable", "Values"})


def __getattr__(name: str) -> Any:
    """What `__all__` lists is imported when it is first used: the service needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module 'edaphon' has no attribute {name!r}")
    module = "api" if name in _API else "tables" if name in _TABLES else "errors"
    found = getattr(import_module(f"edaphon.{module}"), _API.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
