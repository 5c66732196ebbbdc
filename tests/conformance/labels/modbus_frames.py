"""Modbus frames and single registers: read by the sheets of each label, as an exchange would be.

Beside the readings come what the frames say of themselves: the registers, the address that was
asked for, and what of the identity was answered.
"""

import struct
from collections.abc import Iterator

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_calibration.errors import UnitError
from edaphon_calibration.units import canonical
from edaphon_drivers.checksums import has_crc, with_crc
from edaphon_drivers.faults import Garbled
from edaphon_drivers.modbus.decode import item_reading
from edaphon_drivers.modbus.engine import decode_exchange, decode_identity
from edaphon_drivers.modbus.frame import parse_request, registers_asked
from edaphon_drivers.modbus.table import Read, plan_of
from edaphon_drivers.readings import Reading, Turn
from edaphon_drivers.sheets import Sheet, load_sheet

__all__ = ["DEVICES"]


def _modbus(*models: str) -> Decoder:
    """With several models the one counts that asks at the request's address."""

    def decode(entry: Entry) -> list[Given]:
        data = entry_bytes(entry)
        if entry["transport"] == "modbus-register":
            sheet = load_sheet(models[0])
            given = [Given(r.output, r.number, r.unit) for r in _as_register(data, sheet)]
        elif entry.get("request") == entry["payload"]["data"]:
            given = list(_asked(data))
        else:
            sheet = _sheet(entry, models)
            given = list(_answered(_request(entry, data, sheet), data, sheet))
        return [g._replace(unit=_as_spelled(g, entry)) for g in given]

    return decode


def _as_register(data: bytes, sheet: Sheet) -> Iterator[Reading]:
    """What a register alone would be as each of the outputs that are as long."""
    for read in plan_of(sheet).reads:
        for item in read.items:
            if item.n_bytes == len(data):
                yield item_reading(item, data, sheet.outputs[item.output])


def _asked(frame: bytes) -> Iterator[Given]:
    request = parse_request(frame)
    if request is None:
        raise Garbled("a request with the right CRC", frame)
    address = int.from_bytes(request.pdu[1:3])
    for name in ("register", "ram_address"):
        yield Given(name, address, None)
    for name in ("count", "bytes"):
        yield Given(name, int.from_bytes(request.pdu[3:]), None)
    yield Given("unit", request.unit, None)
    yield Given("function", request.pdu[0], None)


def _sheet(entry: Entry, models: tuple[str, ...]) -> Sheet:
    sheets = [load_sheet(model) for model in models]
    request = parse_request(bytes.fromhex(entry.get("request", "")))
    window = registers_asked(request.pdu) if request else None
    for sheet in sheets:
        reads = plan_of(sheet).reads
        if window and any(read.address == window[0] for read in reads):
            return sheet
    return sheets[0]


