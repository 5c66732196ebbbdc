"""The whole line at full speed next to the script of an afternoon, by turns."""

from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import Run, edaphon, naive, run_line

__all__ = ["TITLE", "figures"]

MESSAGES, ROUNDS = 60_000, 2
TITLE = f"{MESSAGES:,} messages of 3 readings, {ROUNDS} rounds each by turns, next to naive.py"


def figures(folder: Path) -> list[Figure]:
    ours: list[Run] = []
    theirs: list[Run] = []
    for i in range(ROUNDS):
        ours.append(run_line(edaphon, 3, folder / f"ours{i}", MESSAGES))
        theirs.append(run_line(naive, 1, folder / f"naive{i}", MESSAGES))

    def both(what: str, name: str, factor: float = 1.0) -> Figure:
        mine, its = (median(getattr(r, name) for r in runs) * factor for runs in (ours, theirs))
        return Figure(what, mine, its)

    return [
        both("messages/s", "messages_per_s"),
        both("CPU s per 100,000 messages", "cpu_s", 100_000 / MESSAGES),
        both("lost points", "lost"),
        both("points written twice", "doubled"),
        both("requests", "requests"),
        both("peak RSS [MB]", "peak_mb"),
    ]
