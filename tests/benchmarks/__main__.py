"""`python -m tests.benchmarks [NAME ...]`: run benchmarks and print a table of each; no judgement.

Ratios to a yardstick of the same run count: rates of one machine differ twofold from day to day.
"""

import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.figures import Figure, table

NAMES = (
    "line", "latency", "start", "share", "disk", "catch_up", "rebuild", "recalibrate", "calibrate",
    "decode", "scan_time", "query", "slow_server", "watching", "judging",
)  # fmt: skip


def main(names: list[str]) -> None:
    if unknown := set(names) - set(NAMES):
        sys.exit(f"expected some of {', '.join(NAMES)}; came {', '.join(sorted(unknown))}")
    for name in names or NAMES:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        begun, load = time.monotonic(), os.getloadavg()[0]
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            figures: list[Figure] = module.figures(Path(folder))
        took = time.monotonic() - begun
        title = f"{name}: {module.TITLE}"
        print(f"\n{table(title, figures)}\n({took:.0f} s; load before it {load:.1f})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