def _request(entry: Entry, data: bytes, sheet: Sheet) -> bytes:
    """The request of the entry, else the sheet's own for as many bytes as were answered.

    Where it has none, its first for fewer registers.
    """
    if entry.get("request"):
        return bytes.fromhex(entry["request"])
    reads, size = plan_of(sheet).reads, int.from_bytes(data[2:3])
    fitting = [read for read in reads if read.shape.size == size]
    pdu = (fitting or reads)[0].pdu
    if not fitting and registers_asked(pdu) and data[1:2] in (b"\x03", b"\x04"):
        pdu = data[1:2] + pdu[1:3] + (size // 2).to_bytes(2)
    return with_crc(data[:1] + pdu)


def _answered(request: bytes, data: bytes, sheet: Sheet) -> Iterator[Given]:
    turns = (Turn(0, True, request), Turn(9, False, data))
    yield from _registers(request, data)
    identity = decode_identity(turns, sheet)
    if identity:
        for name in ("version", "serial", "model", "vendor"):
            yield Given("firmware" if name == "version" else name, getattr(identity, name), None)
        yield from (Given(name, text, None) for name, text in identity.settings.items())
    if identity is None or _holds_values(request, sheet):
        readings = _readings(turns, sheet, request)
        yield from (
            Given(r.output, r.number, r.unit, sheet.outputs[r.output].failure) for r in readings
        )


def _readings(turns: tuple[Turn, ...], sheet: Sheet, request: bytes) -> tuple[Reading, ...]:
    """A good answer to registers of which the sheet knows no value has no readings."""
    answer = turns[1].data
    if has_crc(answer) and answer[:2] == request[:2] and not _holds_values(request, sheet):
        return ()
    return decode_exchange(turns, sheet)


def _holds_values(request: bytes, sheet: Sheet) -> bool:
    asked = parse_request(request)
    window = registers_asked(asked.pdu) if asked else None
    reads = plan_of(sheet).reads
    if asked is None or window is None:
        return asked is not None and any(read.pdu == asked.pdu for read in reads)
    return any(_within(window, read) for read in reads)


def _within(window: tuple[int, int], read: Read) -> bool:
    if read.address is None:
        return False
    starts = [(read.address + item.at, item.n_bytes // 2) for item in read.items]
    return any(window[0] <= at and at + n <= sum(window) for at, n in starts)


def _registers(request: bytes, data: bytes) -> Iterator[Given]:
    """The plain registers of a good answer, by their decimal and hexadecimal addresses."""
    window = registers_asked(request[1:-2])
    if window is None or not has_crc(data) or data[1] != request[1] or data[2] != 2 * window[1]:
        return
    for n, (word,) in enumerate(struct.iter_unpack(">H", data[3:-2])):
        yield Given(f"register_{window[0] + n}", word, None)


def _as_spelled(given: Given, entry: Entry) -> str | None:
    """The vector's own spelling of the unit, where it means the same."""
    for row in entry["expected"]:
        try:
            if given.unit and row["unit"] and canonical(row["unit"]) == canonical(given.unit):
                return str(row["unit"])
        except UnitError:
            continue
    return given.unit


DEVICES: dict[str, Decoder] = {
    "Vaisala GMP252": _modbus("vaisala.gmp252-modbus"),
    "Vaisala GMP251": _modbus("vaisala.gmp251-modbus"),
    "Vaisala GMW80 series": _modbus("vaisala.gmw80"),
    "ComWinTop CWT-SOIL NPKPHCTH-S (7-in-1)": _modbus("comwintop.cwt-soil-npkphcth-s"),
    "generic RS485 7-in-1 soil probe": _modbus("generic.soil-7in1-temperature-first"),
    "DFRobot SEN0600 soil T/VWC": _modbus("dfrobot.sen0600"),
    "DFRobot SEN0601 soil T/VWC/EC": _modbus("dfrobot.sen0601"),
    "DFRobot SEN0602 soil T/VWC/pH": _modbus("dfrobot.sen0602"),
    "DFRobot SEN0604 soil T/VWC/EC/pH": _modbus("dfrobot.sen0604"),
    "DFRobot SEN0605 NPK": _modbus("dfrobot.sen0605"),
    "DFRobot SEN0641 PAR": _modbus("dfrobot.sen0641"),
    "ES-SM-TH-01S soil moisture": _modbus("epcb.es-sm-th-01s"),
    "JXCT 7-in-1": _modbus("jxct.jxbs-3001-npk"),
    "Senseair S8/S88": _modbus("senseair.s8"),
    "Senseair K30": _modbus("senseair.k30"),
    "Sensirion SCD30 (Modbus)": _modbus("sensirion.scd30"),
    "RS485 temperature/humidity (XY-MD02 type)": _modbus(
        "generic.xy-md02", "generic.xy-md02-base0"
    ),
    "SenseCAP S-Soil MTEC-02": _modbus("seeed.s-soil-mtec-02"),
    "SenseCAP S-Soil MT-02": _modbus("seeed.s-soil-mt-02"),
    "Truebner SMT100": _modbus("truebner.smt100"),
    "Apogee SQ-422X": _modbus("apogee.sq-422x"),
}
