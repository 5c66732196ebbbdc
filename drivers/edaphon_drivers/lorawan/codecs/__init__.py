"""Makers' payload formats: which codec an uplink's bytes go to, and what is wrong in its sheet.

A codec is in the registry; it reads its own table, `frame`, of the model sheet.
"""

from collections.abc import Iterator
from typing import cast

from edaphon_drivers.lorawan.envelopes import has_data
from edaphon_drivers.lorawan.numbers import UplinkCodec
from edaphon_drivers.readings import Reading
from edaphon_drivers.registry import CODECS
from edaphon_drivers.sheets import PerSheet, Sheet

codec_names = CODECS.names


def decode_uplink(uplink_data: bytes, f_port: int, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings in an uplink's bytes; none where `has_data` says that there are none.

    Raises Garbled for bytes or a port that the sheet's frame does not allow, Incomplete where only
    some of its channels can be read, LookupError when the sheet names no codec.
    """
    if not has_data(uplink_data, f_port):
        return ()
    return _codec(sheet).decode(uplink_data, f_port, sheet)


def known_ports(sheet: Sheet) -> tuple[int, ...]:
    """The ports that a sheet's uplinks come on, sorted; none where any will do."""
    return tuple(sorted(set(_codec(sheet).ports(sheet))))


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """One sentence for each; nothing for a sheet that its codec can work with."""
    codec = sheet.frame.get("codec")
    if codec not in codec_names():
        yield f"frame.codec is one of {', '.join(codec_names())}, not {codec!r}"
        return
    yield from _codec(sheet).sheet_errors(sheet)


@PerSheet
def _codec(sheet: Sheet) -> UplinkCodec:
    return cast(UplinkCodec, CODECS.load(str(sheet.frame.get("codec"))))
