"""1-wire thermometers: the kernel does the wire, its w1_slave file with nine bytes is the answer.

Documentation/w1/slaves/w1_therm of the Linux kernel; data sheets DS18B20 and DS18S20, Memory.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, NamedTuple

from edaphon_drivers.checksums import crc8_maxim
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.readings import Identity, Reading, Status, Turn, reported, without_number
from edaphon_drivers.sheets import ListOf, Sheet, Table, frame_reader, one_of, takes, that
from edaphon_drivers.talk import Ask, Asking, Talk

_FILE = re.compile(
    rb"((?:[0-9a-f]{2} ){9}): crc=([0-9a-f]{2}) (YES|NO)\n((?:[0-9a-f]{2} ){9})t=(-?\d{1,7})\n?"
)
# The kernel prints thousandths of a degree, truncated once or, for the DS18S20, twice.
_TRUNCATED_MC = 2


class Found(NamedTuple):
    """What a scratchpad says; `bits` is the resolution, 0 where it is fixed.

    `power_on` is sure: no conversion has been made since the thermometer got its supply.
    """

    celsius: float
    exact_mc: float
    power_on: bool
    bits: int


def read_slave_file(data: bytes, form: str) -> Found:
    """Raises Garbled for anything but a whole file whose bytes pass their CRC and agree with t=.

    After NO the second line holds the bytes of an earlier, good read.
    """
    parts = _FILE.fullmatch(data)
    if parts is None:
        raise Garbled("the two lines of a w1_slave file", data)
    read, crc, verdict, kept, millis = parts.groups()
    pad = bytes.fromhex(read.decode())
    if verdict != b"YES" or kept != read or int(crc, 16) != crc8_maxim(pad[:8]) or crc8_maxim(pad):
        raise Garbled("a scratchpad that passes its CRC", data)
    found = FORMS[form](pad)
    if abs(int(millis) - found.exact_mc) >= _TRUNCATED_MC:
        raise Garbled(f"t= that agrees with the scratchpad ({found.celsius:g} degC)", data)
    return found


def _ds18b20(pad: bytes) -> Found:
    """Sixteenths of a degree; bits below the resolution mean nothing."""
    if pad[4] & 0x9F != 0x1F:  # also 00 00 00 00 00 00 00 00 00, which passes its CRC
        raise Garbled("a DS18B20 with its configuration register", pad)
    raw = int.from_bytes(pad[:2], "little", signed=True)
    bits = 9 + (pad[4] >> 5 & 3)
    # Genuine chips say 0C in byte 6 before the first conversion, and 16 - raw % 16 after it.
    power_on = raw == 0x0550 and pad[6] == 0x0C
    return Found((raw >> 12 - bits << 12 - bits) / 16, raw * 62.5, power_on, bits)


def _ds18s20(pad: bytes) -> Found:
    """Half degrees without their last bit, and the rest from the two counters."""
    raw = int.from_bytes(pad[:2], "little", signed=True)
    remain, per_degree = pad[6], pad[7]
    if not per_degree or remain > per_degree:
        raise Garbled("a DS18S20 with its counters", pad)
    celsius = (raw >> 1) - 0.25 + (per_degree - remain) / per_degree
    return Found(celsius, celsius * 1000, raw == 0x00AA and remain == 0x0C, 0)


FORMS: dict[str, Callable[[bytes], Found]] = {"ds18b20": _ds18b20, "ds18s20": _ds18s20}


_ADDRESS = re.compile(r"[0-9a-f]{2}-[0-9a-f]{12}")
_FAMILIES = {"10": "DS18S20", "22": "DS1822", "28": "DS18B20", "42": "DS28EA00"}


class W1Table(Table):
    """[frame] of a 1-wire sheet."""

    form: Annotated[str, that(FORMS.__contains__)] = takes(one_of(FORMS))
    families: Annotated[ListOf[str], that(lambda named: named and set(named) <= set(_FAMILIES))] = (
        takes(f"a list out of {', '.join(_FAMILIES)}")
    )


def _one_output(_: W1Table, sheet: Sheet) -> Iterator[str]:
    if len(sheet.outputs) != 1:
        yield f"one output is expected, the temperature; there are {len(sheet.outputs)}"


_table_of, sheet_errors = frame_reader(W1Table, _one_output)


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Reads the file, again when its CRC fails; raises Fault."""
    _check_family(address, sheet)
    fault: Fault = NoAnswer("a w1_slave file", where=address)
    for _ in range(asking.timing.tries):
        came = yield Ask(address.encode() + b"\n", _is_whole, asking.timing.answer_s)
        if not came:
            continue
        try:
            read_slave_file(came, _table_of(sheet).form)
        except Garbled as garbled:
            fault = garbled
        else:
            return
    raise fault


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """The same read: the resolution comes with the temperature."""
    return measure(address, sheet, asking)


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The temperature of the last good file; raises NoAnswer, Garbled, Refused."""
    found, _ = _last_good(turns, sheet)
    output = next(iter(sheet.outputs.values()))
    if found.power_on:
        return (without_number(output, Status.FAILURE),)
    return (reported(output, found.celsius),)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """None where no good file came. The maker stays unsaid: clones have the same family code."""
    try:
        found, address = _last_good(turns, sheet)
    except Fault:
        return None
    settings = {"resolution": f"{found.bits} bit"} if found.bits else {}
    return Identity(model=_FAMILIES.get(address[:2], ""), serial=address, settings=settings)


def address_error(address: str) -> str:
    if _ADDRESS.fullmatch(address):
        return ""
    return "expected an identity as in /sys/bus/w1/devices, such as 28-0316a2795cff"


def _last_good(turns: Iterable[Turn], sheet: Sheet) -> tuple[Found, str]:
    address = ""
    good: Found | None = None
    fault: Fault = NoAnswer("a w1_slave file")
    for turn in turns:
        if turn.sent:
            address = turn.data.decode("ascii", "replace").strip()
            _check_family(address, sheet)
        elif turn.data:
            try:
                good = read_slave_file(turn.data, _table_of(sheet).form)
            except Garbled as garbled:
                fault = garbled
    if good is None:
        raise fault
    return good, address


def _check_family(address: str, sheet: Sheet) -> None:
    """A DS18S20 read as a DS18B20 would give a plausible, wrong temperature."""
    if address_error(address) or address[:2] not in _table_of(sheet).families:
        families = " or ".join(_table_of(sheet).families)
        raise Refused(f"an identity of family {families} for {sheet.model}", address)


def _is_whole(data: bytes) -> bool:
    return data.count(b"\n") >= 2
