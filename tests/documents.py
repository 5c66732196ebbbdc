"""The generated parts of docs/: every table, key, command, option, schema, from the code itself.

`python -m tests.documents` writes it anew; test_documents.py tells when it is out of step.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import time
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema
from tests import alert_messages

from edaphon.alerts.receivers import RECEIVERS
from edaphon.commands import COMMANDS, take_in
from edaphon.config.model import (
    Alerts,
    Budget,
    ClockTrust,
    Facts,
    Logger,
    Notify,
    OwnModel,
    SiteTable,
    StorageTable,
    Web,
)
from edaphon.config.sources import (
    Broker,
    Bus,
    FileSource,
    HeardSource,
    JsonField,
    JsonSource,
    JsonTime,
    LorawanSource,
    Multiplexer,
    ScheduledSource,
    SupplyTable,
)
from edaphon.facts.files import KINDS
from edaphon.facts.model import Calibration, SecondInput
from edaphon.sinks.sink import SINKS
from edaphon.toml_input.models import KeyText, key_text, toml_text
from edaphon.toml_input.values import duration_text
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.ucum import to_ucum
from edaphon_drivers.registry import Registry
from edaphon_drivers.sheets import Sheet, load_sheet, model_names

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "docs" / "configuration.md"
COMMAND_LINE = ROOT / "docs" / "commands.md"
INSTRUMENTS = ROOT / "docs" / "instruments.md"
NOMENCLATURE = ROOT / "docs" / "nomenclature.md"
TECHNICIAN = ROOT / "docs" / "technician.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
SCHEMA = ROOT / "docs" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"

TABLES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("[logger]", "the box", Logger),
    ("[site]", "the place", SiteTable),
    ("[storage]", "where things are kept", StorageTable),
    ("[facts]", "where facts come from", Facts),
    ("[budget]", "how much data is kept; what exceeds it is only counted", Budget),
    ("[clock]", "when the clock is trusted", ClockTrust),
    ("[web]", "the page", Web),
    ("[alerts]", "signs of life that show whether the alerts work", Alerts),
    ("[bus.NAME]", "a line or bus of instruments", Bus),
    ("[bus.NAME.multiplexer]", "a switch between branches of a line", Multiplexer),
    ("[supply.NAME]", "a switched power supply", SupplyTable),
    ("[model.NAME]", "a model sheet of your own", OwnModel),
    ("[broker.NAME]", "an MQTT broker", Broker),
    ("[[source]] on a bus", "an instrument that is polled", ScheduledSource),
    ("[[source]] on a line that sends by itself", "an instrument that sends data", HeardSource),
    ("[[source]] with file", "a file that is followed while it grows", FileSource),
    ("[[source]] with dev_eui", "a LoRaWAN device", LorawanSource),
    ("[[source]] with topic", "a sender of plain JSON", JsonSource),
    ("[source.time]", "the time of a JSON message", JsonTime),
    ("[[source.field]]", "a number of a JSON message", JsonField),
)


def files_of_the_ways() -> set[str]:
    """The files that docs/architecture.md leads a reader through, each with its package."""
    return set(re.findall(r"`(edaphon\w*/[\w/]+\.py)`", ARCHITECTURE.read_text("utf-8")))


def pages() -> dict[Path, str]:
    """Each page with its generated part as it should be."""
    parts = {
        CONFIGURATION: _tables(),
        COMMAND_LINE: _commands(),
        INSTRUMENTS: _instruments(),
        NOMENCLATURE: _nomenclature(),
        TECHNICIAN: alert_messages.guide(),
    }
    filled = {path: _filled(path, "\n".join(lines)) for path, lines in parts.items()}
    return {**filled, **_schemas(), **alert_messages.pages()}


def _filled(path: Path, text: str) -> str:
    before, rest = path.read_text("utf-8").split(BEGIN)
    return before + BEGIN + text + END + rest.split(END)[1]


class TomlSchema(GenerateJsonSchema):
    """TOML has no null: a key that may be left out is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """With what `keys.toml` says of each key."""
        found = super().model_schema(schema)
        for key, own in found.get("properties", {}).items():
            stated, examples = key_text(schema["cls"], key)
            own |= {"description": stated} | ({"examples": list(examples)} if examples else {})
        return found

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        found = super().default_schema(schema)
        return {k: v for k, v in found.items() if k != "default" or v is not None}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schemas() -> dict[Path, str]:
    """JSON Schema for editors: of a whole file of facts, and of one calibration."""
    kinds = [(kind, "validation") for kind in KINDS.values()]
    _, defined = models_json_schema(kinds, schema_generator=TomlSchema)  # type: ignore[arg-type]
    tables = {
        name: {"type": "array", "items": {"$ref": f"#/$defs/{kind.__name__}"}}
        for name, kind in KINDS.items()
    }
    whole = {"title": "facts of edaphon", "type": "object", "additionalProperties": False}
    one = Calibration.model_json_schema(schema_generator=TomlSchema)
    return {
        SCHEMA / "facts.schema.json": _schema({**whole, "properties": tables, **defined}),
        SCHEMA / "calibration.schema.json": _schema({**one, "title": "calibration of edaphon"}),
    }


