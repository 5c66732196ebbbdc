"""Files that the configuration names as secrets: nothing else may read or keep them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from edaphon.toml_input.values import Secret

__all__ = ["HoldsSecrets", "is_secret", "is_secret_file", "secret_files"]


class HoldsSecrets(Protocol):
    """A configuration, or the parts of one: the tables in which secrets stand."""

    @property
    def brokers(self) -> Mapping[str, Any]: ...
    @property
    def sinks(self) -> Any: ...
    @property
    def notify(self) -> Any: ...
    @property
    def alerts(self) -> Any: ...


def secret_files(config: HoldsSecrets) -> frozenset[Path]:
    """Those of brokers, sinks, receivers and the sign of life."""
    tables = (config.brokers, config.sinks, config.notify, config.alerts)
    return frozenset(path for table in tables for path in _named(table))


def is_secret(path: Path, secrets: frozenset[Path]) -> bool:
    """Whether a path leads to one of these files, by whatever name."""
    if path in secrets:
        return True
    with suppress(OSError):
        return is_secret_file(os.stat(path), secrets)
    return False


def is_secret_file(found: os.stat_result, secrets: frozenset[Path]) -> bool:
    """Whether what was found is one of these files now, a hard link to it included."""
    for secret in secrets:
        with suppress(OSError):
            if os.path.samestat(found, os.stat(secret)):
                return True
    return False


def _named(value: Any) -> Iterator[Path]:
    if isinstance(value, Secret):
        if value.file is not None:
            yield value.file
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _named(inner)
    elif isinstance(value, Mapping):
        if value.keys() == {"file"} and isinstance(value["file"], str):  # of a kind's own table
            yield Path(value["file"])
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)
