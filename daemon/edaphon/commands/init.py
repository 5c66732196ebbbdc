"""`edaphon init`: a commented example of edaphon.toml that passes `edaphon check` as it is."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from edaphon.printer import show_error, show_line
from edaphon.service.prerequisites import denied, is_services

__all__ = ["example_text", "init"]

REFUSED = 1
SERVICE_STORAGE = Path("/var/lib/edaphon")


def init(
    file: Annotated[Path, typer.Argument(help="the file to write")] = Path("edaphon.toml"),
    logger: Annotated[str, typer.Option(help="name of this box")] = "my-logger-1",
    site: Annotated[str, typer.Option(help="name of the place")] = "my-site",
    storage: Annotated[
        Path | None,
        typer.Option(help="folder for journal, series and state; usually beside the file"),
    ] = None,
) -> None:
    """Write a commented example configuration; a file that is there is left alone."""
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
    """That of the installed service for its configuration, else a folder beside the file."""
    return SERVICE_STORAGE if is_services(file) else file.absolute().parent / "edaphon-data"


def example_text(logger: str, site: str, storage: Path) -> str:
    """The example with these names in place of its own."""
    text = (files("edaphon.commands") / "example.toml").read_text("utf-8")
    for own, given in (
        ("my-logger-1", logger),
        ("my-site", site),
        (str(SERVICE_STORAGE), str(storage)),
    ):
        text = text.replace(f'"{own}"', _quoted(given))
    return text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse(why: str) -> None:
    show_error(why)
    raise typer.Exit(REFUSED)
