"""Rows out of files: the sheet of each label, completed by what only a file's owner knows.

A column that no output takes is given as it stands in the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes
from tests.readers import decode_piece

from edaphon_calibration.errors import UnitError
from edaphon_calibration.units import canonical
from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.rows import cells_of
from edaphon_drivers.files.sheet import completed, read_layout
from edaphon_drivers.readings import Piece, Reading
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES"]

_OWNER = {"utc_offset": "+00:00", "year": 2014}
# Lines of names that their rows were quoted without; the first is of an LI-8150 (software 2).
_NAMES = {
    (
        "licor.li-8100a",
        21,
    ): "Type\tEtime\tDate\tTcham\tPressure\tH2O\tCO2\tCdry\tV1\tRH\tDOY\tHour\t"
    "Tbench\tTboard\tVin\tCO2ABS\tH2OABS\tRAWCO2\tRAWCO2REF\tRAWH2O\tRAWH2OREF",
    # The UGGA with two clocks and a battery (goFlux, UGGA.txt).
    (
        "losgatos.ugga",
        35,
    ): "SysTime,Time,[CH4]_ppm,[CH4]_ppm_sd,[CO2]_ppm,[CO2]_ppm_sd,[H2O]_ppm,[H2O]_ppm_sd,"
    "[CH4]d_ppm,[CH4]d_ppm_sd,[CO2]d_ppm,[CO2]d_ppm_sd,GasP_torr,GasP_torr_sd,GasT_C,GasT_C_sd,"
    "AmbT_C,AmbT_C_sd,RD0_us,RD0_us_sd,RD1_us,RD1_us_sd,LTC0_v,LTC0_v_sd,LTC1_v,LTC1_v_sd,"
    "Batt_v,Batt_v_sd,BATT_PERCENT,BATT_PERCENT_sd,Temp_Status_mA,Analyzer_Status_mA,Fit_Flag,"
    "MIU_VALVE,MIU_DESC",
}
_WRITTEN = {"g CO2/m2/h": "g/(h*m**2)"}


def _rows(model: str, *date_orders: str) -> Decoder:
    """With `date_orders` the row itself has to say which of them is its own."""
    settings = [{**_OWNER, "date_order": order} for order in date_orders] or [_OWNER]
    sheets = [completed(load_sheet(model), owner) for owner in settings]

    def decode(entry: Entry) -> list[Given]:
        for sheet in sheets[:-1]:
            try:
                return _decoded(entry, sheet)
            except Garbled:
                continue
        return _decoded(entry, sheets[-1])

    return decode


def _decoded(entry: Entry, sheet: Sheet) -> list[Given]:
    data, header = entry_bytes(entry), _header(entry, sheet)
    readings = decode_piece(Piece("vector", 0, header, data), sheet)
    given = [_given(reading, entry["expected"]) for reading in readings]
    return given + list(_others(data, header, sheet))


def _header(entry: Entry, sheet: Sheet) -> bytes:
    """The names that the entry quotes, as their line stands in the file."""
    layout = read_layout(sheet)
    width = len(cells_of(entry_bytes(entry).decode("latin-1").strip("\r\n"), layout))
    names = str(entry.get("columns") or _NAMES.get((sheet.model, width), ""))
    if layout.separator == "," and "," not in names:
        names = names.replace(" ", ",")  # no name of these files has a blank
    if not names or not any(isinstance(c, str) for c in layout.clock.columns):
        return b""
    begin = b"LI-8100:\n" if read_layout(sheet).form == "li81x" else b""
    return begin + names.encode() + b"\n"


def _given(reading: Reading, rows: Sequence[Mapping[str, Any]]) -> Given:
    """In the vector's spelling of the unit, where it is the same unit."""
    for unit in (row["unit"] for row in rows if row["unit"]):
        try:
            same = canonical(_WRITTEN.get(unit, unit)) == canonical(reading.unit)
        except UnitError:
            same = False
        if same:
            return Given(reading.output, reading.number, unit)
    return Given(reading.output, reading.number, reading.unit)


def _others(data: bytes, header: bytes, sheet: Sheet) -> Iterator[Given]:
    layout = read_layout(sheet)
    names = (
        cells_of(header.decode().strip().rpartition("\n")[2], layout)
        if header
        else list(layout.order)
    )
    cells = cells_of(data.decode("latin-1").strip("\r\n"), layout)
    taken = {column.name for column in layout.column}
    for name, text in zip(names, cells, strict=False):
        if name not in taken:
            number = text.replace(".", "", 1).isdecimal()
            yield Given(name, float(text) if number else text, None)


DEVICES: dict[str, Decoder] = {
    "LI-COR LI-850": _rows("licor.li-850-file"),
    "LI-COR LI-8100A": _rows("licor.li-8100a"),
    "LI-COR LI-8150": _rows("licor.li-8100a"),
    "PP Systems EGM-4": _rows("ppsystems.egm-4-file"),
    "Picarro G2508": _rows("picarro.g2508"),
    "Picarro G4301": _rows("picarro.g4301"),
    "Los Gatos Research analyser": _rows("losgatos.ugga", "mdy", "dmy", "ymd"),
    "TOMST TMS-4": _rows("tomst.tms-4"),
    "Campbell TOA5": _rows("campbell.toa5"),
}
