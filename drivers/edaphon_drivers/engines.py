"""The protocols by which an instrument is asked, by name; a sheet's `engine` names one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Identity, Reading
from edaphon_drivers.registry import ENGINES
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Asking, Talk

ASKED = ("ascii", "i2c", "modbus", "sdi12", "w1")
PUSHED = ("ascii", "file", "lorawan", "message")


class Engine(Protocol):
    """What can be asked of a protocol; nothing here touches a port."""

    def measure(self, address: str, sheet: Sheet, asking: Asking) -> Talk[None]:
        """All measurements of the sheet; raises Fault."""
        ...

    def identify(self, address: str, sheet: Sheet, asking: Asking) -> Talk[None] | None:
        """Who is there, with the settings it can tell; None where it can't say."""
        ...

    def decode_exchange(self, turns: Iterable[Turn], sheet: Sheet) -> tuple[Reading, ...]:
        """The readings from the bytes alone; raises Fault."""
        ...

    def decode_identity(self, turns: Iterable[Turn], sheet: Sheet) -> Identity | None:
        """Who answered; None when the exchange does not say."""
        ...

    def address_error(self, address: str) -> str:
        """What would be right; "" for an address of this protocol."""
        ...

    def sheet_errors(self, sheet: Sheet) -> Iterator[str]:
        """What is wrong in a sheet, one sentence for each error; nothing for a good one."""
        ...


def engine(name: str) -> Engine:
    """The protocol of that name; raises LookupError for one by which nobody is asked."""
    if name in PUSHED and name not in ASKED:
        raise LookupError(f"expected one of {', '.join(ASKED)} as an engine, got {name!r}")
    return cast(Engine, ENGINES.load(name))


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """What is wrong in a sheet, in words; nothing for one that can be used."""
    if sheet.engine not in ENGINES.names():
        yield f"engine is one of {', '.join(ENGINES.names())}, not {sheet.engine!r}"
    else:
        yield from cast(Engine, ENGINES.load(sheet.engine)).sheet_errors(sheet)


def completed(sheet: Sheet, settings: Mapping[str, Any]) -> Sheet:
    """The sheet with what its owner states of this one instrument, in the place of its frame."""
    if not settings:
        return sheet
    if sheet.engine == "file":
        from edaphon_drivers.files.sheet import completed as file_completed

        return file_completed(sheet, settings)
    return replace(sheet, frame={**sheet.frame, **settings})
