"""What a benchmark shows: figures next to a yardstick of the same run, as one table."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Figure", "table"]


class Figure(NamedTuple):
    """`yardstick` was measured in the same run, or is the aim where `aim` says so."""

    what: str
    ours: float
    yardstick: float | None = None
    aim: bool = False

    def row(self) -> tuple[str, str, str, str]:
        if self.yardstick is None:
            return self.what, _short(self.ours), "", ""
        second_input = f"aim {_short(self.yardstick)}" if self.aim else _short(self.yardstick)
        ratio = f"{self.ours / self.yardstick:.2f}" if self.yardstick else ""
        return self.what, _short(self.ours), second_input, ratio


def table(title: str, figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    head = (title, "ours", "yardstick", "ratio")
    rows = [head, *(figure.row() for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def _short(number: float) -> str:
    if number == int(number) or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"
