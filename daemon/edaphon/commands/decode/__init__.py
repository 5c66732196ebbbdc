"""`edaphon decode`: what the bytes of an instrument mean, with the factory curves of its model."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from edaphon.clock import instant_text
from edaphon.commands.decode.payload import (
    Unclear,
    expect_address,
    held,
    lines_of,
    plain_bytes,
    readings_of,
)
from edaphon.commands.options import USAGE, Config
from edaphon.config import Configuration, LorawanSource, Source
from edaphon.config.reading import read_codec
from edaphon.derive.calibrate import why_impossible, within_physics
from edaphon.derive.decode import Sources
from edaphon.printer import show_error, show_error_text, show_json, show_line, show_lines, visible
from edaphon.service import check
from edaphon.service.check import configured, usual_file
from edaphon.storage.access import fail
from edaphon_calibration.chain import SAME, apply_chain
from edaphon_calibration.curves import find_curve
from edaphon_calibration.errors import suggestion
from edaphon_calibration.prepare import prepare_step
from edaphon_drivers.faults import Fault, Incomplete, Refused
from edaphon_drivers.files.lines import Slice
from edaphon_drivers.lorawan import Uplink
from edaphon_drivers.readings import Message, Reading
from edaphon_drivers.sheets import Factory, Sheet, Sheets, UnknownModel

_MOST_REFUSED = 20
_ADVICE = "hex (LoRaWAN also base64), text with \\r \\n \\xNN, or @FILE: the whole answer"


class _Decoded(NamedTuple):
    """Readings, and their sheet, None for a maker's codec; `unread`: the bytes that are in none."""

    readings: tuple[Reading, ...]
    sheet: Sheet | None
    file: Slice | None = None  # of a file: what its lines are
    unread: str = ""


def decode(
    payload: Annotated[str, typer.Option(help=_ADVICE)],
    model: Annotated[str, typer.Option(help="name of a model sheet")] = "",
    source: Annotated[str, typer.Option(help="or a source of edaphon.toml")] = "",
    port: Annotated[int | None, typer.Option(help="LoRaWAN FPort")] = None,
    topic: Annotated[str, typer.Option(help="MQTT topic, if it is needed to decode")] = "",
    request: Annotated[str, typer.Option(help="Modbus: the request, if several are possible")] = "",
    file: Config = None,
    json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False,
) -> None:
    """Decode the bytes of an instrument; nothing is stored.

    In a file, each line that is not a row is listed with its number. Exit 1 if bytes or a line
    can't be decoded; 2 for a wrong command.
    """
    if bool(model) == bool(source):
        raise fail("expected either --model or --source", USAGE)
    try:
        stated = (
            _by_source(source, file, (payload, port, topic, request))
            if source
            else _by_model(_sheet(model, file), (payload, port, topic, request))
        )
    except Unclear as unclear:
        raise fail(f"{model or source}: {unclear}", USAGE) from None
    except OSError as error:
        words = f"expected a file that can be read, got {error.filename} ({error.strerror})"
        raise fail(words, USAGE) from None
    except Fault as fault:
        raise fail(f"{model or source}: {_words(fault)}") from None
    rows = list(_rows(stated))
    if json:
        show_json(rows, indent=False)
    elif not rows and not (stated.file and stated.file.refused):
        show_line("understood; there is no reading in it")
    elif rows:
        show_lines(chain.from_iterable(map(_lines, rows)))
    if stated.unread:
        (show_error if json else show_line)(f"not read: {stated.unread}")
    if stated.file is not None and (stated.file.refused or not json):
        show_error_text("\n".join(map(visible, _account(stated.file))))
    if stated.file is not None and stated.file.refused:
        raise typer.Exit(1)


_Typed = tuple[str, int | None, str, str]


def _sheet(model: str, file: Path | None) -> Sheet:
    """One of the package is at hand without a configuration; the owner's are in the usual file."""
    place, sheets = file, Sheets()
    if place is None and model not in sheets and usual_file().exists():
        place = usual_file()
    if place is not None:
        sheets = configured(place).config.sheets
    try:
        return sheets[model]
    except UnknownModel:
        looked = f"in {place}" if place else "there is no " + " or ".join(map(str, check.USUAL))
        words = f"expected the name of a model sheet, got {model!r}"
        near = suggestion(model, sheets.names())
        raise fail(f"{words} (looked among those of this package; {looked}){near}", USAGE) from None


