"""From the device labels of the reference vectors to the decoder that reads them.

Each module of `labels/` knows some devices; it is found by its name, so a new one touches no file.
It offers `DEVICES` (label -> decoder) and, for labels that carry more than a name, `find(label)`.
"""

import pkgutil
import re
from collections.abc import Iterator
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


# What a bracket may not hold: it would name another line than the plain name.
_LINE = r"(?!.*(?:DDI|LoRa|Modbus|RS-?232|RS-?485|SDI-?12|I2C|MQTT))"
_BRACKET = re.compile(rf" \({_LINE}[^()]*\)$", re.IGNORECASE)
_DESCRIPTION = re.compile(r"(?: [a-z][\w,/-]*)+$")  # "soil moisture": the names of models don't


def find_decoder(label: str) -> Decoder | None:
    """The decoder of a device; None for a label that nobody knows."""
    decoders = (found for name in _names(label) if (found := _exactly(name)) is not None)
    return next(decoders, None)


def _names(label: str) -> Iterator[str]:
    """The label, then without its bracket and description, then as a known label begins."""
    plain = _BRACKET.sub("", label)
    bare = _DESCRIPTION.sub("", plain)
    yield from (label, plain, bare)
    longer = [
        known
        for module in _labels()
        for known in module.DEVICES
        if " " in bare and known.startswith((f"{bare} ", f"{bare}/")) and "(" not in known
    ]
    yield from longer if len(longer) == 1 else ()


def _exactly(label: str) -> Decoder | None:
    known = [module.DEVICES[label] for module in _labels() if label in module.DEVICES]
    finders = [module.find for module in _labels() if hasattr(module, "find")]
    known += [found for find in finders if (found := find(label)) is not None]
    return known[0] if known else None
