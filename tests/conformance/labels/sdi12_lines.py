"""SDI-12 answers: the request says what kind of answer it is.

Only a sheet knows the units of values; the owner of any other probe declares them, value by value,
and so does the vector.
"""

import re
from collections.abc import Iterator, Sequence

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_drivers.sdi12.parse import (
    parse_acknowledgement,
    parse_identity,
    parse_metadata,
    parse_start,
    parse_values,
)
from edaphon_drivers.sheets import load_sheet

__all__ = ["DEVICES"]


def _sdi12(model: str | None = None, **first_output: int) -> Decoder:
    """With a model, `first_output` says which output each data command begins with (D1=3)."""

    def decode(entry: Entry) -> list[Given]:
        request, line = str(entry["request"]), entry_bytes(entry)
        address = str(entry.get("address") or request[0])
        command = request[1:-1]
        crc = bool(entry.get("crc")) or "CRC" in str(entry.get("expect_error", ""))
        if re.fullmatch(r"[DR]C?\d+", command):
            values = parse_values(address, line, crc)
            return list(_values(values, _declared(entry, model, first_output.get(command, 0))))
        return _said(command, address, line, crc)

    return decode


def _values(values: Sequence[float], units: Sequence[str | None]) -> Iterator[Given]:
    for n, value in enumerate(values):
        yield Given(f"value_{n + 1}", value, units[n] if n < len(units) else None)


def _declared(entry: Entry, model: str | None, first: int) -> list[str | None]:
    declared = [row["unit"] for row in entry["expected"]]
    if model is None:
        return declared
    sheet = load_sheet(model)
    names = sheet.commands[0].outputs[first:]
    known = zip(names, declared, strict=False)
    return [unit if name == "-" else sheet.outputs[name].unit for name, unit in known]


def _said(command: str, address: str, line: bytes, crc: bool) -> list[Given]:
    if command == "":
        return [Given("address", parse_acknowledgement(line), None)]
    if command == "I":
        return [Given(name, said, None) for name, said in parse_identity(line)._asdict().items()]
    if "_" in command:
        fields = parse_metadata(address, line, crc)
        return [Given(f"field_{n}", said, None) for n, said in enumerate(fields, 1)]
    start = parse_start(command, line)
    return [Given("wait", start.wait_s, "s"), Given("count", start.n, None)]


DEVICES: dict[str, Decoder] = {
    "SDI-12 spec example": _sdi12(),
    "SDI-12 negative case": _sdi12(),
    "SDI-12 parser edge case": _sdi12(),
    "METER TEROS 12": _sdi12("meter.teros12"),
    "METER TEROS 21": _sdi12("meter.teros21"),
    "Stevens HydraProbe (fw 6)": _sdi12("stevens.hydraprobe", D1=3, D2=6),
    "METER TEROS 11": _sdi12(),
    "METER TEROS 54": _sdi12(),
    "Acclima TDR-310H/315H": _sdi12(),
    "Apogee SQ-600 quantum": _sdi12(),
    "Delta-T PR2/6 SDI-12": _sdi12(),
    "STS pressure/temperature": _sdi12(),
    "Sentek EnviroSMART/EasyAG": _sdi12(),
    "Vaisala WMT700 (wind)": _sdi12(),
}
