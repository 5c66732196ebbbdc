"""SDI-12 as an asked engine: measurements, identity, and what is wrong with an address or sheet.

`frame` of a sheet may say: `concurrent = false` and `crc = false` for what the probe can't do,
`fewer = true` where a shorter probe gives fewer values, `identity` (a regular expression with
the groups vendor, model, version, serial) for makers who don't keep to the columns of aI!, and
`[frame.settings]` with the extended command that tells each setting.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from edaphon_drivers.patterns import WrongPattern, compiled
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Identity, Reading
from edaphon_drivers.sdi12 import decode, service, talk
from edaphon_drivers.sdi12.parse import Identity as Columns
from edaphon_drivers.sdi12.parse import measurement
from edaphon_drivers.sheets import Command, Sheet
from edaphon_drivers.talk import Asking, Talk

_KNOWN = {"concurrent": bool, "crc": bool, "fewer": bool, "identity": str, "settings": Mapping}
_WORDS = {bool: "true or false", str: "a regular expression", Mapping: "a table"}
_PARTS = ("vendor", "model", "version", "serial")
_EXTENDED = re.compile(r"[A-Za-z][ \"-~]*")
_MOST = {"M": 9, "C": 99, "R": 99, "HA": 999, "HB": 999}


def measure(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    """All measurements of the sheet, one after the other."""
    yield from talk.measure(address, sheet, asking.concurrent, asking.crc, asking.timing)


def identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
    """Asks aI!, then each setting that the sheet has a command for."""
    return _identify(address, sheet, asking)


def decode_exchange(turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of every command of the sheet that is complete in the exchange."""
    return decode.decode_exchange(turns, sheet)


def decode_identity(turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
    """Who answered, and the settings it told; None when nobody did."""
    said = tuple(turns)
    columns = decode.decode_identity(said)
    if columns is None:
        return None
    settings = decode.decode_settings(said, sheet.frame.get("settings", {}))
    return _read(columns, str(sheet.frame.get("identity", "")), settings)


def address_error(address: str) -> str:
    """ "" or what would be right."""
    if re.fullmatch("[0-9A-Za-z]", address):
        return ""
    return "one character 0-9, A-Z or a-z"


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """What is wrong in an SDI-12 sheet, in words."""
    if not sheet.commands:
        yield "expected at least one [[command]] with send and outputs, found none"
    named: list[str] = []
    for command in sheet.commands:
        yield from _command_troubles(command, sheet)
        named += [name for name in command.outputs if name != "-"]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"output {name!r} stands twice among the commands; use - for the one not wanted"
    for name in sorted(sheet.outputs.keys() - set(named)):
        yield f"output {name!r} is given by no command; name it in outputs of a [[command]]"
    yield from _frame_troubles(sheet.frame)


def _identify(address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
    settings = sheet.frame.get("settings", {})
    yield from service.identify(address, asking.timing, settings)


def _read(columns: Columns, pattern: str, settings: Mapping[str, str]) -> Identity:
    parts = {"vendor": columns.vendor, "model": columns.model, "version": columns.version}
    parts["serial"] = columns.extra
    found = compiled(pattern, whole=True).in_whole(columns.text) if pattern else None
    if found:
        parts |= {name: said.strip() for name, said in found.items() if said}
    return Identity(**parts, settings=dict(settings))


def _command_troubles(command: Command, sheet: Sheet) -> Iterator[str]:
    asked = measurement(command.send)
    if asked is None:
        yield f"expected send M, M1..M9, C, C1..C9, R0..R9, HA or HB, got {command.send!r}"
        return
    if not 1 <= len(command.outputs) <= _MOST[asked.letters]:
        most = _MOST[asked.letters]
        yield f"expected 1 to {most} outputs of {command.send}, got {len(command.outputs)}"
    for name in command.outputs:
        if name != "-" and name not in sheet.outputs:
            yield f"{command.send} names the output {name!r}, and no [[output]] has that name"


def _frame_troubles(frame: Mapping[str, object]) -> Iterator[str]:
    for key, value in frame.items():
        if key not in _KNOWN:
            yield f"expected in [frame] one of {', '.join(sorted(_KNOWN))}, got {key!r}"
        elif not isinstance(value, _KNOWN[key]):
            yield f"expected {_WORDS[_KNOWN[key]]} for frame.{key}, got {value!r}"
    pattern, settings = frame.get("identity"), frame.get("settings")
    if isinstance(pattern, str):
        yield from _pattern_troubles(pattern)
    for name, command in settings.items() if isinstance(settings, Mapping) else ():
        if not isinstance(command, str) or not _EXTENDED.fullmatch(command):
            yield f"expected a command such as XS for the setting {name!r}, got {command!r}"


def _pattern_troubles(pattern: str) -> Iterator[str]:
    try:
        names = compiled(pattern, whole=True).names
    except WrongPattern as wrong:
        yield f"frame.identity {wrong}"
        return
    for name in sorted(set(names) - set(_PARTS)):
        yield f"frame.identity may have the groups {', '.join(_PARTS)}, not {name!r}"
