"""`edaphon record`: one measurement as a transcript, which tests and simulators can play again."""

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.acquire.line_talks import LONGEST_HEARD_S
from edaphon.acquire.line_tools import SDI12_KINDS, sdi12_address
from edaphon.acquire.sampler import not_asked
from edaphon.commands.check import write_new
from edaphon.commands.options import USAGE, Config, Who
from edaphon.config import Configuration, HeardSource, ScheduledSource
from edaphon.people import account_name
from edaphon.printer import answer_to, show_error, show_json, show_line, show_text
from edaphon.service.check import open_storage
from edaphon.service.line_tools import opened_line_tools
from edaphon.storage.access import fail
from edaphon.storage.client import DaemonRefuses
from edaphon_drivers.faults import Garbled, NoAnswer, Refused

_LISTEN = (
    "for an instrument that sends by itself: seconds to listen; default: 2 x `expect`, at most 60"
)
_PLAYABLE = ("", NoAnswer.cause, Garbled.cause, Refused.cause)
_NAMED = {0x0D: r"\r", 0x0A: r"\n", 0x09: r"\t", 0x5C: r"\\"}


def record(
    what: Annotated[
        str, typer.Argument(help="a source such as sdi12/a, or a bus for all of its sources")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="new file; for a bus a folder")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, max=LONGEST_HEARD_S, help=_LISTEN)
    ] = None,
    file: Config = None,
) -> None:
    """Measure now and write the bytes and readings as a transcript; recording goes on.

    For an instrument that sends by itself: the last lines that the service received, or the next
    ones. Exit 1 if a source gave no measurement; its bytes are written anyway.
    """
    storage = open_storage(file)
    paths = _paths(storage.config, what)
    several = what in storage.config.buses
    targets = {path: _target(output, path, several) for path in paths}
    failed = False
    with opened_line_tools(storage) as ask:
        for path, target in targets.items():
            try:
                found = _answer_of(ask, storage.config, path, seconds)
            except DaemonRefuses as refusal:
                raise fail(f"{path}: {refusal}") from None
            if found["cause"] not in _PLAYABLE:
                raise fail(f"{path}: {found['fault']}")
            text = transcript_text(_header(storage.config, path, found), found)
            _write(target, path, text, several)
            if found["fault"]:
                failed = True
                show_error(f"{path}: {found['fault']}")
    if failed:
        raise typer.Exit(1)


def _answer_of(ask: Any, config: Configuration, path: str, seconds: float | None) -> Any:
    """One measurement, or what an instrument that talks by itself says."""
    bus = path.partition("/")[0]
    if config.buses[bus].kind == "stream":
        return ask("hear", bus=bus, seconds=seconds)
    return ask("measure", source=path)


def _paths(config: Configuration, what: str) -> list[str]:
    lines = [s.path for s in config.sources if isinstance(s, ScheduledSource | HeardSource)]
    own = [path for path in lines if path == what or path.partition("/")[0] == what]
    if own:
        return own
    known = ", ".join(lines) or "the configuration has none"
    raise fail(f"expected a bus, or a source on one ({known}), got {what!r}", USAGE)


def _target(output: Path | None, path: str, several: bool) -> Path | None:
    """Where the transcript of a source goes; None is the terminal. A file is never overwritten."""
    if output is None:
        return None
    target = output / (path.replace("/", "-") + ".txt") if several else output
    if os.path.lexists(target):
        raise fail(f"expected a new file, {target} is there already", USAGE)
    return target


def _write(target: Path | None, path: str, text: str, several: bool) -> None:
    if target is None:
        show_text(f"# {path}\n{text}\n" if several else text)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_new(target, text)
    show_line(f"{path}: {target}")


