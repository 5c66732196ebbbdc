"""`edaphon check`: every error in edaphon.toml and fact files, without opening any port."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any

import typer

from edaphon.commands.options import CONFIGURATION, PROBLEM, USAGE, Json
from edaphon.config import Configuration
from edaphon.facts import FactRow, Knowledge, new_rows
from edaphon.printer import show_error, show_json, show_line, show_lines
from edaphon.service.check import Examined, Needs, examine, needs_of, usual_file
from edaphon.service.prerequisites import denied, installed_packages, is_services, next_steps
from edaphon.storage.access import fail
from edaphon.toml_input.lines import toml_value


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="edaphon.toml, fact files, or folders of them")
    ] = None,
    json: Json = False,
) -> None:
    """Check the configuration and fact files and list all errors; nothing is changed.

    If there are none, it lists the files and connections that the service will use. Facts are
    checked together with those that were applied before.
    """
    places = files or [usual_file()]
    found, applied = examine(places), Knowledge()
    if found.config is not None:
        applied = _applied(found.config)
        found = examine(places, applied)
    needs, packages = needs_of(found, applied), installed_packages()
    if json:
        show_json(_as_table(found, needs, packages))
    elif needs.errors:
        for error in needs.errors:
            show_error(str(error))
        show_error(f"{_count(len(needs.errors), 'error')}; nothing was changed.")
    else:
        show_line(_summary(found))
        show_lines(f"{part}: of {package}" for part, package in packages.items())
        show_lines(map(str, needs.accesses))
        for doubt in needs.doubts:
            show_error(str(doubt))
        show_lines(_next(found, applied))
    if needs.errors:
        raise typer.Exit(CONFIGURATION)


def _applied(config: Configuration) -> Knowledge:
    """The facts of the journal; without one that this account can read there are none."""
    from edaphon.storage.access import Storage
    from edaphon.storage.entered_facts import facts_entered
    from edaphon.storage.paths import Layout

    try:
        return facts_entered(Storage(config, Layout(config.storage.folder))).knowledge
    except OSError as error:
        words = f"the facts applied before are not known here, the check is without them: {error}"
        show_error(words)
        return Knowledge()


def _summary(found: Examined) -> str:
    facts = _count(len(found.rows), "fact")
    if found.config is None:
        return f"good: {facts}. Give edaphon.toml too, and what they name is checked as well."
    config = found.config
    sources, sinks = _count(len(config.sources), "source"), _count(len(config.sinks), "sink")
    receivers = f", {_count(len(config.notify), 'receiver')}" if config.notify else ""
    return f"good: {sources}, {sinks}{receivers}, {facts}"


def _next(found: Examined, applied: Knowledge) -> Iterable[str]:
    if found.config is None or found.document is None:
        return
    if found.config.sources and not any(row.fact.table == "deployment" for row in found.rows):
        yield (
            "no [[deployment]] here: all is recorded, and values begin once one in the"
            " configuration or in applied facts says which output feeds which [[channel]]"
        )
    new = new_rows(found.rows, applied) if applied.entered else ()
    yield from next_steps(Path(found.document.file), found.config, _apply(found, new))


def _apply(found: Examined, new: Sequence[FactRow]) -> str:
    """What takes over new facts where others were applied before; "" without any."""
    config, document = found.config, found.document
    if not new or config is None or document is None:
        return ""
    inbox = config.facts.inbox if config.facts else None
    usual = {row.file for row in new if row.file == document.file or Path(row.file).parent == inbox}
    files = sorted({row.file for row in new} - usual)
    words = shlex.join(["edaphon", "apply", *files, "--config", document.file])
    return (
        f"{words}   ({_count(len(new), 'new fact')}; if {document.file} changed, restart instead)"
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _as_table(found: Examined, needs: Needs, packages: Mapping[str, str]) -> dict[str, Any]:
    return {
        "good": not needs.errors,
        "complaints": [c._asdict() for c in needs.errors],
        "doubts": [d._asdict() for d in needs.doubts],
        "accesses": [a._asdict() for a in needs.accesses],
        "sources": len(found.config.sources) if found.config else None,
        "facts": len(found.rows),
        "packages": packages,
    }


SERVICE_STORAGE = Path("/var/lib/edaphon")


def init(
    file: Annotated[Path, typer.Argument(help="file to write")] = Path("edaphon.toml"),
    logger: Annotated[str, typer.Option(help="name of this box")] = "my-logger-1",
    site: Annotated[str, typer.Option(help="name of the place")] = "my-site",
    storage: Annotated[
        Path | None,
        typer.Option(help="folder for journal, series and state; default: next to the file"),
    ] = None,
) -> None:
    """Write a commented example configuration; an existing file is not changed."""
    text = example_text(logger, site, (storage or _usual_storage(file)).absolute())
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
        if is_services(file):
            file.chmod(0o640)  # its group is the service's, whose account must read it
    except FileExistsError:
        _refuse(f"{file} is there already; name another file, or move that one away")
    except OSError as error:
        _refuse(f"expected a file that can be written, got {denied(file, error)}")
    show_line(f"{file} written. Edit it, then: edaphon check {file}")


def _usual_storage(file: Path) -> Path:
    """That of the installed service for its configuration, else a folder next to the file."""
    return SERVICE_STORAGE if is_services(file) else file.absolute().parent / "edaphon-data"


def example_text(logger: str, site: str, storage: Path) -> str:
    """The example with these names in place of its own."""
    text = (files("edaphon.commands") / "example.toml").read_text("utf-8")
    for own, given in (
        ("my-logger-1", logger),
        ("my-site", site),
        (str(SERVICE_STORAGE), str(storage)),
    ):
        text = text.replace(f'"{own}"', toml_value(given))
    return text


def _refuse(why: str) -> None:
    show_error(why)
    raise typer.Exit(PROBLEM)


def write_new(path: Path, text: str) -> None:
    """Refused (exit 2) where anything has that name, a link that leads nowhere included."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise fail(f"expected a new file, {path} is there already", USAGE) from None


def write_own(path: Path, text: str, begins: str) -> None:
    """A new file, or one in place of an earlier one of ours, which begins so; else exit 2."""
    if not os.path.lexists(path):
        write_new(path, text)
        return
    if not S_ISREG(os.lstat(path).st_mode):  # a pipe or device is not opened to see what it is
        raise _not_ours(path, begins)
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags), "r+b") as file:
        if file.read(len(begins.encode())) != begins.encode():
            raise _not_ours(path, begins)
        file.seek(0)
        file.truncate()
        file.write(text.encode())


def _not_ours(path: Path, begins: str) -> Exception:
    words = f"expected a new file, or one that begins with {begins!r}, got {path}"
    return fail(f"{words}, which is neither; choose another name", USAGE)
