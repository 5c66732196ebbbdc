"""`edaphon simulate`: the plot of a configuration without its hardware."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["simulate"]


def simulate(
    station: Annotated[Path, typer.Argument(help="edaphon.toml")],
    folder: Annotated[Path, typer.Option(help="where the simulated plot lives")],
) -> None:
    """Serve every instrument of a configuration as a simulated one."""
