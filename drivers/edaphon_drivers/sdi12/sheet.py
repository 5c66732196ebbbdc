"""The [frame] table of an SDI-12 sheet, and what is wrong in its commands.

It may say: `concurrent = false` and `crc = false` for what the probe can't do, `fewer = true` where
a shorter probe gives fewer values, `identity` (a regular expression with the groups vendor, model,
version, serial) for makers who don't keep to the columns of aI!, and `[frame.settings]` with the
extended command that gives each setting.
"""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from edaphon_drivers.patterns import compiled
from edaphon_drivers.sdi12.parse import measurement
from edaphon_drivers.sheet_tables import Table, frame_reader, that
from edaphon_drivers.sheets import Command, Sheet

_PARTS = ("vendor", "model", "version", "serial")
_EXTENDED = re.compile(r"[A-Za-z][ \"-~]*")
_MOST = {"M": 9, "C": 99, "R": 99, "HA": 999, "HB": 999}


def _identity(pattern: str) -> str:
    for name in sorted(set(compiled(pattern, whole=True).names) - set(_PARTS)):
        raise ValueError(f"may have the groups {', '.join(_PARTS)}, not {name!r}")
    return pattern


class Sdi12Table(Table):
    """[frame] of an SDI-12 sheet."""

    concurrent: bool = Field(True, description="true or false")
    crc: bool = Field(True, description="true or false")
    fewer: bool = Field(False, description="true or false")
    identity: Annotated[str, AfterValidator(_identity)] = Field(
        "", description="a regular expression"
    )
    settings: dict[str, Annotated[str, that(_EXTENDED.fullmatch)]] = Field(
        {}, description='a table of commands such as { soil = "XS" }'
    )


def _further_errors(_: Sdi12Table, sheet: Sheet) -> Iterator[str]:
    if not sheet.commands:
        yield "expected at least one [[command]] with send and outputs, found none"
    named: list[str] = []
    for command in sheet.commands:
        yield from _command_errors(command, sheet)
        named += [name for name in command.outputs if name != "-"]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"output {name!r} is twice among the commands; use - for the one not wanted"
    for name in sorted(sheet.outputs.keys() - set(named)):
        yield f"output {name!r} is given by no command; name it in outputs of a [[command]]"


def _command_errors(command: Command, sheet: Sheet) -> Iterator[str]:
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


table_of, sheet_errors = frame_reader(Sdi12Table, _further_errors)
