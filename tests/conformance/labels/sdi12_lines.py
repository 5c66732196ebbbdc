"""SDI-12 answers: the request says what kind of answer it is.

Only a sheet knows the units of values; the owner of any other probe declares them, value by value,
and so does the vector.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes
from tests.ddi import read_ddi

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import reported
from edaphon_drivers.sdi12.parse import (
    parse_acknowledgement,
    parse_identity,
    parse_metadata,
    parse_packet,
    parse_values,
    read_start,
)
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES", "find"]

# The maker's own unit of a quantity that has none, and the documents' spelling of some units.
_OWN_UNIT = {"salinity_index": "VIC"}
_SPELLED = {"umol/(m**2*s)": "µmol/m2/s", "W/m**2": "W/m2"}


def find(label: str) -> Decoder | None:
    """A label of an SDI-12 probe may say more than its model: "Acclima TDR-310H/315H"."""
    for pattern, decoder in _BY_NAME:
        if re.search(pattern, label, re.IGNORECASE):
            return decoder
    return None


def _sdi12(model: str | None = None, **first_output: int) -> Decoder:
    """With a model, `first_output` says which output each data command begins with (D1=3)."""

    def decode(entry: Entry) -> list[Given]:
        request, line = str(entry["request"]), entry_bytes(entry)
        # A question to all is answered by whoever is alone on the line.
        alone = line.decode("latin-1").strip()[:1]
        address = str(entry.get("address") or request[0].replace("?", alone))
        command = request[1:-1]
        crc = bool(entry.get("crc")) or "CRC" in str(entry.get("expect_error", ""))
        if re.fullmatch(r"DB\d+", command):
            return list(_values(parse_packet(address, line), entry, None, 0))
        if re.fullmatch(r"[DR]C?\d+", command):
            values = parse_values(address, line, crc or command.startswith("RC"))
            sheet = load_sheet(model) if model else None
            return list(_values(values, entry, sheet, first_output.get(command, 0)))
        return _reported(command, address, line, crc)

    return decode


def _values(
    values: Sequence[float], entry: Entry, sheet: Sheet | None, first: int
) -> Iterator[Given]:
    """Each value with the unit of its output.

    Where no sheet names a value, or the vector doesn't (value_1), the declared unit is taken.
    """
    expected = entry["expected"]
    declared = [row["unit"] for row in expected]
    names = _names(sheet, declared)[first:] if sheet else ()
    for n, value in enumerate(values):
        output = sheet.outputs.get(names[n]) if sheet and n < len(names) else None
        unnamed = n < len(expected) and re.fullmatch(r"value_\d+", expected[n]["quantity"])
        if output is None or (unnamed and declared[n] is None):
            yield Given(f"value_{n + 1}", value, declared[n] if n < len(declared) else None)
        else:
            read = reported(output, value)
            unit = _OWN_UNIT.get(output.quantity) or _SPELLED.get(read.unit, read.unit)
            if (unit, declared[n : n + 1]) == ("%", ["mm"]):
                unit = "mm"  # of water in 100 mm of soil
            yield Given(read.output, read.number, unit, output.failure)


def _names(sheet: Sheet, declared: Sequence[str | None]) -> tuple[str, ...]:
    """The outputs in order, from the command of the sheet whose units are those that came.

    A data answer alone doesn't say what started the measurement.
    """
    for command in sheet.commands:
        first = sheet.outputs.get(command.outputs[0])
        if first and _OWN_UNIT.get(first.quantity) in declared:
            return command.outputs
    return sheet.commands[0].outputs


def _reported(command: str, address: str, line: bytes, crc: bool) -> list[Given]:
    if command == "" or re.fullmatch(r"A[0-9A-Za-z]", command):
        stated = parse_acknowledgement(line)
        if stated != (command[1:] or address):
            raise Garbled("the address that was asked", line, f"address {address}")
        return [Given("address", stated, None)]
    if command == "I":
        named = parse_identity(line)._asdict().items()
        return [Given(name, stated, None) for name, stated in named if name != "text"]
    if "_" in command:
        fields = parse_metadata(address, line, crc or _metadata_crc(command))
        return [Given(f"field_{n}", stated, None) for n, stated in enumerate(fields, 1)]
    start = read_start(address, command, line)
    return [Given("wait", start.wait_s, "s"), Given("count", start.n, None)]


def _metadata_crc(command: str) -> bool:
    """Metadata of a measurement with a CRC carry one too: ICC_001, IMC1_001, IHA_001."""
    return bool(re.match(r"I([MCR]C|H)", command))


def _ddi(model: str, entry: Entry) -> list[Given]:
    """A line that a METER probe sends by itself, its values in the order of the sheet."""
    sent, sheet = read_ddi(entry_bytes(entry)), load_sheet(model)
    outputs = [sheet.outputs[name] for name in sheet.commands[0].outputs]
    read = [reported(output, n) for output, n in zip(outputs, sent.values, strict=True)]
    return [Given(r.output, r.number, r.unit) for r in read] + [Given("type", sent.kind, None)]


_HYDRAPROBE = _sdi12("stevens.hydraprobe", D1=3, D2=6)

DEVICES: dict[str, Decoder] = {
    "SDI-12 spec example": _sdi12(),
    "SDI-12 negative case": _sdi12(),
    "SDI-12 parser edge case": _sdi12(),
    "METER TEROS 21 (DDI serial)": partial(_ddi, "meter.teros21"),
    "STS pressure/temperature": _sdi12(),
}

_BY_NAME: tuple[tuple[str, Decoder | None], ...] = (
    (r"TEROS ?11.*DDI", partial(_ddi, "meter.teros11")),
    (r"TEROS ?12.*DDI", partial(_ddi, "meter.teros12")),
    (r"GS3.*DDI", partial(_ddi, "meter.gs3")),
    (r"DDI|LoRa|Decentlab|Modbus|RS-?485", None),
    (r"^METER TEROS ?11\b", _sdi12("meter.teros11")),
    (r"^METER TEROS ?12\b", _sdi12("meter.teros12")),
    (r"^METER TEROS ?21\b", _sdi12("meter.teros21")),
    (r"^METER TEROS ?22\b", _sdi12("meter.teros22")),
    (r"^METER TEROS ?31\b", _sdi12("meter.teros31")),
    (r"^METER TEROS ?32\b", _sdi12("meter.teros32")),
    (r"^METER TEROS ?54\b", _sdi12("meter.teros54", D1=4)),
    (r"^(METER|Decagon)\b.*\b5TM\b", _sdi12("meter.5tm")),
    (r"^(METER|Decagon)\b.*\b5TE\b", _sdi12("meter.5te")),
    (r"^(METER|Decagon)\b.*\bGS3\b", _sdi12("meter.gs3")),
    (r"^(METER|Decagon)\b.*\bMPS-?6\b", _sdi12("meter.mps6")),
    (r"^(METER|Decagon)\b.*\bMPS-?2\b", _sdi12("meter.mps2")),
    (r"^(METER|Decagon)\b.*\bCTD\b", _sdi12("meter.ctd10")),
    (r"^(METER|Decagon)\b.*\bATMOS ?14\b", _sdi12("meter.atmos14")),
    (r"^(METER|Decagon)\b.*\bATMOS ?22\b", _sdi12("meter.atmos22")),
    (r"^(METER|Decagon)\b.*\bATMOS ?41\b", _sdi12("meter.atmos41", D1=4, D2=7, D3=12, D4=15)),
    (r"^Campbell CS655\b", _sdi12("campbell.cs655")),
    (r"^Campbell CS65[0X]\b", _sdi12("campbell.cs650")),
    (r"^Campbell CS225\b", _sdi12("campbell.cs225")),
    (r"^Campbell CS45[16]\b", _sdi12("campbell.cs451")),
    (r"^Stevens Hydra ?Probe.*\b2\.\d", _sdi12("stevens.hydraprobe-2.7", D1=3, D2=6)),
    (r"^Stevens Hydra ?Probe(?!.*RS)", _HYDRAPROBE),
    (r"^Acclima TDR-?310W\b", _sdi12("acclima.tdr310w")),
    (r"^Acclima TDR", _sdi12("acclima.tdr310h")),
    (r"^Apogee SQ-6", _sdi12("apogee.sq-600")),
    (r"^Apogee SQ-421(?!X)", _sdi12("apogee.sq-421")),
    (r"^Apogee SP-42", _sdi12("apogee.sp-421")),
    (r"^Apogee SI-4", _sdi12("apogee.si-411")),
    (r"^Delta-T PR2", _sdi12("delta-t.pr2", D1=5)),
    (r"^Sentek (Enviro|Easy)", _sdi12("sentek.enviroscan")),
    (r"^Vaisala WMT700", _sdi12("vaisala.wmt700")),
    (r"^GroPoint", _sdi12("gropoint.profile-8")),
)
