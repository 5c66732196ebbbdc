"""From the device labels of the reference vectors to the decoder that reads them.

Each module of `labels/` knows some devices; it is found by its name, so a new one touches no file.
It offers `DEVICES` (label -> decoder) and, for labels that carry more than a name, `find(label)`.
"""

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tests.conformance.entries import Decoder

__all__ = ["find_decoder"]


@cache
def _labels() -> tuple[ModuleType, ...]:
    folder = str(Path(__file__).parent / "labels")
    names = sorted(module.name for module in pkgutil.iter_modules([folder]))
    return tuple(import_module(f"tests.conformance.labels.{name}") for name in names)


def find_decoder(label: str) -> Decoder | None:
    """The decoder of a device; None for a label that nobody knows."""
    known = [module.DEVICES[label] for module in _labels() if label in module.DEVICES]
    finders = [module.find for module in _labels() if hasattr(module, "find")]
    known += [found for find in finders if (found := find(label)) is not None]
    return known[0] if known else None
