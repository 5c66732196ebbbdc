"""What must fit between a source, its model sheet and the line it hangs on."""

import re
from collections.abc import Callable, Iterator

from edaphon.config.lines import Bus
from edaphon.config.parts import Found, Parts
from edaphon.config.sources import (
    FileSource,
    HeardSource,
    LorawanSource,
    ScheduledSource,
    Source,
)
from edaphon.toml_input import Document, did_you_mean, expected_only
from edaphon.toml_input.lines import Place
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import check_unit
from edaphon_drivers.registry import completed, engine, sheet_errors
from edaphon_drivers.sheets import Output, model_names, table_errors

__all__ = ["instrument_rules", "unit_trouble"]

# What the instruments on each kind of line speak when they are asked.
_SPOKEN = {
    "sdi12": ("sdi12",),
    "sdi12-uart": ("sdi12",),
    "serial": ("ascii", "modbus"),
    "modbus-tcp": ("modbus",),
    "w1": ("w1",),
    "i2c": ("i2c",),
    "stream": (),
}


# A trouble that the settings of a source put right, so that it is the source's.
_SETTING = re.compile(r"\b(?:utc_offset|date_order|frame\.time\.(?:year|start)) is missing")

_TABLE = re.compile(r"(\[{1,2})(command|frame|output)\b")  # as a sheet of its own file writes it


def _own_models(_: Document, parts: Parts) -> Found:
    """The sheets that the owner wrote."""
    for name, model in parts.models.items():
        place = ("model", name)
        if name in model_names():
            yield place, f'"{name}" is a sheet of this package', "another name"
        if name not in parts.sheets.own:
            for inside, came, right in table_errors(model.model_dump()):
                yield (*place, *inside), came, _TABLE.sub(rf'\1model."{name}".\2', right)
            continue
        for problem in _own_troubles(name, parts):
            yield _frame_place(name, problem), f'"{name}"', problem
        for at, output in enumerate(parts.sheets.own[name].outputs.values()):
            yield from _output(output, (*place, "output", at))


def _own_troubles(name: str, parts: Parts) -> list[str]:
    """What is wrong in an owner's sheet whatever the sources that name it set."""
    sheet = parts.sheets.own.get(name)
    if sheet is None:
        return []
    using = [source for source in parts.sources.values() if source.model == name]
    found = list(sheet_errors(sheet))
    for source in using:
        still = set(sheet_errors(completed(sheet, source.settings)))
        found = [problem for problem in found if problem in still]
    return [problem for problem in found if not (using and _SETTING.search(problem))]


def _frame_place(name: str, problem: str) -> Place:
    """The key of the frame that a trouble begins with, the frame, or the whole sheet."""
    key = re.match(r"frame\.(\w+)(?: (\d+))?", problem)
    if key is None:
        return ("model", name, "frame") if re.search(r"\bframe\b", problem) else ("model", name)
    row = (int(key[2]) - 1,) if key[2] else ()
    return ("model", name, "frame", key[1], *row)


def _output(output: Output, inside: Place) -> Found:
    if output.quantity not in QUANTITIES:
        came = f'"{output.quantity}" is no quantity'
        yield (*inside, "quantity"), came, did_you_mean(output.quantity, QUANTITIES)
    elif problem := unit_trouble(output.unit, output.quantity):
        yield (*inside, "unit"), f'"{output.unit}"', problem


def _models(_: Document, parts: Parts) -> Found:
    """Each source's model has a sheet, and speaks what is spoken there."""
    names = tuple(sorted({*model_names(), *parts.models}))
    for number, source in parts.sources.items():
        if source.model is None:
            continue
        place = ("source", number, "model")
        if source.model not in names:
            yield place, f'"{source.model}" has no model sheet', did_you_mean(source.model, names)
        elif source.model in parts.sheets:
            yield from _speaks(source, number, parts)