def _header(config: Configuration, path: str, found: dict[str, Any]) -> str:
    identity = found["identity"] or {}
    keys = ("vendor", "model", "version", "serial")
    reported = " ".join(filter(None, (identity.get(key, "") for key in keys)))
    ns = found.get("time_ns")
    at = datetime.fromtimestamp(ns // 10**9, UTC) if ns else datetime.now(UTC)
    when = at.strftime("%Y-%m-%dT%H:%MZ")
    return (
        f"source: recorded at {config.site.id}, logger {config.logger.id}, {when}, "
        f"model {found['model']}, identity {reported or 'unknown'}"
    )


def transcript_text(header: str, found: dict[str, Any]) -> str:
    """A transcript in ASCII; see edaphon_drivers.talk for the format."""
    lines = [f"# {_one_line(header)}"]
    turns = [(bool(sent), bytes.fromhex(data)) for sent, data in found["turns"]]
    lines += [f"{'>' if sent else '<'} {escaped(data)}".rstrip() for sent, data in _turns(turns)]
    for quantity, number, unit, status in found["readings"]:
        stated = f"= {quantity} {'-' if number is None else repr(float(number))} {unit}"
        lines.append(stated if number is not None else f"{stated} {status}")
    if found["cause"]:
        lines.append(f"! {found['cause']}")
    return "\n".join(lines) + "\n"


def _turns(turns: Sequence[tuple[bool, bytes]]) -> list[tuple[bool, bytes]]:
    """Without the empty turns that the next line says already: a question that follows a question.

    One in front of bytes stays, or they would be taken for the answer to what came before.
    """
    kept: list[tuple[bool, bytes]] = []
    for sent, data in reversed(turns):
        if sent or data or (kept and not kept[-1][0]):
            kept.append((sent, data))
    return kept[::-1]


def escaped(data: bytes) -> str:
    r"""Printable ASCII as it is, the rest as \r \n \t \\ and \xNN."""
    return "".join(_escaped(byte, at == len(data) - 1) for at, byte in enumerate(data))


def _escaped(byte: int, last: bool) -> str:
    if byte in _NAMED:
        return _NAMED[byte]
    plain = 0x20 < byte < 0x7F or (byte == 0x20 and not last)
    return chr(byte) if plain else f"\\x{byte:02x}"


def _one_line(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


LONGEST_S = 140.0


def read(
    source: Annotated[str, typer.Argument(help="path of a source, such as sdi12/a")],
    times: Annotated[int, typer.Option("-n", min=1, max=1000, help="number of readings")] = 1,
    file: Config = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object per reading")] = False,
) -> None:
    """Measure now; recording goes on, and these readings are stored as a test."""
    storage = open_storage(file)
    if why_not := not_asked(storage.config, source):
        raise fail(why_not, USAGE)
    for _ in range(times):
        answer = storage.ask_running("read", timeout_s=LONGEST_S, source=source)
        if json:
            show_json(answer, indent=False)
            continue
        numbers = "   ".join(_shown_reading(reading) for reading in answer["readings"])
        show_line(f"{time.strftime('%H:%M:%SZ', time.gmtime())}  {source}  {numbers}")


def _shown_reading(reading: dict[str, object]) -> str:
    if reading["value"] is None:
        return f"{reading['quantity']} {str(reading['status']).upper()}"
    return f"{reading['quantity']} {reading['value']} {reading['unit']}"


_ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9A-Fa-f]{2})")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\", "0": "\0"}


class Untypable(ValueError):
    """What was typed can't be sent; the words say what would be right."""


def term(
    bus: Annotated[str, typer.Argument(help="name of a bus")],
    send: Annotated[str, typer.Option(help="send one question and end")] = "",
    hex: Annotated[bool, typer.Option("--hex", help="show bytes as hexadecimal digits")] = False,
    file: Config = None,
) -> None:
    r"""Send commands to a line by hand, one per line typed; recording goes on.

    SDI-12 commands get their `!`; elsewhere write \r, \n and \xNN. Answers are stored as a test.
    On a line that sends by itself: show what comes in some seconds. Exit 1 if nothing comes.
    """
    storage = open_storage(file)
    table = storage.config.buses.get(bus)
    if table is None:
        known = ", ".join(storage.config.buses) or "the configuration has none"
        raise fail(f"expected the name of a bus ({known}), got {bus!r}", USAGE)
    is_sdi12 = table.kind in SDI12_KINDS
    with opened_line_tools(storage) as ask:
        if table.kind == "stream":
            _listen(ask, bus, send, hex)
            return
        if send:
            _once(ask, bus, send, hex, is_sdi12)
            return
        for line in _lines(bus):
            try:
                show_line(_answer(ask, bus, typed_bytes(line, hex, is_sdi12), hex))
            except (DaemonRefuses, Untypable) as refusal:
                show_error(str(refusal))


def _once(ask: Any, bus: str, send: str, hex: bool, is_sdi12: bool) -> None:
    try:
        data = typed_bytes(send, hex, is_sdi12)
    except Untypable as wrong:
        raise fail(str(wrong), USAGE) from None
    try:
        answer = _answer(ask, bus, data, hex)
    except DaemonRefuses as refusal:
        raise fail(str(refusal)) from None
    show_line(answer)
    if answer == _NOTHING:
        raise typer.Exit(1)


def _listen(ask: Any, bus: str, send: str, hex: bool) -> None:
    if send:
        words = f"bus {bus} talks by itself: nobody is asked there"
        raise fail(f"{words}; without --send this shows what comes", USAGE)
    show_error(f"bus {bus} talks by itself; listening")
    try:
        turns = ask("hear", bus=bus)["turns"]
    except DaemonRefuses as refusal:
        raise fail(str(refusal)) from None
    for _, data in turns:
        show_line(_shown(bytes.fromhex(data), hex))


