"""`edaphon record`: one measurement as a transcript, which tests and simulators can play again."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.acquire.line_talks import LONGEST_HEARD_S
from edaphon.commands.new_files import write_new
from edaphon.config import Configuration, HeardSource, ScheduledSource
from edaphon.printer import show_error, show_line, show_text
from edaphon.service.line_tools import opened_line_tools
from edaphon.storage.access import fail, open_storage
from edaphon.storage.client import DaemonRefuses
from edaphon_drivers.faults import Garbled, NoAnswer, Refused

__all__ = ["escaped", "record", "transcript_text"]

USAGE = 2
_LISTEN = "if it talks by itself: how long to listen; usually twice `expect`, at most 60"
_PLAYABLE = ("", NoAnswer.cause, Garbled.cause, Refused.cause)
_NAMED = {0x0D: r"\r", 0x0A: r"\n", 0x09: r"\t", 0x5C: r"\\"}


def record(
    what: Annotated[str, typer.Argument(help="a source such as sdi12/a, or a bus: all of it")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="a new file; for a bus a folder")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, max=LONGEST_HEARD_S, help=_LISTEN)
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
) -> None:
    """Measure now and write what was said, with the readings, as a transcript; recording goes on.

    Of an instrument that talks by itself: the last lines that the daemon heard, or the next ones.
    Exit 1 when a source gave no measurement; what it said is written all the same.
    """
    storage = open_storage(file)
    paths = _paths(storage.config, what)
    several = what in storage.config.buses
    targets = {path: _target(output, path, several) for path in paths}
    failed = False
    with opened_line_tools(storage) as ask:
        for path, target in targets.items():
            try:
                found = _said(ask, storage.config, path, seconds)
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


def _said(ask: Any, config: Configuration, path: str, seconds: float | None) -> Any:
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
        f"model {found['model']}, identity {reported or 'not told'}"
    )


def transcript_text(header: str, found: dict[str, Any]) -> str:
    """A transcript in ASCII; see edaphon_drivers.transcript for the format."""
    lines = [f"# {_plain(header)}"]
    turns = [(bool(sent), bytes.fromhex(data)) for sent, data in found["turns"]]
    lines += [f"{'>' if sent else '<'} {escaped(data)}".rstrip() for sent, data in _told(turns)]
    for quantity, number, unit, status in found["readings"]:
        stated = f"= {quantity} {'-' if number is None else repr(float(number))} {unit}"
        lines.append(stated if number is not None else f"{stated} {status}")
    if found["cause"]:
        lines.append(f"! {found['cause']}")
    return "\n".join(lines) + "\n"


def _told(turns: Sequence[tuple[bool, bytes]]) -> list[tuple[bool, bytes]]:
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


def _plain(text: str) -> str:
    return "".join(_characters(text))


def _characters(text: str) -> Iterator[str]:
    for character in text:
        yield character if character.isascii() and character.isprintable() else "?"
