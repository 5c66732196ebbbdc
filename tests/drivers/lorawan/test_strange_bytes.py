"""Whatever comes over the air: readings of the sheet's outputs, finite or a status, or a fault.

Frames of known channels with random values reach what random bytes alone never would.
"""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon_drivers.checksums import crc16_kermit
from edaphon_drivers.faults import Fault
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.lorawan.codecs.cayenne import KINDS
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import Sheet, load_sheet, model_names

MAKERS = ("milesight.", "dragino.", "elsys.", "sensecap.", "tektelic.", "cayenne.")
MODELS = [name for name in model_names() if name.startswith(MAKERS)]


def channels(sheet: Sheet) -> list[tuple[bytes, int]]:
    """Tags and the lengths of their values."""
    frame: dict[str, Any] = dict(sheet.frame)
    rows = [(bytes([row["type"]]), row["bytes"]) for row in frame.get("type", ())]
    rows += [(bytes([row["id"]]), row["bytes"]) for row in frame.get("packet", ())]
    for row in frame.get("channel", ()):
        length = row.get("bytes") or KINDS[row["type"]].length
        rows.append((bytes([row["id"], row["type"]]), length))
    if frame["codec"] == "milesight_uc50x":
        rows += [(b"\x08\xdb", 37), (b"\xff\x0e", 6), (b"\x80\x0e", 7), (b"\x20\xe0", 42)]
    return rows


def frames(sheet: Sheet) -> st.SearchStrategy[bytes]:
    """Whole channels again and again, bytes of any length, and blocks with a right CRC."""
    if sheet.frame["codec"] == "sensecap":
        body = st.integers(1, 5).flatmap(lambda n: st.binary(min_size=7 * n, max_size=7 * n))
        return body.map(lambda b: b + crc16_kermit(b).to_bytes(2, "little")) | st.binary()
    known = channels(sheet)
    lengths = [n for block in sheet.frame.get("block", ()) for n in block.get("lengths", [22])]
    blocks = [st.binary(min_size=n, max_size=n) for n in lengths]
    if not known:
        return st.one_of(*blocks, st.binary(max_size=60))
    whole = st.sampled_from(known).flatmap(
        lambda row: st.binary(min_size=row[1], max_size=row[1]).map(lambda value: row[0] + value)
    )
    return st.lists(whole, min_size=1, max_size=4).map(b"".join) | st.binary(max_size=60)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=20)
@given(data=st.data())
def test_strange_bytes_never_break_the_decoder_of(model: str, data: st.DataObject) -> None:
    sheet = load_sheet(model)
    payload = data.draw(frames(sheet))
    for f_port in (1, 2, 3, 5, 10, 85, 100):
        try:
            readings = decode_uplink(payload, f_port, sheet)
        except Fault:
            continue
        for r in readings:
            assert r.output in sheet.outputs or "probe" in sheet.frame
            assert (r.number is None) == (r.status is not Status.OK)
            assert r.number is None or math.isfinite(r.number)
