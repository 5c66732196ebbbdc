"""`edaphon decode`: what the bytes of an instrument mean, with the factory curves of its model."""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import orjson
import typer

from edaphon.commands.storage import fail
from edaphon_calibration.chain import apply_chain, prepare_step
from edaphon_calibration.errors import suggestion
from edaphon_calibration.units import SAME
from edaphon_drivers import lorawan, sdi12
from edaphon_drivers.faults import Fault
from edaphon_drivers.payloads import Turn
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Factory, Sheet, UnknownModel, load_sheet, model_names

__all__ = ["decode", "decoded"]

USAGE = 2


def decode(
    model: Annotated[str, typer.Option(help="name of a model sheet")],
    payload: Annotated[str, typer.Option(help="bytes as hex; SDI-12: what the probe answered")],
    port: Annotated[int | None, typer.Option(help="LoRaWAN FPort")] = None,
    json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False,
) -> None:
    """Decode one payload; nothing is stored."""
    try:
        sheet = load_sheet(model)
        rows = list(decoded(sheet, _bytes(payload, sheet), port))
    except UnknownModel:
        words = f"expected the name of a model sheet, got {model!r}"
        raise fail(words + suggestion(model, model_names()), USAGE) from None
    except Fault as fault:
        raise fail(f"{model}: {fault}") from None
    if json:
        typer.echo(orjson.dumps(rows))
        return
    for row in rows:
        value = row["status"].upper() if row["value"] is None else f"{row['value']:.10g}"
        typer.echo(f"{row['quantity']:36} {value:>16} {row['unit']}")


def decoded(sheet: Sheet, data: bytes, port: int | None) -> Iterator[dict[str, Any]]:
    """Each reading, then what the factory curves of its output make of it; raises Fault."""
    for reading in _readings(sheet, data, port):
        yield _row(reading.quantity, reading.number, reading.unit, reading.status)
        for factory in sheet.outputs[reading.output].factory:
            number = _converted(reading, factory)
            row = _row(factory.quantity, number, factory.unit, reading.status)
            yield {**row, "factory": factory.name}


def _readings(sheet: Sheet, data: bytes, port: int | None) -> tuple[Reading, ...]:
    if sheet.engine == "sdi12":
        return sdi12.decode_exchange(_exchange(sheet, data), sheet)
    usual = int(sheet.frame.get("f_port", 1))
    return lorawan.decode_uplink(data, usual if port is None else port, sheet)


def _exchange(sheet: Sheet, data: bytes) -> list[Turn]:
    """The conversation that ends with these lines: one answer for each D0, D1, …"""
    lines = [line + b"\r\n" for line in data.split(b"\r\n") if line]
    address = lines[0][:1].decode("ascii", "replace") if lines else "0"
    command = sheet.commands[0]
    n = len(command.outputs)
    turns = [
        Turn(0, True, f"{address}{command.send}!".encode()),
        Turn(0, False, f"{address}000{n}\r\n".encode()),
    ]
    for number, line in enumerate(lines):
        turns += [Turn(0, True, f"{address}D{number}!".encode()), Turn(0, False, line)]
    return turns


def _converted(reading: Reading, factory: Factory) -> float | None:
    if reading.number is None:
        return None
    step = prepare_step(factory.curve, factory.parameters, from_unit=reading.unit)
    value = float(apply_chain(np.array([reading.number]), SAME, [step]).value[0])
    return None if value != value else value


def _row(quantity: str, value: float | None, unit: str, status: str) -> dict[str, Any]:
    return {"quantity": quantity, "value": value, "unit": unit, "status": str(status)}


def _bytes(text: str, sheet: Sheet) -> bytes:
    plain = "".join(text.split())
    try:
        return binascii.unhexlify(plain)
    except (binascii.Error, ValueError):
        pass
    if sheet.engine == "sdi12":
        return text.replace("\\r", "\r").replace("\\n", "\n").encode()
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        raise fail(f"expected the payload as hex or base64, got {text[:60]!r}", USAGE) from None
