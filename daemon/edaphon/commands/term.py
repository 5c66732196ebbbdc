"""`edaphon term`: a terminal on a line that is being recorded, one question at a time."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.acquire.line_tools import SDI12_KINDS
from edaphon.commands.record import escaped
from edaphon.printer import answer_to, show_error, show_line
from edaphon.service.line_tools import opened_line_tools
from edaphon.storage.access import fail, open_storage
from edaphon.storage.client import DaemonRefuses

__all__ = ["Untypable", "term", "typed_bytes"]

USAGE = 2
_ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9A-Fa-f]{2})")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\", "0": "\0"}


class Untypable(ValueError):
    """What was typed can't be sent; the words say what would be right."""


def term(
    bus: Annotated[str, typer.Argument(help="name of a bus")],
    send: Annotated[str, typer.Option(help="one question, without a terminal")] = "",
    hex: Annotated[bool, typer.Option("--hex", help="bytes as hexadecimal digits")] = False,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
) -> None:
    r"""Ask on a line by hand: each line typed is one question; recording goes on.

    SDI-12 gets its `!`; elsewhere \r \n and \xNN stand for themselves. What comes is kept as a
    test. On a line that talks by itself: what comes in some seconds. Exit 1 when nothing comes.
    """
    storage = open_storage(file)
    table = storage.config.buses.get(bus)
    if table is None:
        known = ", ".join(storage.config.buses) or "the configuration has none"
        raise fail(f"expected the name of a bus ({known}), got {bus!r}", USAGE)
    is_sdi12 = table.kind in SDI12_KINDS
    with opened_line_tools(storage) as ask:
        if table.kind == "stream":
            _hear(ask, bus, send, hex)
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


def _hear(ask: Any, bus: str, send: str, hex: bool) -> None:
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
    """The bytes that a typed line stands for; raises Untypable."""
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
