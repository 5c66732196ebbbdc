"""Asking a 1-wire thermometer: the kernel does the wire, its w1_slave file is the answer."""

import re
from collections.abc import Iterable, Iterator

from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.identity import Identity
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.reported import reported, without_number
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Ask, Asking, Talk
from edaphon_drivers.w1.scratchpad import FORMS, Found, read_slave_file

_ADDRESS = re.compile(r"[0-9a-f]{2}-[0-9a-f]{12}")
_FAMILIES = {"10": "DS18S20", "22": "DS1822", "28": "DS18B20", "42": "DS28EA00"}


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """Reads the file, again when its CRC fails; raises Fault."""
    _check_family(address, sheet)
    fault: Fault = NoAnswer("a w1_slave file", where=address)
    for _ in range(asking.timing.tries):
        came = yield Ask(address.encode() + b"\n", _is_whole, asking.timing.answer_s)
        if not came:
            continue
        try:
            read_slave_file(came, sheet.frame["form"])
        except Garbled as garbled:
            fault = garbled
        else:
            return
    raise fault


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """The same read: the resolution stands beside the temperature."""
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


def address_trouble(address: str) -> str:
    if _ADDRESS.fullmatch(address):
        return ""
    return "expected an identity as in /sys/bus/w1/devices, such as 28-0316a2795cff"


def sheet_troubles(sheet: Sheet) -> Iterator[str]:
    form, families = sheet.frame.get("form"), sheet.frame.get("families")
    if form not in FORMS:
        yield f"frame.form is one of {', '.join(FORMS)}, not {form!r}"
    if not isinstance(families, list) or not families or not set(families) <= _FAMILIES.keys():
        yield f"frame.families is a list out of {', '.join(_FAMILIES)}, not {families!r}"
    if len(sheet.outputs) != 1:
        yield f"one output is expected, the temperature; there are {len(sheet.outputs)}"


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
                good = read_slave_file(turn.data, sheet.frame["form"])
            except Garbled as garbled:
                fault = garbled
    if good is None:
        raise fault
    return good, address


def _check_family(address: str, sheet: Sheet) -> None:
    """A DS18S20 read as a DS18B20 would give a plausible, wrong temperature."""
    if address_trouble(address) or address[:2] not in sheet.frame["families"]:
        families = " or ".join(sheet.frame["families"])
        raise Refused(f"an identity of family {families} for {sheet.model}", address)


def _is_whole(data: bytes) -> bool:
    return data.count(b"\n") >= 2
