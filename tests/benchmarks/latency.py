"""From the moment a message is due to the moment its values are in the sink, at a steady rate."""

from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import edaphon, naive, run_line

__all__ = ["TITLE", "figures"]

RATE, SECONDS = 100, 20
TITLE = f"{RATE} messages/s for {SECONDS} s, next to naive.py"


def figures(folder: Path) -> list[Figure]:
    ours = run_line(edaphon, 3, folder / "ours", RATE * SECONDS, RATE)
    theirs = run_line(naive, 1, folder / "naive", RATE * SECONDS, RATE)
    return [
        Figure(f"p{p} [ms]", 1e3 * _quantile(ours.late_s, p), 1e3 * _quantile(theirs.late_s, p))
        for p in (50, 99)
    ] + [
        Figure("CPU, % of a core", 100 * ours.cpu_s / SECONDS, 100 * theirs.cpu_s / SECONDS),
        Figure("lost points", ours.lost, theirs.lost),
    ]


def _quantile(times: list[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]