def _schema(found: dict[str, Any]) -> str:
    whole = {"$schema": DIALECT, **_with_examples(found)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _with_examples(node: Any) -> Any:
    """Examples as values: those of lists and tables are written as TOML in the models."""
    if isinstance(node, dict):
        return {
            k: list(map(_value, v)) if k == "examples" else _with_examples(v)
            for k, v in node.items()
        }
    return list(map(_with_examples, node)) if isinstance(node, list) else node


def _value(example: Any) -> Any:
    is_toml = isinstance(example, str) and example.startswith(("{", "["))
    return tomllib.loads(f"value = {example}")["value"] if is_toml else example


# Sheets in the order of the page: how they are reached, by engine.
REACHED = {
    "sdi12": "Asked over SDI-12",
    "modbus": "Asked over Modbus RTU or TCP",
    "ascii": "Polled or pushed in ASCII",
    "w1": "On the kernel's 1-wire bus",
    "i2c": "On I2C",
    "lorawan": "Heard over LoRaWAN, through a network server",
    "message": "Heard over MQTT, from home-automation gateways",
    "file": "By the files that they or their loggers write",
}
UNVERIFIED = "unverified"


def _instruments() -> Iterator[str]:
    sheets = [load_sheet(name) for name in model_names()]
    sure = [sheet for sheet in sheets if sheet.checked != UNVERIFIED]
    checks = Counter(sheet.checked for sheet in sure)
    reported = ", ".join(f"{n} by a {check}" for check, n in sorted(checks.items()))
    yield f"{len(sure)} model sheets are confirmed: {reported}.\n"
    for engine, title in REACHED.items():
        yield from _sheets(f"## {title}", [s for s in sure if s.engine == engine])
    unsure = [sheet for sheet in sheets if sheet.checked == UNVERIFIED]
    yield from _sheets("## Unverified: check them against your manual", unsure)


def _sheets(title: str, sheets: list[Sheet]) -> Iterator[str]:
    if not sheets:
        return
    yield f"{title}\n"
    yield "| model | instrument | gives | checked by | source |\n|---|---|---|---|---|"
    for sheet in sheets:
        gives = ", ".join(dict.fromkeys(output.quantity for output in sheet.outputs.values()))
        cells = (f"`{sheet.model}`", sheet.title, gives, sheet.checked, sheet.source)
        yield "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
    yield ""


def _nomenclature() -> Iterator[str]:
    yield (
        "| quantity | unit | UCUM | what it is |"
        " possible from | to | because | CF standard name |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for line in QUANTITIES.values():
        cf_name = f"`{line.cf_name}`" if line.cf_name else ""
        code = to_ucum(line.unit)
        limits = line.physics
        lowest, highest, least, most = (
            f"{end:,.10g}" if abs(end) < inf else ""
            for end in (limits.lowest, limits.highest, limits.least, limits.most)
        )
        true = f"; true from {least or lowest} to {most or highest}" if least or most else ""
        known = f"{line.meaning} | {lowest} | {highest} | {limits.why}{true}"
        yield f"| `{line.name}` | {line.unit} | {code} | {known} | {cf_name} |"
    yield ""


def command_names() -> tuple[str, ...]:
    """The commands that are there."""
    return tuple(COMMANDS)


def _commands() -> Iterator[str]:
    app = typer.Typer(add_completion=False)
    app.callback()(lambda: None)
    for name in command_names():
        take_in(app, name)
    commands = vars(typer.main.get_command(app))["commands"]
    for name in command_names():
        yield from _command(f"edaphon {name}", commands[name], "##")


def _command(words: str, command: Any, heading: str) -> Iterator[str]:
    """A command, or a group and then each of its own."""
    yield f"{heading} {words}\n"
    yield f"{(command.help or '').strip()}\n"
    rows = [_option(p) for p in command.params if p.name != "help"]
    if rows:
        yield "| | what it is |\n|---|---|\n" + "\n".join(rows) + "\n"
    for name, own in vars(command).get("commands", {}).items():
        yield from _command(f"{words} {name}", own, f"#{heading}")


def _option(parameter: Any) -> str:
    is_option = parameter.opts[0].startswith("-")
    name = ", ".join(parameter.opts) if is_option else (parameter.metavar or parameter.name).upper()
    return f"| `{name}` | {(getattr(parameter, 'help', '') or '').strip()} |"


def settings_of(kinds: Registry) -> Iterator[tuple[str, type[BaseModel]]]:
    """Each kind of sink or receiver with the keys that it takes."""
    for name in kinds.names():
        yield name, kinds.load(name).settings


def _tables() -> Iterator[str]:
    yield "## The configuration\n"
    for title, what, model in TABLES:
        yield from _section(title, what, model)
    for name, settings in settings_of(SINKS):
        yield from _section(f'[[sink]] with kind = "{name}"', "where values go", settings)
    yield from _section("[[notify]]", "who is sent messages", Notify)
    for name, settings in settings_of(RECEIVERS):
        what = (settings.__doc__ or "").split("\n")[0]
        yield from _section(f'[[notify]] with kind = "{name}"', what, settings)
    yield "## Facts\n"
    for name, fact in KINDS.items():
        yield from _section(f"[[{name}]]", (fact.__doc__ or "").split("\n")[0], fact)
    second_input = (SecondInput.__doc__ or "").split("\n")[0]
    yield from _section("second = { ... } of a calibration", second_input, SecondInput)


def _section(title: str, what: str, model: type[BaseModel]) -> Iterator[str]:
    own = "" if what.startswith("What every") or not what else f": {what.rstrip('.')}"
    yield f"### {title}{own}\n"
    yield "| key | | what it is | example |\n|---|---|---|---|"
    if title.startswith("[[sink]]"):
        yield '| `name` | needed | name of this sink | `"influx"` |'
    for name, info in model.model_fields.items():
        if model is not Notify or name != "settings":  # those of its kind stand in its own table
            key = info.alias or name
            yield _row(key, info, key_text(model, key))
    yield ""


def _row(key: str, info: FieldInfo, text: KeyText) -> str:
    example = f"`{toml_text(text.examples[0])}`" if text.examples else ""
    more = info.json_schema_extra
    given = more["choices"] if isinstance(more, dict) else ()
    known = given if isinstance(given, list) else list(_choices(info.annotation))
    choices = ", ".join(f"`{toml_text(choice)}`" for choice in known)
    choices += ", or that of a package" if given else ""
    stated = text.stated + (f" ({choices})" if choices else "")
    return f"| `{key}` | {_need(info)} | {stated} | {example} |".replace("  ", " ")


def _need(info: FieldInfo) -> str:
    if info.is_required():
        return "needed"
    default = info.get_default(call_default_factory=True, validated_data={})
    if default is None or default in ("", (), {}):
        return ""
    if isinstance(default, time):
        default = f"{default:%H:%M}"
    if info.alias in {"interval", "expect", "heartbeat_every"}:
        default = duration_text(default)
    return f"`{toml_text(default)}`"


def _choices(annotation: object) -> Iterator[object]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    for part in get_args(annotation):
        yield from _choices(part)


if __name__ == "__main__":
    SCHEMA.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")
