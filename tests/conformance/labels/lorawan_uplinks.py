"""LoRaWAN devices: the model sheet of each label, and what its maker computes from the numbers."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_calibration.curves import find_curve
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES", "find", "lorawan"]


def find(label: str) -> Decoder | None:
    """A Dragino LSE01 label says its firmware in brackets, or the mode that came with 1.2."""
    bracket = re.fullmatch(r"Dragino LSE01 \(([^()]*)\)", label)
    if bracket is None:
        return None
    firmware = re.search(r"\bv?(\d+)\.(\d+)", bracket[1])
    since = (int(firmware[1]), int(firmware[2])) >= (1, 2) if firmware else "MOD" in bracket[1]
    return lorawan("dragino.lse01-1.2.1" if since else "dragino.lse01-1.1.4")


def lorawan(model: str) -> Decoder:
    """Decodes an uplink by the sheet of a model, through the one road of the runtime."""
    sheet = load_sheet(model)

    def decode(entry: Entry) -> list[Given]:
        readings = decode_uplink(entry_bytes(entry), entry["f_port"], sheet)
        return list(_given(readings, sheet))

    return decode


def _given(readings: Sequence[Reading], sheet: Sheet) -> Iterator[Given]:
    """The readings, and what the maker computes from them by the sheet's factory curves."""
    for r in readings:
        output = sheet.outputs[r.output]
        yield Given(r.output, r.number, r.unit, output.failure)
        for factory in output.factory if r.number is not None else ():
            known = find_curve(factory.curve)
            computed = known.value(np.array([r.number]), known.parameter_vector(factory.parameters))
            yield Given(factory.quantity, float(computed[0]), factory.unit)


DEVICES: dict[str, Decoder] = {
    "Dragino LSE01": lorawan("dragino.lse01-1.1.4"),
    "Dragino SE01-LB": lorawan("dragino.se01-lb"),
    "Milesight EM500-SMTC": lorawan("milesight.em500-smtc"),
}
