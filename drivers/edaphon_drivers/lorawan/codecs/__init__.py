"""Makers' payload formats: which codec an uplink's bytes go to, and the ports that it knows.

A codec is a function `decode(data, f_port, sheet) -> tuple[Reading, ...]` in the registry; it reads
its own table, `frame`, of the model sheet.
"""

from collections.abc import Callable
from typing import cast

from edaphon_drivers.lorawan.codecs.dragino import SDI12_PORTS
from edaphon_drivers.lorawan.envelopes import has_data
from edaphon_drivers.readings import Reading
from edaphon_drivers.registry import CODECS
from edaphon_drivers.sheets import Sheet

codec_names = CODECS.names
Decode = Callable[[bytes, int, Sheet], tuple[Reading, ...]]


def decode_uplink(uplink_data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings in an uplink's bytes; none where `has_data` says that there are none.

    Raises Garbled for bytes or a port that the sheet's frame does not allow, Incomplete where only
    some of its channels can be read, LookupError when the sheet names no codec.
    """
    if not has_data(uplink_data, f_port):
        return ()
    decode = cast(Decode, CODECS.load(str(sheet.frame.get("codec"))))
    return decode(uplink_data, f_port, sheet)


def known_ports(sheet: Sheet) -> tuple[int, ...]:
    """The ports that a sheet's uplinks come on, sorted; none where any will do."""
    frame = sheet.frame
    one = frame.get("f_port", [])
    listed = one if isinstance(one, list) else [one]
    blocks = [block["f_port"] for block in frame.get("block", ())]
    own = SDI12_PORTS if frame.get("codec") == "dragino_sdi12" else ()
    return tuple(sorted({*listed, *blocks, *own}))
