"""ASCII instruments: the model sheet of each label; rows of files are read by the file labels.

A field that no output takes (a record's letter, a process parameter) is given as it was sent.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes
from tests.readers import line_texts

from edaphon_calibration.units import canonical, conversion
from edaphon_drivers.ascii.engine import decode_exchange, decode_identity, decode_stream, line_end
from edaphon_drivers.faults import Refused
from edaphon_drivers.readings import Reading, Turn
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES", "ascii_decoder", "find"]


def ascii_decoder(model: str, rows_too: bool = False) -> Decoder:
    """With `rows_too` a row of a file has the form of the line."""
    sheet = load_sheet(model)

    def decode(entry: Entry) -> list[Given]:
        if str(entry["transport"]).startswith("file") and not rows_too:
            return _row_of_a_file(entry)
        data = entry_bytes(entry)
        if not data.endswith(line_end(sheet)[-1:]):
            data += line_end(sheet)  # a file's row was quoted without its end
        identity = _identity(data, entry, sheet)
        if identity:
            return identity
        readings = _readings(data, entry, sheet)
        texts, time_ns = _texts(data, sheet)
        given = [_given(reading, entry["expected"]) for reading in readings]
        if time_ns is not None:
            given.append(Given("time", time_ns, None))
        return given + list(_fields(texts, sheet))

    return decode


def _row_of_a_file(entry: Entry) -> list[Given]:
    from tests.conformance.labels import file_rows

    decode: Decoder = file_rows.DEVICES[entry["device"]]
    return decode(entry)


def _carbocap(model: str) -> Decoder:
    """A probe that speaks either: the transport says which."""

    def decode(entry: Entry) -> list[Given]:
        from tests.conformance.labels import modbus_frames

        modbus = str(entry["transport"]).startswith("modbus")
        return (modbus_frames.DEVICES[f"Vaisala {model}"] if modbus else _CARBOCAP)(entry)

    return decode


def _identity(data: bytes, entry: Entry, sheet: Sheet) -> list[Given]:
    """Who answered, where the request of the entry asks for it."""
    request = Turn(0, True, str(entry.get("request", "")).encode("latin-1"))
    reported = decode_identity([request, Turn(9, False, data)], sheet)
    if reported is None:
        return []
    names = {"vendor": reported.vendor, "model": reported.model, "version": reported.version}
    stated = {**names, "serial": reported.serial, **reported.settings}
    return [Given(name, text, None) for name, text in stated.items()]


def _readings(data: bytes, entry: Entry, sheet: Sheet) -> tuple[Reading, ...]:
    if sheet.frame.get("heard"):
        try:
            return decode_stream([Turn(0, False, data)], sheet)
        except Refused:
            if "<ack>" in data.decode("latin-1").lower():
                return ()  # the vector asks what was answered, not what it means for a measurement
            raise
    request = str(entry.get("request", sheet.frame["ask"])).encode("latin-1")
    return decode_exchange([Turn(0, True, request), Turn(9, False, data)], sheet)


def _texts(data: bytes, sheet: Sheet) -> tuple[Mapping[str, str], int | None]:
    try:
        return line_texts(data, sheet)
    except Refused:
        return {"ack": "FALSE"}, None


def _given(reading: Reading, rows: Sequence[Mapping[str, Any]]) -> Given:
    """The reading in the unit that the vector writes, where that is another one of its kind."""
    wanted = [row["unit"] for row in rows if row["unit"]]
    failure: tuple[float, ...] = ()
    for unit in wanted:
        if _same_unit(unit, reading.unit):
            return Given(reading.output, reading.number, unit, failure)
    for unit in wanted:
        if reading.number is not None and {unit, reading.unit} in _SCALED:
            number = reading.number * conversion(reading.unit, unit).scale
            return Given(reading.output, number, unit, failure)
    return Given(reading.output, reading.number, reading.unit, failure)


# What one message can say in two units; the sheet's outputs have one.
_SCALED = ({"%", "ppm"}, {"kg", "g"}, {"mg", "g"})
# Units that the project writes in its own way.
_WRITTEN = {"g CO2/m2/h": "g/(h*m**2)", "secs": "s"}


def _same_unit(stated: str, ours: str) -> bool:
    if ours == "delta_degC":
        return stated == "°C"  # a shift of a temperature is printed as a temperature
    known = _WRITTEN.get(stated, stated)
    try:
        return canonical(known) == canonical(ours)
    except ValueError:
        return known == ours


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")


def _fields(texts: Mapping[str, str], sheet: Sheet) -> Iterator[Given]:
    taken = {str(sheet.frame.get("fields", {}).get(name, name)) for name in sheet.outputs}
    for name, text in texts.items():
        if text.startswith("0x"):
            yield Given(name, text, None)
        if name in taken:
            continue
        if text.upper() in {"TRUE", "FALSE"}:
            yield Given(name, float(text.upper() == "TRUE"), None)
        else:
            yield Given(name, float(text) if _NUMBER.fullmatch(text) else text, None)


_CARBOCAP = ascii_decoder("vaisala.gmp252")
_SOIL_CARBOCAP = ascii_decoder("vaisala.gmp343")

DEVICES: dict[str, Decoder] = {
    "LI-COR LI-820": ascii_decoder("licor.li-820"),
    "LI-COR LI-830": ascii_decoder("licor.li-830"),
    "LI-COR LI-840": ascii_decoder("licor.li-840"),
    "LI-COR LI-840A": ascii_decoder("licor.li-840a"),
    "LI-COR LI-850": ascii_decoder("licor.li-850"),
    "LI-COR LI-7810": ascii_decoder("licor.li-7810", rows_too=True),
    "LI-COR LI-7815": ascii_decoder("licor.li-7815", rows_too=True),
    "LI-COR LI-7820": ascii_decoder("licor.li-7820", rows_too=True),
    "PP Systems EGM-4": ascii_decoder("ppsystems.egm-4"),
    "PP Systems EGM-5": ascii_decoder("ppsystems.egm-5", rows_too=True),
    "Vaisala GMP251": _carbocap("GMP251"),
    "Vaisala GMP252": _carbocap("GMP252"),
    "GNSS receiver (NMEA 0183)": ascii_decoder("generic.gnss-nmea"),
}


def find(label: str) -> Decoder | None:
    """Vaisala's CO2 probes are named one by one or as a family."""
    if label.startswith("Vaisala GMP343"):
        return _SOIL_CARBOCAP
    return _CARBOCAP if re.fullmatch(r"Vaisala GMP2\d\d?x?(?:/GMP2\d\d?x?)*", label) else None