def _by_model(sheet: Sheet, typed: _Typed, address: str | None = None) -> _Decoded:
    """With an address, what another instrument answered is refused."""
    payload, port, topic, request = typed
    what = held(payload, sheet.engine, port, topic, request)
    if sheet.engine == "file":
        lines = lines_of(sheet, what)
        return _Decoded(lines.readings, sheet, lines)
    unread = ""
    try:
        readings = readings_of(sheet, what)
    except Incomplete as fault:
        readings, unread = fault.readings, fault.detail
    if address is not None:
        expect_address(address, sheet, what.data)
    return _Decoded(readings, sheet, unread=unread)


def _by_source(path: str, file: Path | None, typed: _Typed) -> _Decoded:

    config, found = named_source(path, file)
    if found.model is not None:
        return _by_model(config.sheet(found), typed, getattr(found, "address", None))
    return _Decoded(own_readings(config, found, *typed[:2]), None)


def _rows(stated: _Decoded) -> Iterator[dict[str, Any]]:
    """Each reading, then what the factory curves of its output make of it."""
    for received, reading in zip(stated.readings, within_physics(stated.readings), strict=True):
        row = {"output": reading.output, **_number(received)}
        for key, ns in (("start", reading.start_ns), ("time", reading.time_ns)):
            if ns is not None:
                row[key] = instant_text(ns)
        yield row
        for factory in stated.sheet.outputs[reading.output].factory if stated.sheet else ():
            made = reading._replace(
                quantity=factory.quantity, number=_converted(reading, factory), unit=factory.unit
            )
            yield {**row, "factory": factory.name, **_number(made)}


def _number(reading: Reading) -> dict[str, Any]:
    (possible,) = within_physics((reading,))
    row = {"quantity": reading.quantity, "value": possible.number, "unit": reading.unit}
    row["status"] = str(possible.status)
    return row | {"impossible": why} if (why := why_impossible(reading)) else row


def _account(file: Slice) -> Iterator[str]:
    """The lines that are no rows, up to _MOST_REFUSED, and how many lines are what."""
    for line in file.refused[:_MOST_REFUSED]:
        yield f"line {line.line} refused: {line.reason} ({ascii(line.text)[2:-1]})"
    if len(file.refused) > _MOST_REFUSED:
        yield f"and {len(file.refused) - _MOST_REFUSED} more lines refused"
    rows, headers, blank, refused = file.counts
    yield (
        f"{file.counts.lines} lines: {rows} rows, {headers} headers, {blank} blank,"
        f" {refused} refused"
    )


def _words(fault: Fault) -> str:
    """In hexadecimal what can't be read as text."""
    if fault.came.isascii() and b"".join(fault.came.split()).decode().isprintable():
        return str(fault)
    return f"expected {fault.expected}, got {fault.came[:80].hex(' ').upper()}"


def _converted(reading: Reading, factory: Factory) -> float | None:
    if reading.number is None:
        return None
    step = prepare_step(find_curve(factory.curve), factory.parameters, from_unit=reading.unit)
    value = float(apply_chain(np.array([reading.number]), SAME, [step]).value[0])
    return None if value != value else value


def _lines(row: dict[str, Any]) -> Iterator[str]:
    name = row["output"]
    if "factory" in row:
        name = f"  {row['factory']}: {row['quantity']}"
    if row["value"] is not None:
        value = f"{row['value']:.10g}"
    else:
        value = "-" if row["status"] == "ok" else row["status"].upper()
    yield f"{name:36} {value:>16} {row['unit']:12} {row.get('time', '')}".rstrip()
    if "impossible" in row:
        yield f"  {row['impossible']}"


_USUAL_PORT = 1


def named_source(path: str, file: Path | None) -> tuple[Configuration, Source]:
    """The configuration and its source of that path; raises Unclear for one that it lacks."""
    config = configured(file or usual_file()).config
    known = {source.path: source for source in config.sources}
    if path not in known:
        near = suggestion(path, tuple(known))
        raise Unclear(f"expected a source of the configuration, got {path!r}{near}")
    return config, known[path]


def own_readings(
    config: Configuration, source: Source, payload: str, port: int | None
) -> tuple[Reading, ...]:
    """What a source without a model makes of a payload; raises Fault."""
    if isinstance(source, LorawanSource):
        codec = source.codec_file
        files = {str(codec): _codec(codec)} if codec else {}
        what = held(payload, "lorawan", port, "", "")
        used = _USUAL_PORT if what.port is None else what.port
        uplink = Uplink(source.dev_eui, used, 0, what.data, None, "", ())
        return Sources.of(config, files).readers[source.path](uplink)
    topic = getattr(source, "topic", "")
    message = Message(topic, plain_bytes(payload, "message"))
    return Sources.of(config).readers[source.path](message)


def _codec(path: Path) -> str:
    try:
        return read_codec(path, errors="replace")
    except OSError as error:
        raise Refused("a codec that can be read", error.strerror or "", str(path)) from None
