"""Rows for people as an aligned table, for a pipe as TSV."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from edaphon.printer import as_data, show_cells, show_lines, visible

__all__ = ["show_rows"]


def show_rows(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    cells = [list(header), *([_cell(cell) for cell in row] for row in rows)]
    if sys.stdout.isatty():
        _show_aligned(cells)
        return
    for row in cells:
        show_cells(map(as_data, row))


def _cell(cell: Any) -> str:
    """What stands in one cell; a text of several lines goes on behind a blank."""
    if cell is None:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return visible(text.replace("\t", " ").replace("\n", " "))


def _show_aligned(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    show_lines(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
