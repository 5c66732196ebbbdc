"""`edaphon web`: the read-only page, in a process of its own."""

from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.commands.control import ask
from edaphon.commands.storage import open_storage
from edaphon.printer import show_line

__all__ = ["web"]


def web(
    file: Annotated[Path | None, typer.Argument(help="edaphon.toml")] = None,
) -> None:
    """Serve the page of this plot on the address that [web] names."""
    from edaphon.web import ControlView, serve

    storage = open_storage(file)

    def request(words: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = ask(storage.layout.control, words)
        return result

    where = storage.config.web
    show_line(f"http://{where.listen}/")
    serve(ControlView(request), where.host, where.port)
