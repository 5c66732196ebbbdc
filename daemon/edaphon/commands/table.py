"""Rows for people as an aligned table, for a pipe as TSV."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import typer

__all__ = ["show_rows"]


def show_rows(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    cells = [[_cell(cell) for cell in row] for row in rows]
    for line in (_aligned if sys.stdout.isatty() else _tsv)([list(header), *cells]):
        typer.echo(line)


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return text.replace("\t", " ").replace("\n", " ")


def _tsv(rows: list[list[str]]) -> Iterator[str]:
    yield from ("\t".join(row) for row in rows)


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
