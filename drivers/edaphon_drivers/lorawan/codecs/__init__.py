"""Makers' payload formats: one module for each, found by name, so a new one touches no file.

A module offers `decode(data, f_port, sheet) -> tuple[Reading, ...]`, `PORTS` where no sheet says
them, and reads its own table,
`frame`, of the model sheet. No codec is ever guessed from the bytes: the same bytes are 4.4 °C to
one maker and 1126.4 °C to another.
"""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from edaphon_drivers.lorawan.uplink import has_data
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

__all__ = ["codec_names", "decode_uplink", "known_ports"]


class _Codec(Protocol):
    def decode(self, data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]: ...


@cache
def codec_names() -> tuple[str, ...]:
    """The codecs that a sheet's `frame.codec` may name, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def decode_uplink(uplink_data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings in an uplink's bytes; none where `has_data` says that there are none.

    Raises Garbled for bytes or a port that the sheet's frame does not allow, Incomplete where only
    some of its channels can be read, LookupError when the sheet names no codec.
    """
    if not has_data(uplink_data, f_port):
        return ()
    return _module(str(sheet.frame.get("codec"))).decode(uplink_data, f_port, sheet)


def known_ports(sheet: Sheet) -> tuple[int, ...]:
    """The ports that a sheet's uplinks come on, sorted; none where any will do."""
    frame = sheet.frame
    one = frame.get("f_port", [])
    listed = one if isinstance(one, list) else [one]
    blocks = [block["f_port"] for block in frame.get("block", ())]
    own = getattr(_module(str(frame.get("codec"))), "PORTS", ())
    return tuple(sorted({*listed, *blocks, *own}))


@cache
def _module(name: str) -> _Codec:
    if name not in codec_names():
        raise LookupError(
            f"expected one of {', '.join(codec_names())} as frame.codec, got {name!r}"
        )
    return cast(_Codec, import_module(f"{__name__}.{name}"))
