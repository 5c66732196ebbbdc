"""`edaphon init`: a commented example of edaphon.toml that passes `edaphon check` as it is."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["example_text", "init"]

REFUSED = 1


def init(
    file: Annotated[Path, typer.Argument(help="the file to write")] = Path("edaphon.toml"),
    logger: Annotated[str, typer.Option(help="name of this box")] = "my-logger-1",
    site: Annotated[str, typer.Option(help="name of the place")] = "my-site",
    storage: Annotated[Path, typer.Option(help="folder for journal, series and state")] = Path(
        "/var/lib/edaphon"
    ),
) -> None:
    """Write a commented example configuration; a file that is there is left alone."""
    text = example_text(logger, site, storage.absolute())
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        _refuse(f"{file} is there already; name another file, or move that one away")
    except OSError as error:
        _refuse(f"{file} can't be written ({error.strerror})")
    typer.echo(f"{file} written. Edit it, then: edaphon check {file}")


def example_text(logger: str, site: str, storage: Path) -> str:
    """The example with these names in place of its own."""
    text = (files("edaphon.commands") / "example.toml").read_text("utf-8")
    for own, given in (
        ("my-logger-1", logger),
        ("my-site", site),
        ("/var/lib/edaphon", str(storage)),
    ):
        text = text.replace(f'"{own}"', _quoted(given))
    return text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse(why: str) -> None:
    typer.echo(why, err=True)
    raise typer.Exit(REFUSED)