_NOTHING = "(no answer)"


def _answer(ask: Any, bus: str, data: bytes, hex: bool) -> str:
    came = bytes.fromhex(ask("say", bus=bus, data=data.hex())["came"])
    if not came:
        return _NOTHING
    return _shown(came, hex)


def _shown(came: bytes, hex: bool) -> str:
    return came.hex(" ") if hex else escaped(came)


def _lines(bus: str) -> Iterator[str]:
    """What a person types, or what comes through a pipe; Ctrl-D and Ctrl-C end it."""
    if sys.stdin.isatty():
        show_line("one question a line; Ctrl-D ends")
    while True:
        try:
            line = answer_to(f"{bus}> " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip():
            yield line.rstrip("\r\n")


def typed_bytes(line: str, hex: bool, is_sdi12: bool) -> bytes:
    """The bytes that a typed line means; raises Untypable."""
    if hex:
        try:
            return bytes.fromhex(line)
        except ValueError:
            words = "pairs of hexadecimal digits such as 01 03 00 00 00 01 84 0A"
            raise Untypable(f"expected {words}, got {line!r}") from None
    try:
        data = _ESCAPE.sub(_plain, line).encode("latin-1")
    except UnicodeEncodeError:
        raise Untypable(f"expected bytes, such as \\xE9 for another letter, got {line!r}") from None
    return data if not is_sdi12 or data.endswith(b"!") else data.rstrip() + b"!"


def _plain(found: re.Match[str]) -> str:
    code = found[1]
    return _PLAIN.get(code) or chr(int(code[1:] or "0", 16))


class Action(StrEnum):
    """What can be done to a sensor."""

    ADDRESS = "address"


def sensor(
    action: Annotated[Action, typer.Argument(help="address: change the address of a probe")],
    bus: Annotated[str, typer.Argument(help="name of an SDI-12 bus")],
    old: Annotated[str, typer.Argument(help="present address")],
    new: Annotated[str, typer.Argument(help="new address")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
    who: Who = "",
    file: Config = None,
) -> None:
    """Change the address of an SDI-12 probe. The new address must be free."""
    storage = open_storage(file)
    _check(storage.config, bus, old, new)
    with opened_line_tools(storage) as ask:
        try:
            _look(ask, bus, old, new)
            if not yes:
                _confirm(bus, old, new)
            changed = ask("readdress", bus=bus, old=old, new=new, who=who or account_name())
        except DaemonRefuses as refusal:
            raise fail(str(refusal)) from None
    show_line(f"{bus}/{new} answers now: {changed['text']}")
    if changed["change"]:
        show_line("now change, and `edaphon check`:")
        for words in changed["change"]:
            show_line(f"  {words}")


def _check(config: Configuration, bus: str, old: str, new: str) -> None:
    """What is wrong before anybody is asked."""
    table = config.buses.get(bus)
    if table is None or table.kind not in SDI12_KINDS:
        known = ", ".join(n for n, b in config.buses.items() if b.kind in SDI12_KINDS) or "none"
        raise fail(f"expected an SDI-12 bus ({known}), got {bus!r}", USAGE)
    if not sdi12_address(old) or not sdi12_address(new) or old == new:
        words = "two different addresses, each one of 0-9, a-z, A-Z"
        raise fail(f"expected {words}; got {old!r} and {new!r}", USAGE)
    for source in config.sources:
        if getattr(source, "bus", "") == bus and getattr(source, "address", "") == new:
            raise fail(f"{source.path} is a source of the configuration; choose another address")


def _look(ask: Any, bus: str, old: str, new: str) -> None:
    """Show who is there; ends where nobody is, or somebody at the new address."""
    rows = ask("probe", bus=bus, addresses=[old, new])["rows"]
    there = [row for row in rows if row["address"] == old and row["state"] == "answers"]
    taken = [row for row in rows if row["address"] == new and row["state"] != "silent"]
    if not there:
        stated = next((row["words"] or row["state"] for row in rows if row["address"] == old), "")
        raise fail(f"expected a probe at {bus}/{old}, got: {stated}")
    if there[0]["identity"] is None:
        raise fail(f"expected an identity from {bus}/{old}, it gives none")
    if taken:
        raise fail(f"somebody answers at {bus}/{new} already; choose a free address")
    stated = " ".join(
        filter(None, (there[0]["identity"][k] for k in ("vendor", "model", "serial")))
    )
    show_line(f"{bus}/{old} is {stated}; {bus}/{new} is free")


def _confirm(bus: str, old: str, new: str) -> None:
    try:
        typed = answer_to(f"type the new address ({new}) to change {bus}/{old}: ")
    except EOFError:
        typed = ""
    if typed.strip() != new:
        raise fail(f"expected {new!r}, got {typed.strip()!r}: nothing was changed")