def _speaks(source: Source, number: int, parts: Parts) -> Found:
    spoken = _spoken(source, parts)
    sheet = parts.sheets[source.model or ""]
    place = ("source", number, "model")
    if spoken is None:
        return
    if not spoken:
        came = f'bus {getattr(source, "bus", "")} has kind = "stream": nobody is asked there'
        yield ("source", number, "bus"), came, "expect instead of interval, or another bus"
    elif sheet.engine not in spoken:
        fitting = [n for n in parts.sheets.names() if parts.sheets[n].engine in spoken]
        came = f'"{source.model}" speaks {sheet.engine}, this source {" or ".join(spoken)}'
        yield place, came, did_you_mean(source.model or "", fitting)
    elif isinstance(source, HeardSource) != bool(sheet.frame.get("heard")) and "ascii" in spoken:
        came = f'"{source.model}" {"is asked" if isinstance(source, HeardSource) else "is heard"}'
        yield place, came, "interval for one that is asked, expect for one that talks by itself"
    elif problems := _setting_troubles(source, parts):
        yield from ((("source", number, "settings"), f'"{source.model}"', t) for t in problems[:1])
    elif isinstance(source, ScheduledSource) and (
        problem := engine(sheet.engine).address_error(source.address)
    ):
        yield (
            ("source", number, "address"),
            f'"{source.address}"',
            problem,
        )


def _setting_troubles(source: Source, parts: Parts) -> list[str]:
    """What is wrong in the sheet of a source with its settings, and not in the sheet alone."""
    name = source.model or ""
    reported = _own_troubles(name, parts)
    sheet = completed(parts.sheets[name], source.settings)
    return [problem for problem in sheet_errors(sheet) if problem not in reported]


def _spoken(source: Source, parts: Parts) -> tuple[str, ...] | None:
    """None where that is not known."""
    if isinstance(source, ScheduledSource):
        bus = parts.buses.get(source.bus)
        return _SPOKEN[bus.kind] if bus else None
    if isinstance(source, HeardSource):
        return ("ascii",)
    if isinstance(source, FileSource):
        return ("file",)
    return ("lorawan",) if isinstance(source, LorawanSource) else ("message",)


def _lines(_: Document, parts: Parts) -> Found:
    """What is heard hangs on a line that talks by itself; branches and supplies are there."""
    for number, source in parts.sources.items():
        if isinstance(source, HeardSource) and source.bus in parts.buses:
            yield from _hears(source, number, parts.buses[source.bus])
        elif isinstance(source, ScheduledSource):
            yield from _switched(source, number, parts)


def _hears(source: HeardSource, number: int, bus: Bus) -> Found:
    if bus.kind != "stream":
        came = f'bus {source.bus} has kind = "{bus.kind}"'
        yield ("source", number, "bus"), came, 'a bus with kind = "stream", or interval'


def _switched(source: ScheduledSource, number: int, parts: Parts) -> Found:
    bus = parts.buses.get(source.bus)
    branches = tuple(bus.multiplexer.ports) if bus and bus.multiplexer else ()
    if source.branch is not None and source.branch not in branches:
        right = did_you_mean(source.branch, branches) if branches else "a multiplexer of the bus"
        yield ("source", number, "branch"), f'"{source.branch}" is no branch', right
    if source.supply is not None and source.supply not in parts.supplies:
        known = tuple(parts.supplies)
        right = did_you_mean(source.supply, known) if known else f"[supply.{source.supply}]"
        yield ("source", number, "supply"), f'"{source.supply}" is no supply', right


def unit_trouble(unit: str, quantity: str) -> str:
    """What would be right, "" if the unit suits the quantity."""
    try:
        check_unit(unit, quantity)
    except CalibrationError as error:
        return expected_only(error)
    return ""


Rule = Callable[[Document, Parts], Iterator[tuple[tuple[str | int, ...], str, str]]]
instrument_rules: tuple[Rule, ...] = (_own_models, _models, _lines)
