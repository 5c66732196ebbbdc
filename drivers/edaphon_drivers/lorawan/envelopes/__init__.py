"""Network servers' envelopes: one module for each, found by name, so a new one touches no file.

A module offers `read(topic, message) -> Uplink | None`.
"""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from edaphon_drivers.json_message import parse_object
from edaphon_drivers.lorawan.uplink import Uplink

__all__ = ["envelope_kinds", "read_envelope"]


class _Envelope(Protocol):
    def read(self, topic: str, message: dict[str, object]) -> Uplink | None: ...


@cache
def envelope_kinds() -> tuple[str, ...]:
    """The kinds that `read_envelope` knows, sorted: "chirpstack-v4", "tts-v3"."""
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__)))


def read_envelope(kind: str, topic: str, data: bytes) -> Uplink | None:
    """The uplink in a network server's message; None for a join, a status, a log and the like.

    Raises Garbled for anything that is not such a message, LookupError for an unknown `kind`.
    """
    return _module(kind).read(topic, parse_object(data))


@cache
def _module(kind: str) -> _Envelope:
    if kind not in envelope_kinds():
        raise LookupError(f"expected one of {', '.join(envelope_kinds())}, got {kind!r}")
    return cast(_Envelope, import_module(f"{__name__}.{kind.replace('-', '_')}"))
